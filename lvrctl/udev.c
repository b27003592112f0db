// SPDX-License-Identifier: GPL-2.0-only
/* udev: let it look at devices again. */
#include <fcntl.h>
#include <unistd.h>
#include "run.h"
#include "udev.h"

/**
 * udev_look - let udev look at a device as if it had changed
 * @major: of its number
 * @minor: of its number
 *
 * Return: whether udev was told.
 */
bool udev_look(u32 major, u32 minor)
{
	char path[64];
	bool told;
	int fd;

	if (access("/run/udev/control", F_OK))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/uevent", major, minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	told = write(fd, "change", 6) == 6;
	close(fd);
	return told;
}

/**
 * udev_settle - wait until udev has done what it was told
 *
 * It has ten seconds: a device that it does not get done with is no reason
 * to hold up the others.
 */
void udev_settle(void)
{
	char *argv[] = { "udevadm", "settle", "--timeout=10", NULL };

	run_program(argv, NULL, NULL);
}
