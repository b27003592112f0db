/* SPDX-License-Identifier: GPL-2.0-only */
/* Other programs, run without a shell. */
#ifndef LVRCTL_RUN_H
#define LVRCTL_RUN_H

/* exit status when the program is not there at all */
#define RUN_NOT_FOUND 127

/*
 * Run argv[0] with argv and wait for it. *out gets what it wrote on stdout,
 * *err what it wrote on stderr, both terminated and to be freed; either may
 * be NULL, then it is thrown away. Returns its exit status; a signal counts
 * as 128 and its number.
 */
int run_program(char *const argv[], char **out, char **err);

#endif
