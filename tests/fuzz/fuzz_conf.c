// SPDX-License-Identifier: GPL-2.0-only
/* The configuration file of a group, as lvrctl reads it. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "args.h"
#include "conf.h"
#include "say.h"

struct settings settings = { .node = "alpha" };

int LLVMFuzzerTestOneInput(const u8 *data, size_t bytes)
{
	static char directory[] = "/dev/shm/lvr-fuzz-XXXXXX", path[64];
	struct conf *conf = NULL;
	int fd;

	if (!path[0]) {
		must(mkdtemp(directory));
		snprintf(path, sizeof(path), "%s/db.conf", directory);
		settings.config_dir = directory;
		say_mute(true);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
	close(fd);
	if (!conf_load("db", &conf)) {
		must(conf && !strcmp(conf->group, "db"));
		free(conf);
	}
	return 0;
}
