// SPDX-License-Identifier: GPL-2.0-only
/*
 * Breadth first through all states. Of a state that was visited only a hash of 128 bits and the
 * way to it are kept; whole states only of the last two levels. A violating state is not
 * gone on from; of each invariant the first violation, which has the shortest way, is told.
 */
#define XXH_INLINE_ALL
#include "model.h"

struct visited {
	u64 hash[2];
	u32 parent;
	struct action by;
	u8 pad;
};

static struct visited *visited;
static u32 visited_count, visited_room;
static u32 *visited_slot;
static u32 visited_slots;

static struct {
	u64 *hash;		/* pairs; 0: free */
	u32 count, room;
} healed;

struct level {
	struct state *state;
	u32 *index;
	u32 count, room;
};

static void *grow(void *old, size_t bytes)
{
	void *new = realloc(old, bytes);

	if (!new) {
		perror("model");
		exit(2);
	}
	return new;
}

static void hash_state(const struct state *s, u64 hash[2])
{
	XXH128_hash_t h = XXH3_128bits(s, sizeof(*s));

	hash[0] = h.low64;
	hash[1] = h.high64 | 1;
}

/* -------------------------------------------------------------------- visited */

static void visited_reset(u32 most)
{
	visited_room = most;
	visited_count = 0;
	visited_slots = 1;
	while (visited_slots < most + most / 2)
		visited_slots *= 2;
	visited = grow(visited, sizeof(*visited) * (size_t)most);
	visited_slot = grow(visited_slot, sizeof(*visited_slot) * (size_t)visited_slots);
	memset(visited_slot, 0, sizeof(*visited_slot) * (size_t)visited_slots);
}

/* true: it is new, and the last one now */
static bool visited_add(const struct state *s, u32 parent, const struct action *by)
{
	struct visited v = { .parent = parent };
	u32 at;

	hash_state(s, v.hash);
	if (by)
		v.by = *by;
	for (at = v.hash[0] & (visited_slots - 1); visited_slot[at]; at = (at + 1) & (visited_slots - 1))
		if (!memcmp(visited[visited_slot[at] - 1].hash, v.hash, sizeof(v.hash)))
			return false;
	if (visited_count == visited_room)
		return false;
	visited[visited_count] = v;
	visited_slot[at] = ++visited_count;
	return true;
}

/* ------------------------------------------------------------ known to be healed */

static void healed_reset(void)
{
	healed.room = 1u << 16;
	healed.count = 0;
	healed.hash = grow(healed.hash, (size_t)healed.room * 16);
	memset(healed.hash, 0, (size_t)healed.room * 16);
}

/* where it is, or may be put */
static u64 *healed_slot(const u64 hash[2])
{
	u32 at = hash[0] & (healed.room - 1);

	while (healed.hash[2 * at + 1] && memcmp(&healed.hash[2 * at], hash, 16))
		at = (at + 1) & (healed.room - 1);
	return &healed.hash[2 * at];
}

static bool healed_has(const u64 hash[2])
{
	return healed_slot(hash)[1];
}

static void healed_put(const u64 hash[2])
{
	u64 *slot = healed_slot(hash);

	healed.count += !slot[1];
	memcpy(slot, hash, 16);
}

static void healed_grow(void)
{
	u64 *old = healed.hash;
	u32 old_room = healed.room, i;

	healed.room *= 2;
	healed.count = 0;
	healed.hash = grow(NULL, (size_t)healed.room * 16);
	memset(healed.hash, 0, (size_t)healed.room * 16);
	for (i = 0; i < old_room; i++)
		if (old[2 * i + 1])
			healed_put(&old[2 * i]);
	free(old);
}

/* the states on the way of one healing: known once it has succeeded, not when it comes by a second time */
static struct {
	u64 (*hash)[2];
	u32 count, room;
} way;

static bool known_to_heal(const struct state *s)
{
	u64 hash[2];

	hash_state(s, hash);
	if (healed_has(hash))
		return true;
	if (way.count == way.room) {
		way.room = way.room ? 2 * way.room : 256;
		way.hash = grow(way.hash, sizeof(*way.hash) * way.room);
	}
	memcpy(way.hash[way.count++], hash, sizeof(hash));
	return false;
}

