// SPDX-License-Identifier: GPL-2.0-only
/* Chunk heads and envelopes: from the log device and from the network. */
#include "fuzz.h"
#include "chunk.h"

static void judge_head(const void *head, u32 bytes)
{
	struct lvr_chunk_info info;
	u64 payload_bytes = 0;
	struct lvr_err err;
	u32 i;

	if (bytes < LVR_CHUNK_HEAD_BYTES || lvr_chunk_peek(head, &info, &err))
		return;
	must(info.head_bytes <= LVR_CHUNK_MAX_HEAD_BYTES);
	if (lvr_chunk_decode(head, bytes, &info, &err))
		return;
	must(info.head_bytes <= bytes && info.records && info.records <= LVR_CHUNK_MAX_RECORDS);
	must(info.payload_bytes <= LVR_CHUNK_MAX_PAYLOAD_BYTES);
	for (i = 0; i < info.records; i++) {
		struct lvr_record_desc again;
		struct lvr_record record;

		lvr_chunk_record(head, i, &record);
		lvr_record_encode(&again, &record);
		must(!memcmp(&again, (const u8 *)head + LVR_CHUNK_HEAD_BYTES + i * sizeof(again),
			     sizeof(again)));
		must(record.start_sect + record.len_sect >= record.start_sect);
		payload_bytes += lvr_record_payload_bytes(&record);
	}
	must(payload_bytes == info.payload_bytes);
	must(lvr_chunk_end_seq(&info) >= info.first_seq);
}

static void judge_envelope(const void *data, u32 block_bytes)
{
	struct lvr_disk_envelope again;
	struct lvr_envelope envelope;
	struct lvr_err err;

	if (lvr_envelope_decode(data, &envelope, block_bytes, &err))
		return;
	must(envelope.extent_bytes && envelope.extent_bytes % block_bytes == 0);
	must(envelope.payload_at_bytes <= envelope.extent_bytes);
	lvr_envelope_encode(&again, &envelope);
	must(!memcmp(&again, data, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	u8 *copy = fuzz_copy(data, bytes);
	struct lvr_chunk_info info;
	struct lvr_err err;

	judge_head(copy, bytes);
	if (bytes >= LVR_CHUNK_HEAD_BYTES && !lvr_chunk_peek(copy, &info, &err) &&
	    info.head_bytes <= bytes) {
		fuzz_set_crc(copy, info.head_bytes, offsetof(struct lvr_chunk_head, crc));
		judge_head(copy, bytes);
	}
	memcpy(copy, data, bytes);
	if (bytes >= sizeof(struct lvr_disk_envelope)) {
		judge_envelope(copy, 512);
		fuzz_set_crc(copy, sizeof(struct lvr_disk_envelope), offsetof(struct lvr_disk_envelope, crc));
		judge_envelope(copy, 512);
		judge_envelope(copy, 4096);
	}
	free(copy);
	return 0;
}
