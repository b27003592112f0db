// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extent maps: for each sector of a volume the newest record that holds it.
 * The extents of a map never overlap. Two maps exist for a volume: the read
 * index (all staged records) and the destage batch (the records of one
 * batch, so that nothing newer than the destage limit can absorb).
 *
 * Memory: inserting a record needs at most two extents, one for itself and
 * one for the right remainder of an older record that it splits; both are
 * part of the new record. The remainder belongs to the older record and is
 * gone before the newer record is: records leave a map oldest first.
 */
#include "lvr.h"

static struct lvr_extent *rec_extents(struct lvr_extent_map *map, struct lvr_rec *rec)
{
	return map->batch ? rec->batch_ext : rec->index_ext;
}

static struct hlist_head *rec_list(struct lvr_extent_map *map, struct lvr_rec *rec)
{
	return map->batch ? &rec->batched : &rec->indexed;
}

static u64 end_of(const struct lvr_extent *e)
{
	return e->start_sect + e->len_sect;
}

static void link_extent(struct lvr_extent_map *map, struct lvr_extent *e, struct lvr_rec *rec,
			u64 start_sect, u64 end_sect)
{
	struct rb_node **link = &map->root.rb_node, *parent = NULL;

	e->rec = rec;
	e->start_sect = start_sect;
	e->len_sect = end_sect - start_sect;
	while (*link) {
		parent = *link;
		if (start_sect < rb_entry(parent, struct lvr_extent, node)->start_sect)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&e->node, parent, link);
	rb_insert_color(&e->node, &map->root);
	hlist_add_head(&e->of_rec, rec_list(map, rec));
}

static void unlink_extent(struct lvr_extent_map *map, struct lvr_extent *e)
{
	rb_erase(&e->node, &map->root);
	hlist_del(&e->of_rec);
}

/**
 * lvr_extent_first() - the leftmost extent that ends behind a sector
 * @map: to look in; the caller holds what protects it
 * @start_sect: the sector
 *
 * Context: any.
 * Return: the extent (which may begin behind the sector), or NULL.
 */
struct lvr_extent *lvr_extent_first(struct lvr_extent_map *map, u64 start_sect)
{
	struct rb_node *node = map->root.rb_node;
	struct lvr_extent *found = NULL;

	while (node) {
		struct lvr_extent *e = rb_entry(node, struct lvr_extent, node);

		if (end_of(e) > start_sect) {
			found = e;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/**
 * lvr_extent_next() - the extent to the right
 * @e: an extent in a map; the caller holds what protects it
 *
 * Context: any.
 * Return: the extent, or NULL at the end.
 */
struct lvr_extent *lvr_extent_next(struct lvr_extent *e)
{
	struct rb_node *node = rb_next(&e->node);

	return node ? rb_entry(node, struct lvr_extent, node) : NULL;
}

/**
 * lvr_extent_insert() - let a record be the newest for its range
 * @map: to insert in; the caller holds what protects it
 * @rec: with a range, newer than all in the map, not in the map yet
 *
 * Context: any.
 * Return: sectors of older records that it hides.
 */
u64 lvr_extent_insert(struct lvr_extent_map *map, struct lvr_rec *rec)
{
	struct lvr_extent *own = rec_extents(map, rec), *e, *next;
	u64 start = rec->desc.start_sect, end = start + rec->desc.len_sect;
	u64 hidden = 0;

	for (e = lvr_extent_first(map, start); e && e->start_sect < end; e = next) {
		u64 e_start = e->start_sect, e_end = end_of(e);

		next = lvr_extent_next(e);
		hidden += min(e_end, end) - max(e_start, start);
		if (e_start < start) {
			e->len_sect = start - e_start;
			if (e_end > end)
				link_extent(map, &own[1], e->rec, end, e_end);
		} else if (e_end > end) {
			e->start_sect = end;
			e->len_sect = e_end - end;
		} else {
			unlink_extent(map, e);
		}
	}
	link_extent(map, &own[0], rec, start, end);
	return hidden;
}

/**
 * lvr_extent_remove_rec() - take a record out of a map
 * @map: the map; the caller holds what protects it
 * @rec: the oldest in the map
 *
 * Context: any.
 */
void lvr_extent_remove_rec(struct lvr_extent_map *map, struct lvr_rec *rec)
{
	struct hlist_node *tmp;
	struct lvr_extent *e;

	hlist_for_each_entry_safe(e, tmp, rec_list(map, rec), of_rec)
		unlink_extent(map, e);
}