static bool heals(struct state *s)
{
	u32 i;

	way.count = 0;
	if (!heal(s, known_to_heal))
		return false;
	for (i = 0; i < way.count; i++) {
		if (healed.count > healed.room / 2)
			healed_grow();
		healed_put(way.hash[i]);
	}
	return true;
}

/* --------------------------------------------------------------------- traces */

static void trace_ways(FILE *to, u32 index, const struct scenario *sc, struct state *s)
{
	struct action by;

	if (visited[index].parent == U32_MAX) {
		start_state(s, sc->start);
		memcpy(s->left, sc->left, sizeof(s->left));
		return;
	}
	trace_ways(to, visited[index].parent, sc, s);
	by = visited[index].by;
	action_log = to;
	action_step(s, &by, sc);
	action_log = NULL;
	state_print(to, s);
}

/* the way to a state, one more action or the healing, and what was wrong with that */
static void trace(struct result *r, const struct scenario *sc, u32 index, const struct action *last,
		  enum check check)
{
	size_t bytes;
	FILE *to = open_memstream(&r->trace[check], &bytes);
	struct state s;

	fprintf(to, "    (%s)\n", sc->start);
	trace_ways(to, index, sc, &s);
	if (visited[index].parent == U32_MAX)
		state_print(to, &s);
	violated = CHECKS;
	action_log = to;
	if (last) {
		action_step(&s, last, sc);
	} else {
		fprintf(to, "    now the world heals:\n");
		if (!heal(&s, NULL))
			violate(CHECK_DEAD_END, "it does not get healthy again");
	}
	action_log = NULL;
	state_print(to, &s);
	fprintf(to, "    => %s\n", violation);
	violated = CHECKS;
	fclose(to);
}

/* --------------------------------------------------------------------- search */

static void push(struct level *level, const struct state *s, u32 index)
{
	if (level->count == level->room) {
		level->room = level->room ? 2 * level->room : 1024;
		level->state = grow(level->state, sizeof(*s) * (size_t)level->room);
		level->index = grow(level->index, sizeof(u32) * (size_t)level->room);
	}
	memcpy(&level->state[level->count], s, sizeof(*s));
	level->index[level->count++] = index;
}

static void check_dead_end(struct result *r, const struct scenario *sc, const struct state *from, u32 index)
{
	struct state s;
	enum check check;

	memcpy(&s, from, sizeof(s));
	r->healed++;
	if (heals(&s))
		return;
	check = violated == CHECKS ? CHECK_DEAD_END : violated;
	if (!r->trace[check])
		trace(r, sc, index, NULL, check);
	violated = CHECKS;
}

static void expand(struct result *r, const struct scenario *sc, const struct state *from, u32 index,
		   struct level *next)
{
	struct action a = { 0 };
	struct state s;

	do {
		if (!action_allowed(from, &a, sc))
			continue;
		memcpy(&s, from, sizeof(s));
		violated = CHECKS;
		if (!action_step(&s, &a, sc))
			continue;
		r->transitions++;
		if (violated != CHECKS) {
			if (!r->trace[violated])
				trace(r, sc, index, &a, violated);
			violated = CHECKS;
		} else if (visited_add(&s, index, &a)) {
			push(next, &s, visited_count - 1);
			check_dead_end(r, sc, &s, visited_count - 1);
		}
	} while (action_next(&a));
}

void search(const struct scenario *sc, u32 most_states, struct result *r)
{
	static struct level level, next;
	struct level swap;
	struct state s;
	u32 i;

	memset(r, 0, sizeof(*r));
	visited_reset(most_states);
	healed_reset();
	level.count = 0;
	start_state(&s, sc->start);
	memcpy(s.left, sc->left, sizeof(s.left));
	visited_add(&s, U32_MAX, NULL);
	push(&level, &s, 0);
	while (level.count && visited_count < visited_room) {
		next.count = 0;
		for (i = 0; i < level.count && visited_count < visited_room; i++)
			expand(r, sc, &level.state[i], level.index[i], &next);
		swap = level;
		level = next;
		next = swap;
		r->depth += level.count > 0;
	}
	r->complete = visited_count < visited_room;
	r->states = visited_count;
}
