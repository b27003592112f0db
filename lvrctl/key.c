// SPDX-License-Identifier: GPL-2.0-only
/* The shared key of a group, in a file that only root may touch. */
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/table.h"
#include "exit.h"
#include "key.h"
#include "say.h"

#define KEY_NEW_BYTES 32

/* who may read the key may be the peer: refuse a file others can get at */
static int owner_check(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return say_error(EXIT_CONFIG, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return say_error(EXIT_CONFIG, "%s: not a regular file", path);
	if (st.st_uid != 0)
		return say_error(EXIT_CONFIG, "%s: owned by uid %u, expected root", path, st.st_uid);
	if (st.st_mode & 077)
		return say_error(EXIT_CONFIG,
				 "%s: mode %04o lets others in, expected no access for group and others",
				 path, st.st_mode & 07777);
	return 0;
}

static int hex_check(const char *path, const char *hex)
{
	u8 key[LVR_KEY_MAX_BYTES];
	int bytes = lvr_hex_parse(hex, key, sizeof(key));

	explicit_bzero(key, sizeof(key));
	if (bytes < LVR_KEY_MIN_BYTES)
		return say_error(EXIT_CONFIG, "%s: no key, expected %u to %u bytes as hex digits on one line",
				 path, LVR_KEY_MIN_BYTES, LVR_KEY_MAX_BYTES);
	return 0;
}

/**
 * key_read - read and check a key file
 * @path: the file
 * @hex: gets the hex digits
 *
 * Return: 0 or EXIT_CONFIG.
 */
int key_read(const char *path, char hex[KEY_HEX_BYTES])
{
	char text[KEY_HEX_BYTES + 2];	/* one more than fits, and a newline */
	ssize_t got = -1;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return say_error(EXIT_CONFIG, "%s: %s; copy the other node's, or `lvrctl keygen %s' makes one for both",
				 path, strerror(errno), path);
	ret = owner_check(path, fd);
	if (!ret)
		got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (ret)
		return ret;
	if (got < 0)
		return say_error(EXIT_CONFIG, "%s: cannot be read", path);
	text[got] = 0;
	text[strcspn(text, "\r\n")] = 0;
	if (strlen(text) < KEY_HEX_BYTES)
		strcpy(hex, text);
	else
		hex[0] = 0;
	explicit_bzero(text, sizeof(text));
	return hex_check(path, hex);
}

/**
 * key_wipe - leave no trace of a key in memory
 * @hex: what key_read() gave
 */
void key_wipe(char hex[KEY_HEX_BYTES])
{
	explicit_bzero(hex, KEY_HEX_BYTES);
}

/**
 * key_check - whether a key file is good
 * @path: the file
 *
 * Return: 0 or EXIT_CONFIG.
 */
int key_check(const char *path)
{
	char hex[KEY_HEX_BYTES];
	int ret = key_read(path, hex);

	key_wipe(hex);
	return ret;
}

/**
 * key_make - make a key
 * @path: the file, which must not exist
 *
 * Return: 0 or an exit code.
 */
int key_make(const char *path)
{
	char text[2 * KEY_NEW_BYTES + 2];
	u8 key[KEY_NEW_BYTES];
	bool ok;
	int fd, i;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return say_error(EXIT_DEVICE, "no random numbers: %s", strerror(errno));
	for (i = 0; i < KEY_NEW_BYTES; i++)
		sprintf(text + 2 * i, "%02x", key[i]);
	strcpy(text + 2 * KEY_NEW_BYTES, "\n");
	explicit_bzero(key, sizeof(key));

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return say_error(errno == EEXIST ? EXIT_STATE : EXIT_DEVICE, "%s: %s",
				 path, strerror(errno));
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !fsync(fd);
	ok = !close(fd) && ok;
	explicit_bzero(text, sizeof(text));
	if (!ok) {
		unlink(path);
		return say_error(EXIT_DEVICE, "%s: cannot be written", path);
	}
	return 0;
}
