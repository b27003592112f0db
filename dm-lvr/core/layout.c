// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes and offsets of everything that lies on a disk or goes over a wire,
 * checked by the compiler. A struct that fails here would be read differently
 * by another build; the answer is a new format version, never a new number
 * in this file.
 */
#include "port.h"
#include "../../include/lvr/chunk.h"
#include "../../include/lvr/disk.h"
#include "../../include/lvr/wire.h"

#define SIZE(type, bytes)						\
	static_assert(sizeof(struct type) == (bytes), #type " has another size");	\
	static_assert(sizeof(struct type) % 8 == 0, #type " is no multiple of 8")
#define AT(type, field, bytes)						\
	static_assert(offsetof(struct type, field) == (bytes), #type "." #field " has moved")

/* chunk.h */
SIZE(lvr_chunk_head, 96);
SIZE(lvr_chunk_head, LVR_CHUNK_HEAD_BYTES);
AT(lvr_chunk_head, head_bytes, 8);
AT(lvr_chunk_head, payload_bytes, 12);
AT(lvr_chunk_head, records, 16);
AT(lvr_chunk_head, flags, 18);
AT(lvr_chunk_head, crc, 20);
AT(lvr_chunk_head, gen, 24);
AT(lvr_chunk_head, first_seq, 32);
AT(lvr_chunk_head, chain, 40);
AT(lvr_chunk_head, group_id, 48);
AT(lvr_chunk_head, time_ms, 56);
AT(lvr_chunk_head, sync_no, 64);
AT(lvr_chunk_head, sync_id, 72);
AT(lvr_chunk_head, reserved, 80);

SIZE(lvr_record_desc, 32);
SIZE(lvr_record_desc, LVR_RECORD_DESC_BYTES);
AT(lvr_record_desc, volume, 2);
AT(lvr_record_desc, len_sect, 4);
AT(lvr_record_desc, start_sect, 8);
AT(lvr_record_desc, arg, 16);
AT(lvr_record_desc, data_hash, 24);

/* disk.h */
SIZE(lvr_disk_envelope, 64);
SIZE(lvr_disk_envelope, LVR_ENVELOPE_BYTES);
AT(lvr_disk_envelope, off, 24);
AT(lvr_disk_envelope, extent_bytes, 32);
AT(lvr_disk_envelope, payload_at_bytes, 36);
AT(lvr_disk_envelope, crc, 40);
AT(lvr_disk_envelope, reserved, 48);

SIZE(lvr_disk_pos, 32);
SIZE(lvr_disk_member, 136);
AT(lvr_disk_member, flags, 32);
AT(lvr_disk_member, acked_seq, 56);
AT(lvr_disk_member, sync_id, 88);
AT(lvr_disk_member, sync_volume, 112);
SIZE(lvr_disk_volume, 64);
AT(lvr_disk_volume, size_sect, 32);
AT(lvr_disk_volume, id, 40);
SIZE(lvr_disk_generation, 32);
AT(lvr_disk_generation, member, 24);

SIZE(lvr_disk_super, 14352);
AT(lvr_disk_super, version, 8);
AT(lvr_disk_super, crc, 12);
AT(lvr_disk_super, feature_incompat, 32);
AT(lvr_disk_super, sb_seq, 40);
AT(lvr_disk_super, group_uuid, 48);
AT(lvr_disk_super, log_id, 96);
AT(lvr_disk_super, flags, 112);
AT(lvr_disk_super, device_sect, 128);
AT(lvr_disk_super, tail, 152);
AT(lvr_disk_super, checkpoint, 192);
AT(lvr_disk_super, stale_map_start_sect, 272);
AT(lvr_disk_super, history_entries, 292);
AT(lvr_disk_super, handover_seq, 304);
AT(lvr_disk_super, reserved, 320);
AT(lvr_disk_super, counter, 464);
AT(lvr_disk_super, member, 976);
AT(lvr_disk_super, history, 2064);
AT(lvr_disk_super, volume, 6160);
static_assert(sizeof(struct lvr_disk_super) <= LVR_SUPER_BYTES, "superblock outgrew its slot");

/* envelope, head and all descriptors lie in the chunk's one page */
static_assert(LVR_ENVELOPE_BYTES + LVR_CHUNK_MAX_HEAD_BYTES <= 4096, "chunk head outgrew its page");
static_assert(LVR_RECORD_MAX_BYTES <= LVR_CHUNK_MAX_PAYLOAD_BYTES, "a record must fit a chunk");

/* wire.h */
SIZE(lvr_wire_frame, 64);
SIZE(lvr_wire_frame, LVR_FRAME_BYTES);
AT(lvr_wire_frame, conn_id, 8);
AT(lvr_wire_frame, serial, 16);
AT(lvr_wire_frame, payload_bytes, 48);
AT(lvr_wire_frame, payload_crc, 52);
AT(lvr_wire_frame, head_crc, 56);

SIZE(lvr_wire_hello, 152);
AT(lvr_wire_hello, group, 24);
AT(lvr_wire_hello, name, 56);
AT(lvr_wire_hello, member, 88);
AT(lvr_wire_hello, nonce, 104);
static_assert(sizeof(struct lvr_wire_hello) <= LVR_HELLO_MAX_BYTES, "hello outgrew its bound");

SIZE(lvr_wire_auth, 32);
SIZE(lvr_wire_volume, 48);
SIZE(lvr_wire_generation, 32);
SIZE(lvr_wire_state, 120);
AT(lvr_wire_state, ring_bytes, 16);
AT(lvr_wire_state, flags, 88);
AT(lvr_wire_state, reserved, 104);
static_assert(sizeof(struct lvr_wire_state) +
	      LVR_MAX_HISTORY * sizeof(struct lvr_wire_generation) +
	      LVR_MAX_VOLUMES * sizeof(struct lvr_wire_volume) <= LVR_STATE_MAX_BYTES,
	      "state outgrew its bound");
SIZE(lvr_wire_lookup, 32);
SIZE(lvr_wire_verdict, 64);
AT(lvr_wire_verdict, from_seq, 8);
AT(lvr_wire_verdict, sync_id, 32);
AT(lvr_wire_verdict, confirm_member, 56);
SIZE(lvr_wire_ack, 64);
AT(lvr_wire_ack, sync_no, 24);
AT(lvr_wire_ack, flags, 40);
