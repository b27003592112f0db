// SPDX-License-Identifier: GPL-2.0-only
/* What steps in the life of a node leave in its superblock. */
#include "unit.h"
#include "plan.h"
#include "super.h"

#define PEER	0u
#define SELF	1u

/* too large for a stack */
static struct lvr_super *sb;
static struct lvr_plan_node *source;

static struct lvr_member *peer(void)
{
	return &sb->member[PEER];
}

static struct lvr_pos at(u64 seq, u64 gen)
{
	return (struct lvr_pos){ .seq = seq, .off = seq * 512, .chain = seq + 1000, .gen = gen };
}

static bool bound;

static int begin(u64 gen, u64 head_seq, u64 head_gen, u8 role, u64 handover_member)
{
	struct lvr_super_begin begin = {
		.gen = gen, .head = at(head_seq, head_gen), .peer = PEER, .role = role,
		.handover_member = handover_member, .told_durable_seq = head_seq, .bound = bound,
	};

	return lvr_super_begin_generation(sb, &begin);
}

/* a secondary that stands at 100, in a generation of its peer */
static int make_follower(void **state)
{
	struct lvr_generation gen = { .gen = 7, .member = PEER };

	(void)state;
	memset(sb, 0, sizeof(*sb));
	sb->self = SELF;
	sb->incarnation = 1;
	sb->handover_member = ~0ull;
	bound = true;
	return lvr_super_add_generation(sb, &gen);
}

/* ---------------------------------------------------------- without a peer */

/* who acknowledges without a peer must not count as one that did not, once it has the peer again */
static void a_generation_without_a_peer(void **state)
{
	struct lvr_super_begin begin = {
		.gen = 9, .head = at(100, 7), .peer = LVR_MAX_MEMBERS, .role = LVR_ROLE_SECONDARY,
		.handover_member = ~0ull, .told_durable_seq = 100, .bound = true,
	};

	(void)state;
	peer()->flags = LVR_MEMBER_F_USED;
	peer()->acked_seq = 150;
	peer()->told_durable_seq = 160;
	assert_int_equal(lvr_super_begin_generation(sb, &begin), 0);
	assert_true(peer()->flags & LVR_MEMBER_F_ALONE);
	assert_int_equal(peer()->acked_seq, 100);
	assert_int_equal(peer()->told_durable_seq, 100);
	assert_false(sb->member[SELF].flags & LVR_MEMBER_F_ALONE);
}

/* ------------------------------------------------------------- hand-overs */

/* what recovery makes of a log that ends here, with a last record like this */
static u64 recovered(u64 head_seq, u64 last_record_member)
{
	struct lvr_pos head = at(head_seq, 7);
	u64 member = lvr_super_handover(sb, head_seq, last_record_member);

	lvr_super_recover(sb, sb->incarnation + 1, &head, member);
	return member;
}

static void a_hand_over_outlives_its_record(void **state)
{
	(void)state;
	lvr_super_hand_over(sb, PEER, 100, SELF);
	assert_int_equal(recovered(100, ~0ull), SELF);
	assert_int_equal(recovered(100, ~0ull), SELF);
}

static void a_void_hand_over_stays_void(void **state)
{
	struct lvr_pos head = at(100, 7);

	(void)state;
	lvr_super_void_handover(sb, 100);
	assert_int_equal(recovered(100, SELF), ~0ull);
	assert_int_equal(recovered(100, SELF), ~0ull);
	/* the next one counts */
	assert_int_equal(recovered(101, SELF), SELF);
	assert_int_equal(lvr_super_supersede(sb, PEER, &head, &head, SELF), ~0ull);
	assert_int_equal(recovered(100, SELF), ~0ull);
	/* it stays with whom it superseded, who may have lost its record */
	assert_int_equal(lvr_super_supersede(sb, PEER, &head, &head, PEER), PEER);
	assert_int_equal(recovered(100, ~0ull), PEER);
}

