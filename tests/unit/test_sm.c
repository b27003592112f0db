// SPDX-License-Identifier: GPL-2.0-only
/* State tables: every state with every event, against a second writing of the rules. */
#include "unit.h"
#include "sm.h"

#define NO (-EINVAL)

static int group_expected(u8 state, u8 event)
{
	switch (event) {
	case LVR_GEV_STOP:
		return state == LVR_GROUP_STOPPING ? NO : LVR_GROUP_STOPPING;
	case LVR_GEV_LOG_ERROR:
		return state == LVR_GROUP_STOPPING || state == LVR_GROUP_FAILED ?
		       NO : LVR_GROUP_FAILED;
	case LVR_GEV_SCANNED:
		return state == LVR_GROUP_RECOVERING ? LVR_GROUP_WAITING : NO;
	case LVR_GEV_COMPLETE:
		return state == LVR_GROUP_WAITING ? LVR_GROUP_REPLAYING : NO;
	case LVR_GEV_REPLAYED_SECONDARY:
		return state == LVR_GROUP_REPLAYING ? LVR_GROUP_STANDBY : NO;
	case LVR_GEV_REPLAYED_UNCONFIRMED:
		return state == LVR_GROUP_REPLAYING ? LVR_GROUP_UNCONFIRMED : NO;
	case LVR_GEV_CONFIRM:
		return state == LVR_GROUP_UNCONFIRMED ? LVR_GROUP_PROMOTING : NO;
	case LVR_GEV_SUPERSEDE:
		return state == LVR_GROUP_UNCONFIRMED ? LVR_GROUP_STANDBY : NO;
	case LVR_GEV_PROMOTE:
		return state == LVR_GROUP_UNCONFIRMED || state == LVR_GROUP_STANDBY ?
		       LVR_GROUP_PROMOTING : NO;
	case LVR_GEV_PROMOTED:
		return state == LVR_GROUP_PROMOTING ? LVR_GROUP_ACTIVE : NO;
	case LVR_GEV_DEMOTE:
		return state == LVR_GROUP_UNCONFIRMED || state == LVR_GROUP_ACTIVE ?
		       LVR_GROUP_DEMOTING : NO;
	case LVR_GEV_DEMOTED:
		return state == LVR_GROUP_DEMOTING ? LVR_GROUP_STANDBY : NO;
	}
	return NO;
}

static bool connected(u8 state)
{
	return state == LVR_LINK_AUTHENTICATING || state == LVR_LINK_HANDSHAKING ||
	       state == LVR_LINK_IDLE || state == LVR_LINK_CATCHING_UP ||
	       state == LVR_LINK_STREAMING || state == LVR_LINK_SYNCING;
}

static int link_expected(u8 state, u8 event)
{
	switch (event) {
	case LVR_LEV_CONNECT:
		return state == LVR_LINK_STANDALONE ? LVR_LINK_WAITING : NO;
	case LVR_LEV_DISCONNECT:
		return state == LVR_LINK_STANDALONE || state >= LVR_LINK_STATE_COUNT ?
		       NO : LVR_LINK_STANDALONE;
	case LVR_LEV_SOCKET:
		return state == LVR_LINK_WAITING || state == LVR_LINK_REFUSED ?
		       LVR_LINK_AUTHENTICATING : NO;
	case LVR_LEV_AUTHENTICATED:
		return state == LVR_LINK_AUTHENTICATING ? LVR_LINK_HANDSHAKING : NO;
	case LVR_LEV_PLAN_IDLE:
		return state == LVR_LINK_HANDSHAKING ? LVR_LINK_IDLE : NO;
	case LVR_LEV_PLAN_STREAM:
		return state == LVR_LINK_HANDSHAKING ? LVR_LINK_CATCHING_UP : NO;
	case LVR_LEV_PLAN_SYNC:
		return state == LVR_LINK_HANDSHAKING ? LVR_LINK_SYNCING : NO;
	case LVR_LEV_PLAN_REFUSE:
		return state == LVR_LINK_HANDSHAKING ? LVR_LINK_REFUSED : NO;
	case LVR_LEV_CAUGHT_UP:
		return state == LVR_LINK_CATCHING_UP ? LVR_LINK_STREAMING : NO;
	case LVR_LEV_SYNC_SENT:
		return state == LVR_LINK_SYNCING ? LVR_LINK_CATCHING_UP : NO;
	case LVR_LEV_LOST:
		return connected(state) ? LVR_LINK_WAITING :
		       state == LVR_LINK_REFUSED ? LVR_LINK_REFUSED : NO;
	}
	return NO;
}

