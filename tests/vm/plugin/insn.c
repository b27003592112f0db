// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's emulator that counts the instructions a guest executes.
 *
 * The count is a 64-bit number in the file given as counter=FILE. It is exact for a guest with one
 * processor; a halted one executes nothing. Blocks are counted when they begin, so one that a fault
 * leaves counts in full.
 */
#include "api.h"

static uint64_t *counter;

static void executed(unsigned int vcpu, void *instructions)
{
	(void)vcpu;
	*counter += (uintptr_t)instructions;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS,
					     (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	counter = shared_file(argc, argv, "counter=", sizeof(*counter));
	if (!counter)
		return -1;
	(void)info;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
