// SPDX-License-Identifier: GPL-2.0-only
/* docs/states.md, from the state tables. */
#include <stdio.h>
#include "sm.h"

static void mermaid_name(const char *name)
{
	for (; *name; name++)
		putchar(*name == '-' ? '_' : *name);
}

static void print_machine(const char *title, const char *start, u8 states, u8 events,
			  const struct lvr_sm_edge *edges, u32 count,
			  const char *(*state_name)(u8), const char *(*state_doc)(u8),
			  const char *(*event_name)(u8), int (*next)(u8, u8, struct lvr_err *))
{
	u8 state, event;
	u32 i;

	printf("## %s\n\n| state | meaning |\n|---|---|\n", title);
	for (state = 0; state < states; state++)
		printf("| `%s` | %s |\n", state_name(state), state_doc(state));

	printf("\n```mermaid\nstateDiagram-v2\n    [*] --> ");
	mermaid_name(start);
	putchar('\n');
	for (i = 0; i < count; i++) {
		printf("    ");
		mermaid_name(state_name(edges[i].from));
		printf(" --> ");
		mermaid_name(state_name(edges[i].to));
		printf(" : %s\n", event_name(edges[i].event));
	}

	printf("```\n\nWhere each event leads; an empty field is refused.\n\n| state |");
	for (event = 0; event < events; event++)
		printf(" %s |", event_name(event));
	printf("\n|---|");
	for (event = 0; event < events; event++)
		printf("---|");
	putchar('\n');
	for (state = 0; state < states; state++) {
		printf("| `%s` |", state_name(state));
		for (event = 0; event < events; event++) {
			int to = next(state, event, NULL);

			printf(" %s |", to < 0 ? "" : state_name(to));
		}
		putchar('\n');
	}
	putchar('\n');
}

int main(void)
{
	printf("# States\n\n"
	       "Generated from dm-lvr/core/sm.c and include/lvr/names.h by `make -C tests/unit states`.\n"
	       "The role, primary or secondary, is kept apart from both.\n\n");
	print_machine("Group", lvr_group_state_name(LVR_GROUP_RECOVERING), LVR_GROUP_STATE_COUNT,
		      LVR_GEV_COUNT, lvr_group_edges, lvr_group_edge_count, lvr_group_state_name,
		      lvr_group_state_doc, lvr_group_event_name, lvr_group_next);
	print_machine("Link", lvr_link_state_name(LVR_LINK_STANDALONE), LVR_LINK_STATE_COUNT,
		      LVR_LEV_COUNT, lvr_link_edges, lvr_link_edge_count, lvr_link_state_name,
		      lvr_link_state_doc, lvr_link_event_name, lvr_link_next);
	return 0;
}
