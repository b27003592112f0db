// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history in the superblock: which generation begins where. It is what two
 * nodes find their last common record by, so an entry goes only when no record
 * and no member needs it any more.
 */
#include "super.h"

/**
 * lvr_super_generation - the newest generation
 * @sb: the superblock
 *
 * Any context, does not sleep.
 *
 * Return: its entry, or NULL if there is none.
 */
const struct lvr_generation *lvr_super_generation(const struct lvr_super *sb)
{
	return sb->history_entries ? &sb->history[sb->history_entries - 1] : NULL;
}

/**
 * lvr_super_find_generation - a generation by its id
 * @sb: the superblock
 * @gen: its id
 *
 * Any context, does not sleep.
 *
 * Return: its entry, or NULL.
 */
const struct lvr_generation *lvr_super_find_generation(const struct lvr_super *sb, u64 gen)
{
	u32 i;

	for (i = 0; i < sb->history_entries; i++)
		if (sb->history[i].gen == gen)
			return &sb->history[i];
	return NULL;
}

static void drop_entry(struct lvr_super *sb, u32 i)
{
	memmove(&sb->history[i], &sb->history[i + 1],
		(sb->history_entries - i - 1) * sizeof(sb->history[0]));
	sb->history_entries--;
	memset(&sb->history[sb->history_entries], 0, sizeof(sb->history[0]));
}

/**
 * lvr_super_add_generation - append to the history
 * @sb: the superblock
 * @g: the generation
 *
 * Any context, does not sleep.
 *
 * Return: 0; -ENOSPC: full; -EINVAL: id 0 or known already, begins before the
 * newest one, or a member that cannot be.
 */
int lvr_super_add_generation(struct lvr_super *sb, const struct lvr_generation *g)
{
	const struct lvr_generation *newest = lvr_super_generation(sb);

	if (!g->gen || g->member >= LVR_MAX_MEMBERS || lvr_super_find_generation(sb, g->gen) ||
	    (newest && g->first_seq < newest->first_seq))
		return -EINVAL;
	if (sb->history_entries >= LVR_MAX_HISTORY)
		return -ENOSPC;
	sb->history[sb->history_entries++] = *g;
	return 0;
}

/**
 * lvr_super_prune_history - drop what nobody needs any more
 * @sb: the superblock
 * @seq: the least position at which any member stands, at most this node's tail
 *
 * The generation of the record at @seq - 1 stays: a member that stands at @seq
 * knows that one and none newer. Any context, does not sleep.
 */
void lvr_super_prune_history(struct lvr_super *sb, u64 seq)
{
	while (sb->history_entries > 1 && sb->history[1].first_seq < seq)
		drop_entry(sb, 0);
}

/**
 * lvr_super_truncate_history - drop what a truncation takes the records of
 * @sb: the superblock
 * @seq: new head of the log
 * @keep_gen: stays though it has no record yet, if it begins at @seq; 0: none
 *
 * Any context, does not sleep.
 */
void lvr_super_truncate_history(struct lvr_super *sb, u64 seq, u64 keep_gen)
{
	u32 i = sb->history_entries;

	while (i--) {
		const struct lvr_generation *g = &sb->history[i];

		if (g->first_seq > seq || (g->first_seq == seq && g->gen != keep_gen))
			drop_entry(sb, i);
	}
}
