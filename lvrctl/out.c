// SPDX-License-Identifier: GPL-2.0-only
/* Data, on stdout. */
#include <libsmartcols/libsmartcols.h>
#include <stdlib.h>
#include <unistd.h>
#include "out.h"
#include "say.h"

/**
 * out_table - begin a table
 * @columns: its columns
 * @count: how many
 *
 * Return: the table, for out_row() and out_table_end().
 */
struct libscols_table *out_table(const struct out_column *columns, u32 count)
{
	struct libscols_table *table = said_alloc(scols_new_table());
	u32 i;

	for (i = 0; i < count; i++)
		said_alloc(scols_table_new_column(table, columns[i].name, 0,
						  (columns[i].right ? SCOLS_FL_RIGHT : 0) |
						  (columns[i].wrap ? SCOLS_FL_WRAP : 0)));
	/* what is not read by people on a terminal is not broken to fit one */
	if (!isatty(STDOUT_FILENO)) {
		scols_table_set_termforce(table, SCOLS_TERMFORCE_NEVER);
		scols_table_enable_nowrap(table, 1);
	}
	return table;
}

/**
 * out_row - add a row to a table
 * @table: the table
 * @cells: a text for each column
 */
void out_row(struct libscols_table *table, const char *const cells[])
{
	struct libscols_line *line = said_alloc(scols_table_new_line(table, NULL));
	size_t i;

	for (i = 0; i < scols_table_get_ncols(table); i++)
		if (cells[i] && scols_line_set_data(line, i, cells[i]))
			said_alloc(NULL);
}

/**
 * out_table_end - print a table
 * @table: the table; is gone afterwards
 */
void out_table_end(struct libscols_table *table)
{
	scols_print_table(table);
	scols_unref_table(table);
	fflush(stdout);
}

/*---------------------------------------------------------------------------*/

/**
 * out_object - begin a JSON answer
 *
 * Return: an object that says its version.
 */
struct json_object *out_object(void)
{
	struct json_object *object = said_alloc(json_object_new_object());

	out_number(object, "version", OUT_JSON_VERSION);
	return object;
}

/**
 * out_json - print a JSON value on a line of its own
 * @object: the value; is gone afterwards
 */
void out_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	fflush(stdout);
	json_object_put(object);
}

/**
 * out_number - add a number
 * @to: object
 * @key: its key
 * @value: the number
 */
void out_number(struct json_object *to, const char *key, u64 value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

/**
 * out_flag - add true or false
 * @to: object
 * @key: its key
 * @value: which
 */
void out_flag(struct json_object *to, const char *key, bool value)
{
	json_object_object_add(to, key, json_object_new_boolean(value));
}

/**
 * out_text - add a text
 * @to: object
 * @key: its key
 * @value: the text, NULL for null
 */
void out_text(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, value ? json_object_new_string(value) : NULL);
}

/**
 * out_hex - add an id
 * @to: object
 * @key: its key
 * @value: the id; becomes text, as numbers this large are not safe in all readers
 */
void out_hex(struct json_object *to, const char *key, u64 value)
{
	char text[17];

	snprintf(text, sizeof(text), "%016llx", value);
	out_text(to, key, text);
}

/**
 * out_add - add any value
 * @to: object
 * @key: its key
 * @value: belongs to @to afterwards
 */
void out_add(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

/**
 * out_bits - names of set bits
 * @bits: names of all
 * @count: how many
 * @value: the bits
 *
 * Return: an array of texts.
 */
struct json_object *out_bits(const struct out_bit *bits, u32 count, u64 value)
{
	struct json_object *list = said_alloc(json_object_new_array());
	u32 i;

	for (i = 0; i < count; i++)
		if (value & bits[i].bit)
			json_object_array_add(list, json_object_new_string(bits[i].name));
	return list;
}

/**
 * out_bits_text - names of set bits, for people
 * @bits: names of all
 * @count: how many
 * @value: the bits
 * @to: buffer
 * @bytes: its size
 *
 * Return: @to; "-" if none is set.
 */
char *out_bits_text(const struct out_bit *bits, u32 count, u64 value, char *to, u32 bytes)
{
	u32 i, at = 0;

	snprintf(to, bytes, "-");
	for (i = 0; i < count; i++)
		if (value & bits[i].bit && at < bytes)
			at += snprintf(to + at, bytes - at, "%s%s", at ? " " : "", bits[i].name);
	return to;
}