static void other_records_in_place_of_lost_ones_count(void **state)
{
	struct lvr_pos pos = at(98, 7);

	(void)state;
	/* said of 100; 98 and 99 are lost, and others come */
	lvr_super_void_handover(sb, 100);
	assert_int_equal(recovered(98, ~0ull), ~0ull);
	assert_int_equal(recovered(100, SELF), SELF);
	lvr_super_hand_over(sb, PEER, 100, SELF);
	lvr_super_truncate(sb, PEER, 98, 7);
	assert_int_equal(recovered(100, ~0ull), ~0ull);
	lvr_super_hand_over(sb, PEER, 98, SELF);
	source->member = PEER;
	lvr_super_become_target(sb, 5, source, &pos);
	assert_int_equal(recovered(98, ~0ull), ~0ull);
}

/* both nodes hold 7 records up to 100, then a hand-over; who took it back began 9 at 101 */
static void a_hand_over_is_not_back_with_the_loss_of_what_followed(void **state)
{
	struct lvr_generation gen = { .gen = 9, .member = PEER, .first_seq = 101 };
	struct lvr_pos head = at(101, 7);

	(void)state;
	assert_int_equal(lvr_super_learn_generation(sb, &gen, &head), 1);
	assert_int_equal(recovered(101, SELF), ~0ull);
	/* it had been written down what the log says further on */
	lvr_super_note_handover(sb, 105, ~0ull);
	assert_int_equal(recovered(101, SELF), ~0ull);
	/* voided before its record comes, with a checkpoint in between */
	lvr_super_void_handover(sb, 110);
	lvr_super_note_handover(sb, 109, ~0ull);
	assert_int_equal(recovered(110, SELF), ~0ull);
	/* a takeover ends one to the other, not the one that it goes by */
	lvr_super_hand_over(sb, PEER, 120, PEER);
	assert_int_equal(begin(11, 120, 9, LVR_ROLE_SECONDARY, PEER), 0);
	assert_int_equal(recovered(120, PEER), ~0ull);
	assert_int_equal(begin(13, 120, 9, LVR_ROLE_SECONDARY, SELF), 0);
	assert_int_equal(recovered(120, ~0ull), SELF);
}

static void who_takes_it_back_says_so_at_once(void **state)
{
	(void)state;
	assert_int_equal(lvr_super_told_handover(SELF, LVR_GROUP_STANDBY, PEER), PEER);
	assert_int_equal(lvr_super_told_handover(SELF, LVR_GROUP_PROMOTING, PEER), ~0ull);
	assert_int_equal(lvr_super_told_handover(SELF, LVR_GROUP_PROMOTING, SELF), SELF);
	assert_int_equal(lvr_super_told_handover(SELF, LVR_GROUP_DEMOTING, PEER), PEER);
}

/* ------------------------------------------------------ what the peer holds */

static void acked_counts_for_what_is_still_there(void **state)
{
	struct lvr_pos head = at(100, 7);

	(void)state;
	peer()->acked_seq = 110;	/* of which the last ten were lost here */
	lvr_super_recover(sb, 2, &head, ~0ull);
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_PRIMARY, ~0ull), 0);
	assert_int_equal(peer()->acked_seq, 100);
	assert_int_equal(lvr_super_held_seq(sb, PEER, 0), 100);
}

static void acked_goes_with_what_is_truncated(void **state)
{
	(void)state;
	peer()->acked_seq = 110;
	peer()->told_durable_seq = 120;
	sb->durable_limit_seq = 130;
	lvr_super_truncate(sb, PEER, 105, 7);
	assert_int_equal(peer()->acked_seq, 105);
	assert_int_equal(peer()->told_durable_seq, 105);
	assert_int_equal(sb->durable_limit_seq, 105);
	assert_int_equal(sb->incarnation, 2);
}

static void a_takeover_counts_what_was_called_durable(void **state)
{
	(void)state;
	peer()->acked_seq = 50;
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_SECONDARY, ~0ull), 0);
	assert_int_equal(peer()->acked_seq, 100);
}

/* ------------------------------------------------------------------ orphans */

static void supersede(u64 fork_seq, u64 head_seq)
{
	struct lvr_pos fork = at(fork_seq, 7), head = at(head_seq, 7);

	lvr_super_supersede(sb, PEER, &fork, &head, ~0ull);
}