static void every_group_state_with_every_event(void **ctx)
{
	struct lvr_err err;
	u8 state, event;

	(void)ctx;
	for (state = 0; state < LVR_GROUP_STATE_COUNT; state++) {
		for (event = 0; event < LVR_GEV_COUNT; event++) {
			int got = lvr_group_next(state, event, &err);

			check(got == group_expected(state, event), "%s in %s: %d",
			      lvr_group_event_name(event), lvr_group_state_name(state), got);
			if (got >= 0)
				continue;
			check(strstr(err.text, lvr_group_event_name(event)) &&
			      strstr(err.text, lvr_group_state_name(state)), "%s", err.text);
		}
	}
}

static void every_link_state_with_every_event(void **ctx)
{
	struct lvr_err err;
	u8 state, event;

	(void)ctx;
	for (state = 0; state < LVR_LINK_STATE_COUNT; state++) {
		for (event = 0; event < LVR_LEV_COUNT; event++) {
			int got = lvr_link_next(state, event, &err);

			check(got == link_expected(state, event), "%s in %s: %d",
			      lvr_link_event_name(event), lvr_link_state_name(state), got);
			if (got >= 0)
				continue;
			check(strstr(err.text, lvr_link_event_name(event)) &&
			      strstr(err.text, lvr_link_state_name(state)), "%s", err.text);
		}
	}
}

static void what_is_out_of_range_is_refused(void **ctx)
{
	(void)ctx;
	assert_int_equal(lvr_group_next(LVR_GROUP_STATE_COUNT, LVR_GEV_STOP, NULL), -EINVAL);
	assert_int_equal(lvr_group_next(LVR_GROUP_ACTIVE, LVR_GEV_COUNT, NULL), -EINVAL);
	assert_int_equal(lvr_group_next(255, 255, NULL), -EINVAL);
	assert_int_equal(lvr_link_next(LVR_LINK_STATE_COUNT, LVR_LEV_LOST, NULL), -EINVAL);
	assert_int_equal(lvr_link_next(255, 255, NULL), -EINVAL);
	assert_string_equal(lvr_group_state_name(LVR_GROUP_STATE_COUNT), "?");
	assert_string_equal(lvr_group_state_doc(LVR_GROUP_STATE_COUNT), "?");
	assert_string_equal(lvr_group_event_name(LVR_GEV_COUNT), "?");
	assert_string_equal(lvr_link_state_name(LVR_LINK_STATE_COUNT), "?");
	assert_string_equal(lvr_link_state_doc(255), "?");
	assert_string_equal(lvr_link_event_name(LVR_LEV_COUNT), "?");
	assert_string_equal(lvr_role_name(LVR_ROLE_COUNT), "?");
	assert_string_equal(lvr_direction_name(LVR_DIR_COUNT), "?");
}

