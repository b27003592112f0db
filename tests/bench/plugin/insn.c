// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's emulator that counts the instructions a guest executes.
 *
 * The count is a 64-bit number in the file given as counter=FILE, which whoever wants to know maps or
 * reads at any time. It is exact for a guest with one processor; a halted one executes nothing. Blocks
 * are counted when they begin, so one that a fault leaves counts in full.
 *
 * What is declared here of QEMU's plugin interface, version 1, is all that is used.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
		void (*callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op,
					      void *pointer, uint64_t value);

int qemu_plugin_version = 1;

static uint64_t *counter;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, counter,
						 qemu_plugin_tb_n_insns(tb));
}

int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *prefix = "counter=";
	void *page;
	int fd;

	(void)info;
	if (argc != 1 || strncmp(argv[0], prefix, strlen(prefix)))
		return -1;
	fd = open(argv[0] + strlen(prefix), O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*counter)))
		return -1;
	page = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return -1;
	counter = page;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