static void assert_no_orphans(void)
{
	assert_false(sb->flags & LVR_SUPER_F_SUPERSEDED);
	assert_int_equal(sb->orphan_first_seq | sb->orphan_end_seq | sb->orphan_bytes, 0);
}

static void orphans_are_counted_until_they_are_none(void **state)
{
	struct lvr_pos pos = at(0, 0);

	(void)state;
	supersede(100, 100);
	assert_no_orphans();
	assert_false(lvr_super_reinstate(sb, PEER, 100));

	supersede(90, 100);
	assert_true(sb->flags & LVR_SUPER_F_SUPERSEDED);
	assert_int_equal(sb->orphan_bytes, 10 * 512);
	assert_true(lvr_super_reinstate(sb, PEER, 0));
	assert_no_orphans();

	supersede(90, 100);
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_SECONDARY, ~0ull), 0);
	assert_no_orphans();

	supersede(90, 100);
	lvr_super_become_target(sb, 5, source, &pos);
	assert_no_orphans();
	assert_true(sb->flags & LVR_SUPER_F_INCONSISTENT);
}

/* ------------------------------------------------------ a peer that was given up */

static void assert_not_given_up(void)
{
	assert_false(peer()->flags & (LVR_MEMBER_F_NEEDS_SYNC | LVR_MEMBER_F_SYNC_OPEN));
}

static void who_follows_lacks_nothing_that_the_peer_would_need(void **state)
{
	struct lvr_pos pos = at(0, 0);

	(void)state;
	sb->tail = at(90, 7);
	lvr_super_give_up_peer(sb, PEER);
	/* what it has may go with its power, and is here no longer */
	assert_false(lvr_super_reinstate(sb, PEER, 89));
	assert_true(peer()->flags & LVR_MEMBER_F_NEEDS_SYNC);
	assert_true(lvr_super_reinstate(sb, PEER, 90));
	assert_not_given_up();
	assert_int_equal(peer()->acked_seq, 90);
	lvr_super_open_sync(sb, PEER, 5, 100);
	/* that is where its stream starts, not what it holds */
	assert_true(lvr_super_reinstate(sb, PEER, 95));
	assert_not_given_up();
	assert_int_equal(peer()->acked_seq, 95);
	peer()->acked_seq = 100;

	source->member = PEER;
	lvr_super_give_up_peer(sb, PEER);
	lvr_super_become_target(sb, 5, source, &pos);
	assert_not_given_up();
	/* who goes on as primary knows nothing new of it */
	lvr_super_give_up_peer(sb, PEER);
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_SECONDARY, ~0ull), 0);
	assert_true(peer()->flags & LVR_MEMBER_F_NEEDS_SYNC);
}

/* generations 7 from 0, 9 from 100; after a checkpoint at 200 this is the oldest */
static u64 oldest_after_checkpoint(u32 member)
{
	struct lvr_pos pos = at(200, 9);

	lvr_super_checkpoint(sb, member, &pos, &pos, 0);
	return sb->history[0].gen;
}

static void the_history_stays_for_a_peer_that_stands_nobody_knows_where(void **state)
{
	(void)state;
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_SECONDARY, ~0ull), 0);
	peer()->acked_seq = 100;
	assert_int_equal(oldest_after_checkpoint(PEER), 7);
	lvr_super_open_sync(sb, PEER, 5, 200);
	assert_int_equal(oldest_after_checkpoint(PEER), 7);
	lvr_super_give_up_peer(sb, PEER);
	assert_int_equal(oldest_after_checkpoint(PEER), 7);
	assert_int_equal(oldest_after_checkpoint(LVR_MAX_MEMBERS), 7);
	assert_true(lvr_super_reinstate(sb, PEER, 200));
	assert_int_equal(oldest_after_checkpoint(PEER), 9);
}

/* -------------------------------------------- who acknowledges without whom */

static bool alone(void)
{
	return peer()->flags & LVR_MEMBER_F_ALONE;
}

