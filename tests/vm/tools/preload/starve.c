// SPDX-License-Identifier: GPL-2.0-only
/*
 * LD_PRELOAD=starve.so STARVE="<ioctl> <n>" dmsetup ...
 *
 * In each device-mapper ioctl of that number the n-th allocation of the
 * calling thread fails (/proc/thread-self/fail-nth; needs a kernel with fault
 * injection). Says on standard error whether one did: "starved", else "enough".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	_exit(99);
}

static int starved_ioctl(int (*real)(int, unsigned long, void *), int fd, unsigned long request,
			 void *arg, const char *nth)
{
	int file = open("/proc/thread-self/fail-nth", O_RDWR), ret;
	char left[16] = "";

	if (file < 0)
		die("fail-nth");
	if (dprintf(file, "%s", nth) < 0)
		die("fail-nth");
	ret = real(fd, request, arg);
	if (pread(file, left, sizeof(left) - 1, 0) <= 0 || pwrite(file, "0", 1, 0) != 1)
		die("fail-nth");
	close(file);
	dprintf(STDERR_FILENO, atoi(left) ? "enough\n" : "starved\n");
	return ret;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
	const char *starve = getenv("STARVE");
	int number;
	char nth[16];
	va_list list;
	void *arg;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	if (starve && sscanf(starve, "%d %15s", &number, nth) == 2 &&
	    _IOC_TYPE(request) == DM_IOCTL && (int)_IOC_NR(request) == number)
		return starved_ioctl(real, fd, request, arg, nth);
	return real(fd, request, arg);
}
