// SPDX-License-Identifier: GPL-2.0-only
/* Superblocks. What is accepted is encoded to the same meaning, and is accepted again. */
#include "fuzz.h"
#include "super.h"

#define DEVICE_SECT	(1ull << 21)

static void judge(const void *slot)
{
	static struct lvr_super sb, again;
	static u8 encoded[LVR_SUPER_BYTES] __attribute__((aligned(8)));
	struct lvr_err err;

	memset(&sb, 0, sizeof(sb));
	memset(&again, 0, sizeof(again));
	if (lvr_super_decode(&sb, slot, DEVICE_SECT, &err))
		return;
	must(sb.history_entries <= LVR_MAX_HISTORY && sb.volumes <= LVR_MAX_VOLUMES);
	lvr_super_encode(encoded, &sb);
	must(!lvr_super_decode(&again, encoded, DEVICE_SECT, &err));
	must(!memcmp(&sb, &again, sizeof(sb)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	static u8 slot[LVR_SUPER_BYTES] __attribute__((aligned(8)));

	/* the rest of a short input are zeroes, as in most superblocks */
	memset(slot, 0, sizeof(slot));
	memcpy(slot, data, min(bytes, sizeof(slot)));
	judge(slot);
	fuzz_set_crc(slot, sizeof(slot), offsetof(struct lvr_disk_super, crc));
	judge(slot);
	return 0;
}
