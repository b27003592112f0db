// SPDX-License-Identifier: GPL-2.0-only
/* The userspace port gives what the kernel gives; the small helpers of the codecs. */
#include "unit.h"
#include "codec.h"

static void crc_is_castagnoli_without_inversion(void **state)
{
	static const u8 zeros[32], nothing[1];

	(void)state;
	/* published check value of CRC-32C, its final inversion taken back */
	assert_int_equal(lvr_crc32c(~0u, "123456789", 9), ~0xe3069283u);
	/* test vectors of RFC 3720 B.4 */
	assert_int_equal(lvr_crc32c(~0u, zeros, 32), ~0x8a9136aau);
	assert_int_equal(lvr_crc32c(~0u, nothing, 0), ~0u);
	assert_int_equal(lvr_crc32c(0, zeros, 32), 0);
}

static u32 crc_bit_by_bit(u32 crc, const u8 *p, u32 bytes)
{
	u32 i, bit;

	for (i = 0; i < bytes; i++) {
		crc ^= p[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static void crc_of_every_length_and_alignment(void **state)
{
	u8 data[80];
	u64 seed = 1;
	u32 from, bytes;

	(void)state;
	for (from = 0; from < sizeof(data); from++)
		data[from] = next_random(&seed);
	for (from = 0; from < 9; from++)
		for (bytes = 0; from + bytes <= sizeof(data); bytes++)
			check(lvr_crc32c(~0u, data + from, bytes) ==
			      crc_bit_by_bit(~0u, data + from, bytes), "%u+%u", from, bytes);
}

static void crc_of_parts_is_crc_of_whole(void **state)
{
	u8 data[67];
	u64 seed = 2;
	u32 cut;

	(void)state;
	for (cut = 0; cut < sizeof(data); cut++)
		data[cut] = next_random(&seed);
	for (cut = 0; cut <= sizeof(data); cut++)
		check(lvr_crc32c(lvr_crc32c(~0u, data, cut), data + cut, sizeof(data) - cut) ==
		      lvr_crc32c(~0u, data, sizeof(data)), "cut at %u", cut);
}

static void crc_around_leaves_out_four_bytes(void **state)
{
	u8 data[40], cleared[40];
	u64 seed = 3;
	u32 at;

	(void)state;
	for (at = 0; at < sizeof(data); at++)
		data[at] = next_random(&seed) | 1;
	for (at = 0; at <= sizeof(data) - 4; at++) {
		memcpy(cleared, data, sizeof(data));
		memset(cleared + at, 0, 4);
		check(lvr_crc_around(data, sizeof(data), at) ==
		      lvr_crc32c(LVR_CRC_SEED, cleared, sizeof(cleared)), "at %u", at);
	}
}

static void xxh64_is_the_published_one(void **state)
{
	const char *text = "Nobody inspects the spammish repetition";
	lvr_xxh64_state hash;
	u32 cut;

	(void)state;
	assert_int_equal(lvr_xxh64("", 0, 0), 0xef46db3751d8e999ull);
	assert_int_equal(lvr_xxh64(text, strlen(text), 0), 0xfbcea83c8a378bf1ull);
	for (cut = 0; cut <= strlen(text); cut++) {
		lvr_xxh64_reset(&hash, 7);
		lvr_xxh64_update(&hash, text, cut);
		lvr_xxh64_update(&hash, text + cut, strlen(text) - cut);
		check(lvr_xxh64_digest(&hash) == lvr_xxh64(text, strlen(text), 7), "cut %u", cut);
	}
}

static void zero_is_seen_everywhere(void **state)
{
	u8 data[17] = {};
	u32 i;

	(void)state;
	assert_true(lvr_is_zero(data, sizeof(data)));
	assert_true(lvr_is_zero(data, 0));
	for (i = 0; i < sizeof(data); i++) {
		data[i] = 0x80;
		check(!lvr_is_zero(data, sizeof(data)), "byte %u", i);
		data[i] = 0;
	}
}

static void text_add_follows_snprintf(void **state)
{
	char buf[8];
	u32 at = 0;

	(void)state;
	memset(buf, 'x', sizeof(buf));
	lvr_text_add(buf, sizeof(buf), &at, "%s", "abc");
	assert_int_equal(at, 3);
	lvr_text_add(buf, sizeof(buf), &at, "%u", 12345678);
	assert_int_equal(at, 11);
	assert_string_equal(buf, "abc1234");
	lvr_text_add(buf, sizeof(buf), &at, "more");
	assert_int_equal(at, 15);
	assert_string_equal(buf, "abc1234");
	at = 0;
	lvr_text_add(NULL, 0, &at, "counted");
	assert_int_equal(at, 7);
}

static void names_are_cut_and_padded(void **state)
{
	char to[LVR_NAME_BYTES];
	const char *longer = "0123456789012345678901234567890123456789";

	(void)state;
	memset(to, 'x', sizeof(to));
	lvr_name_copy(to, "ab");
	assert_string_equal(to, "ab");
	assert_true(lvr_is_zero(to + 2, sizeof(to) - 2));
	lvr_name_copy(to, longer);
	assert_int_equal(strlen(to), LVR_NAME_BYTES - 1);
	assert_memory_equal(to, longer, LVR_NAME_BYTES - 1);
}

static void block_sizes(void **state)
{
	u32 bytes;

	(void)state;
	for (bytes = 0; bytes < 10000; bytes++)
		check(lvr_block_bytes_ok(bytes) == (bytes == 512 || bytes == 1024 ||
						    bytes == 2048 || bytes == 4096), "%u", bytes);
}

static void errors_are_cut_not_overrun(void **state)
{
	struct lvr_err err;

	(void)state;
	lvr_err_set(&err, "%0300u", 7);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	lvr_err_set(&err, "short");
	assert_string_equal(err.text, "short");
	lvr_err_set(NULL, "nowhere");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_castagnoli_without_inversion),
		cmocka_unit_test(crc_of_every_length_and_alignment),
		cmocka_unit_test(crc_of_parts_is_crc_of_whole),
		cmocka_unit_test(crc_around_leaves_out_four_bytes),
		cmocka_unit_test(xxh64_is_the_published_one),
		cmocka_unit_test(zero_is_seen_everywhere),
		cmocka_unit_test(text_add_follows_snprintf),
		cmocka_unit_test(names_are_cut_and_padded),
		cmocka_unit_test(block_sizes),
		cmocka_unit_test(errors_are_cut_not_overrun),
	};

	return cmocka_run_group_tests_name("port", tests, NULL, NULL);
}
