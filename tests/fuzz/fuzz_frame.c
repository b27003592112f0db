// SPDX-License-Identifier: GPL-2.0-only
/* Frame headers and the messages with a fixed form. The first byte says which. */
#include "fuzz.h"
#include "ack.h"
#include "frame.h"
#include "hello.h"
#include "plan-wire.h"

static void judge_frame(const void *data)
{
	const struct lvr_wire_frame *wire = data;
	struct lvr_wire_frame again;
	struct lvr_frame frame;
	struct lvr_err err;

	if (lvr_frame_decode(&frame, data, le64_to_cpu(wire->conn_id), le64_to_cpu(wire->serial),
			     U32_MAX, &err))
		return;
	must(lvr_frame_type_name(frame.type));
	lvr_frame_encode(&again, &frame);
	must(!memcmp(&again, data, sizeof(again)));
}

static void try_frame(u8 *data, size_t bytes)
{
	if (bytes < sizeof(struct lvr_wire_frame))
		return;
	judge_frame(data);
	fuzz_set_crc(data, sizeof(struct lvr_wire_frame), offsetof(struct lvr_wire_frame, head_crc));
	judge_frame(data);
}

static void try_hello(const u8 *data, size_t bytes)
{
	struct lvr_wire_hello again;
	struct lvr_hello hello;
	struct lvr_err err;

	if (lvr_hello_decode(&hello, data, bytes, &err))
		return;
	lvr_hello_encode(&again, &hello);
	must(bytes == sizeof(again) && !memcmp(&again, data, sizeof(again)));
	lvr_hello_check(&hello, &hello, &err);
}

static void try_ack(const u8 *data, size_t bytes)
{
	struct lvr_wire_ack again;
	struct lvr_ack ack;
	struct lvr_err err;

	if (lvr_ack_decode(&ack, data, bytes, &err))
		return;
	lvr_ack_encode(&again, &ack);
	must(bytes == sizeof(again) && !memcmp(&again, data, sizeof(again)));
}

static void try_lookup(const u8 *data, size_t bytes)
{
	struct lvr_wire_lookup again;
	struct lvr_lookup lookup;
	struct lvr_err err;

	if (lvr_lookup_decode(&lookup, data, bytes, &err))
		return;
	lvr_lookup_encode(&again, &lookup);
	must(bytes == sizeof(again) && !memcmp(&again, data, sizeof(again)));
}

static void try_verdict(const u8 *data, size_t bytes)
{
	struct lvr_wire_verdict again;
	struct lvr_plan plan;
	struct lvr_err err;

	memset(&plan, 0, sizeof(plan));
	if (lvr_verdict_decode(&plan, data, bytes, &err))
		return;
	lvr_verdict_encode(&again, &plan);
	/* no part of the plan */
	again.sync_id = ((const struct lvr_wire_verdict *)data)->sync_id;
	must(bytes == sizeof(again) && !memcmp(&again, data, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	u8 *copy;

	if (!bytes)
		return 0;
	copy = fuzz_copy(data + 1, bytes - 1);
	switch (data[0] % 5) {
	case 0:
		try_frame(copy, bytes - 1);
		break;
	case 1:
		try_hello(copy, bytes - 1);
		break;
	case 2:
		try_ack(copy, bytes - 1);
		break;
	case 3:
		try_lookup(copy, bytes - 1);
		break;
	case 4:
		try_verdict(copy, bytes - 1);
		break;
	}
	free(copy);
	return 0;
}
