/* SPDX-License-Identifier: GPL-2.0-only */
/* What is used of QEMU's plugin interface, version 2; and the file in which a plugin leaves its counts. */
#ifndef PLUGIN_API_H
#define PLUGIN_API_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
		void (*callback)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
		void (*callback)(unsigned int vcpu, void *arg),
		enum qemu_plugin_cb_flags flags, void *arg);

int qemu_plugin_version = 2;

/* maps the file that the only argument, <key>FILE, names: whoever wants to know maps or reads it at any time */
static void *shared_file(int argc, char **argv, const char *key, size_t bytes)
{
	void *map;
	int fd;

	if (argc != 1 || strncmp(argv[0], key, strlen(key)))
		return NULL;
	fd = open(argv[0] + strlen(key), O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, bytes))
		return NULL;
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

#endif
