/* SPDX-License-Identifier: GPL-2.0-only */
/* Every bound of the formats and of the module, each declared once. */
#ifndef LVR_LIMITS_H
#define LVR_LIMITS_H

#define LVR_SECTOR_SHIFT	9
#define LVR_SECTOR_BYTES	512u
#define LVR_BLOCK_MAX_BYTES	4096u	/* of a log and of a volume */

/* members and volumes of a group; both sized into the superblock */
#define LVR_MAX_MEMBERS		8
#define LVR_MAX_VOLUMES		128
#define LVR_MAX_HISTORY		128
#define LVR_MAX_COUNTERS	64
#define LVR_NAME_BYTES		32	/* with the terminating NUL */
#define LVR_KEY_MIN_BYTES	16
#define LVR_KEY_MAX_BYTES	64
#define LVR_NONCE_BYTES		32
#define LVR_MAC_BYTES		32	/* HMAC-SHA-256 */
#define LVR_UUID_BYTES		16

/* chunks: envelope, head and all descriptors together fit one 4 KiB page */
#define LVR_CHUNK_MAX_RECORDS	120
#define LVR_CHUNK_MAX_PAYLOAD_BYTES (1u << 20)
#define LVR_RECORD_MAX_BYTES	(256u << 10)
#define LVR_ENVELOPE_BYTES	64
#define LVR_CHUNK_HEAD_BYTES	96
#define LVR_RECORD_DESC_BYTES	32
#define LVR_CHUNK_MAX_HEAD_BYTES \
	(LVR_CHUNK_HEAD_BYTES + LVR_CHUNK_MAX_RECORDS * LVR_RECORD_DESC_BYTES)

/* log device: two superblock slots, the map areas, the ring */
#define LVR_SUPER_BYTES		(32u << 10)
#define LVR_MAP_AREA_MIN_BYTES	(64u << 10)
#define LVR_MAP_AREA_MAX_BYTES	(16u << 20)
#define LVR_RING_MIN_BYTES	(8ull << 20)
#define LVR_RING_MAX_BYTES	(1ull << 44)
#define LVR_VOLUME_MAX_SECT	(1ull << 48)

/* wire */
#define LVR_FRAME_BYTES		64
#define LVR_HELLO_MAX_BYTES	256
#define LVR_STATE_MAX_BYTES	(32u << 10)
#define LVR_PREAUTH_MAX_CONNS	16	/* connections not yet authenticated, a listener */
#define LVR_PREAUTH_TIMEOUT_MS	5000
#define LVR_DEFAULT_PORT	7794

/* tunables of a group: default, least, greatest */
#define LVR_STAGE_DEFAULT_MIB	64
#define LVR_STAGE_MIN_MIB	4
#define LVR_STAGE_MAX_MIB	4096
#define LVR_PING_DEFAULT_MS	1000
#define LVR_PING_MIN_MS		100
#define LVR_PING_MAX_MS		60000
#define LVR_TIMEOUT_DEFAULT_MS	6000
#define LVR_TIMEOUT_MIN_MS	500
#define LVR_TIMEOUT_MAX_MS	600000

#endif