static void a_takeover_is_alone_a_hand_over_is_not(void **state)
{
	(void)state;
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_SECONDARY, SELF), 0);
	assert_false(alone());
	assert_int_equal(begin(11, 100, 9, LVR_ROLE_SECONDARY, PEER), 0);
	assert_true(alone());
}

static void other_settings_leave_a_trace(void **state)
{
	(void)state;
	bound = false;
	assert_int_equal(begin(9, 100, 7, LVR_ROLE_PRIMARY, ~0ull), 0);
	assert_true(alone());
	bound = true;
	assert_int_equal(begin(11, 100, 9, LVR_ROLE_PRIMARY, ~0ull), 0);
	assert_true(alone());	/* until the peer is in sync */
}

static void a_first_primary_is_alone(void **state)
{
	(void)state;
	sb->history_entries = 0;
	assert_int_equal(begin(9, 0, 0, LVR_ROLE_SECONDARY, ~0ull), 0);
	assert_true(alone());
	assert_true(peer()->flags & LVR_MEMBER_F_NEEDS_SYNC);
}

/* the peer believes that nothing is acknowledged without it until it hears otherwise */
static void who_was_told_otherwise_is_waited_for(void **state)
{
	u64 gen;

	(void)state;
	/* the history goes past what the peer knows */
	peer()->acked_seq = 10;
	for (gen = 100; !(peer()->flags & LVR_MEMBER_F_NEEDS_SYNC); gen++)
		assert_int_equal(begin(gen, gen, gen - 1, LVR_ROLE_PRIMARY, ~0ull), 0);
	assert_false(alone());
	/* and its full synchronisation begins */
	lvr_super_open_sync(sb, PEER, 5, gen);
	assert_false(alone());
}

static void who_ended_as_primary_believes_nothing(void **state)
{
	(void)state;
	/* as it was: the peer relies on it, and this node may go on */
	lvr_super_hand_over(sb, PEER, 100, SELF);
	assert_false(alone());
	/* the peer goes on, by its own settings */
	lvr_super_hand_over(sb, PEER, 100, PEER);
	assert_true(alone());
	/* it was not active: another one may be */
	peer()->flags = 0;
	lvr_super_hand_over(sb, PEER, 100, ~0ull);
	assert_true(alone());
}

static int make_buffers(void **state)
{
	(void)state;
	sb = must_alloc(sizeof(*sb));
	source = must_alloc(sizeof(*source));
	source->member = PEER;
	return 0;
}

static int drop_buffers(void **state)
{
	(void)state;
	free(sb);
	free(source);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_generation_without_a_peer, make_follower),
		cmocka_unit_test_setup(a_hand_over_outlives_its_record, make_follower),
		cmocka_unit_test_setup(a_void_hand_over_stays_void, make_follower),
		cmocka_unit_test_setup(other_records_in_place_of_lost_ones_count, make_follower),
		cmocka_unit_test_setup(a_hand_over_is_not_back_with_the_loss_of_what_followed, make_follower),
		cmocka_unit_test_setup(who_takes_it_back_says_so_at_once, make_follower),
		cmocka_unit_test_setup(acked_counts_for_what_is_still_there, make_follower),
		cmocka_unit_test_setup(acked_goes_with_what_is_truncated, make_follower),
		cmocka_unit_test_setup(a_takeover_counts_what_was_called_durable, make_follower),
		cmocka_unit_test_setup(orphans_are_counted_until_they_are_none, make_follower),
		cmocka_unit_test_setup(who_follows_lacks_nothing_that_the_peer_would_need, make_follower),
		cmocka_unit_test_setup(the_history_stays_for_a_peer_that_stands_nobody_knows_where, make_follower),
		cmocka_unit_test_setup(a_takeover_is_alone_a_hand_over_is_not, make_follower),
		cmocka_unit_test_setup(other_settings_leave_a_trace, make_follower),
		cmocka_unit_test_setup(a_first_primary_is_alone, make_follower),
		cmocka_unit_test_setup(who_was_told_otherwise_is_waited_for, make_follower),
		cmocka_unit_test_setup(who_ended_as_primary_believes_nothing, make_follower),
	};

	return cmocka_run_group_tests_name("super-change", tests, make_buffers, drop_buffers);
}
