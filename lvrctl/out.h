/* SPDX-License-Identifier: GPL-2.0-only */
/* Data, on stdout: tables by libsmartcols, JSON by json-c. */
#ifndef LVRCTL_OUT_H
#define LVRCTL_OUT_H

#include <json-c/json.h>
#include "core/port.h"

/* of every JSON answer; raised when a key changes its meaning or goes away */
#define OUT_JSON_VERSION 2

struct out_column {
	const char *name;
	bool right;		/* aligned to the right */
	bool wrap;		/* may be broken over lines to fit the terminal */
};

struct libscols_table;

struct libscols_table *out_table(const struct out_column *columns, u32 count);
/* one more row; as many texts as there are columns; NULL: empty */
void out_row(struct libscols_table *table, const char *const cells[]);
/* print and free */
void out_table_end(struct libscols_table *table);

/* an object that has "version" */
struct json_object *out_object(void);
/* print on one line, flush and free */
void out_json(struct json_object *object);

/* adding to an object */
void out_number(struct json_object *to, const char *key, u64 value);
void out_flag(struct json_object *to, const char *key, bool value);
void out_text(struct json_object *to, const char *key, const char *value);	/* NULL: null */
void out_hex(struct json_object *to, const char *key, u64 value);	/* 16 digits, as text */
void out_add(struct json_object *to, const char *key, struct json_object *value);

/* the names of set bits */
struct out_bit {
	u32 bit;
	const char *name;
};

struct json_object *out_bits(const struct out_bit *bits, u32 count, u64 value);
char *out_bits_text(const struct out_bit *bits, u32 count, u64 value, char *to, u32 bytes);

#endif