static void check_edges(const struct lvr_sm_edge *edges, u32 count, u8 states, u8 events,
			u8 start, int end)
{
	u32 reached = 1u << start, leaves = 0, used = 0, before, i, j;

	for (i = 0; i < count; i++) {
		check(edges[i].from < states && edges[i].to < states && edges[i].event < events,
		      "row %u", i);
		for (j = 0; j < i; j++)
			check(edges[i].from != edges[j].from || edges[i].event != edges[j].event,
			      "rows %u and %u are for the same", j, i);
		used |= 1u << edges[i].event;
		if (edges[i].to != edges[i].from)
			leaves |= 1u << edges[i].from;
	}
	do {
		before = reached;
		for (i = 0; i < count; i++)
			if (reached & 1u << edges[i].from)
				reached |= 1u << edges[i].to;
	} while (reached != before);
	assert_int_equal(reached, (1u << states) - 1);
	assert_int_equal(used, (1u << events) - 1);
	if (end >= 0)
		assert_int_equal(leaves & 1u << end, 0);
	assert_int_equal(leaves | (end >= 0 ? 1u << end : 0), (1u << states) - 1);
}

static void every_state_is_reached_and_left(void **ctx)
{
	(void)ctx;
	check_edges(lvr_group_edges, lvr_group_edge_count, LVR_GROUP_STATE_COUNT, LVR_GEV_COUNT,
		    LVR_GROUP_RECOVERING, LVR_GROUP_STOPPING);
	check_edges(lvr_link_edges, lvr_link_edge_count, LVR_LINK_STATE_COUNT, LVR_LEV_COUNT,
		    LVR_LINK_STANDALONE, -1);
}

/* a primary is only made by way of promoting, which begins a generation */
static void active_has_one_way_in(void **ctx)
{
	u32 i;

	(void)ctx;
	for (i = 0; i < lvr_group_edge_count; i++)
		if (lvr_group_edges[i].to == LVR_GROUP_ACTIVE)
			assert_int_equal(lvr_group_edges[i].from, LVR_GROUP_PROMOTING);
	for (i = 0; i < lvr_link_edge_count; i++)
		if (lvr_link_edges[i].to == LVR_LINK_HANDSHAKING)
			assert_int_equal(lvr_link_edges[i].event, LVR_LEV_AUTHENTICATED);
}

static void check_names(const char *(*name)(u8), const char *(*doc)(u8), u8 count)
{
	u8 i, j;

	for (i = 0; i < count; i++) {
		const char *n = name(i);

		check(n[0] && strspn(n, "abcdefghijklmnopqrstuvwxyz-") == strlen(n), "%s", n);
		check(!doc || strlen(doc(i)) > 3, "%s has no doc", n);
		for (j = 0; j < i; j++)
			check(strcmp(n, name(j)), "%s is there twice", n);
	}
}

static void names_are_words_and_unique(void **ctx)
{
	(void)ctx;
	check_names(lvr_group_state_name, lvr_group_state_doc, LVR_GROUP_STATE_COUNT);
	check_names(lvr_group_event_name, NULL, LVR_GEV_COUNT);
	check_names(lvr_link_state_name, lvr_link_state_doc, LVR_LINK_STATE_COUNT);
	check_names(lvr_link_event_name, NULL, LVR_LEV_COUNT);
	check_names(lvr_role_name, NULL, LVR_ROLE_COUNT);
	check_names(lvr_direction_name, NULL, LVR_DIR_COUNT);
	assert_string_equal(lvr_group_state_name(LVR_GROUP_UNCONFIRMED), "unconfirmed");
	assert_string_equal(lvr_link_state_name(LVR_LINK_CATCHING_UP), "catching-up");
	assert_string_equal(lvr_role_name(LVR_ROLE_PRIMARY), "primary");
	assert_string_equal(lvr_direction_name(LVR_DIR_TARGET), "target");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_group_state_with_every_event),
		cmocka_unit_test(every_link_state_with_every_event),
		cmocka_unit_test(what_is_out_of_range_is_refused),
		cmocka_unit_test(every_state_is_reached_and_left),
		cmocka_unit_test(active_has_one_way_in),
		cmocka_unit_test(names_are_words_and_unique),
	};

	return cmocka_run_group_tests_name("sm", tests, NULL, NULL);
}
