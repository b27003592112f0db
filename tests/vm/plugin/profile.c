// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's emulator that counts, block by block, the instructions a guest executes.
 *
 * The file given as blocks=FILE is an array of { address, instructions } of two 64-bit numbers, one entry
 * for each block that was ever translated, the unused rest all zero. An address may come more than once.
 */

#include <stdlib.h>

#include "api.h"

#define BLOCKS_MAX	(4u << 20)

struct block {
	uint64_t address;
	uint64_t instructions;
};

static struct block *blocks;
static uint32_t length[BLOCKS_MAX];	/* of the block, in instructions */
static uint32_t used;

static void executed(unsigned int vcpu, void *at)
{
	(void)vcpu;
	blocks[(uintptr_t)at].instructions += length[(uintptr_t)at];
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint32_t at = __atomic_fetch_add(&used, 1, __ATOMIC_RELAXED);

	(void)id;
	if (at >= BLOCKS_MAX)
		abort();	/* better no profile than half of one */
	blocks[at].address = qemu_plugin_tb_vaddr(tb);
	length[at] = qemu_plugin_tb_n_insns(tb);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)at);
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	blocks = shared_file(argc, argv, "blocks=", BLOCKS_MAX * sizeof(*blocks));
	if (!blocks)
		return -1;
	(void)info;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
