// SPDX-License-Identifier: GPL-2.0-only
/*
 * What two nodes say of themselves in STATE, and the plan that both make of
 * it: each reaches the same, whatever the other says. The first two bytes
 * are the length of the first state.
 */
#include "fuzz.h"
#include "plan-wire.h"

static struct lvr_plan_node *decode(const u8 *data, size_t bytes)
{
	static u8 again[LVR_STATE_MAX_BYTES] __attribute__((aligned(8)));
	struct lvr_plan_node *node = calloc(1, sizeof(*node));
	void *copy = fuzz_copy(data, bytes);
	struct lvr_err err;

	must(node);
	if (lvr_state_decode(node, copy, bytes, &err)) {
		free(node);
		node = NULL;
	} else {
		must(lvr_state_encode(again, node) == bytes && !memcmp(again, copy, bytes));
	}
	free(copy);
	return node;
}

static void meet(struct lvr_plan_node *a, struct lvr_plan_node *b, u8 chains)
{
	struct lvr_plan plan, mirrored;
	struct lvr_err text;
	bool related;
	u64 fork;
	u32 id;

	fork = lvr_plan_fork(a, b, &related);
	must(fork == lvr_plan_fork(b, a, NULL));
	a->fork_known = chains & 1;
	b->fork_known = chains & 2;
	a->fork_chain = 7;
	b->fork_chain = chains & 4 ? 8 : 7;
	lvr_plan_make(a, b, &plan);
	lvr_plan_make(b, a, &mirrored);
	must(lvr_plan_agrees(&plan, &mirrored));
	for (id = 0; id < LVR_MAX_VOLUMES; id++)
		must(lvr_plan_describe_mismatch(a, b, id, &text) ==
		     lvr_plan_describe_mismatch(b, a, id, &text));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	struct lvr_plan_node *a, *b = NULL;
	size_t first;

	if (bytes < 3)
		return 0;
	first = min((size_t)(data[0] | data[1] << 8), bytes - 3);
	a = decode(data + 3, first);
	if (a)
		b = decode(data + 3 + first, bytes - 3 - first);
	if (b)
		meet(a, b, data[2]);
	free(a);
	free(b);
	return 0;
}
