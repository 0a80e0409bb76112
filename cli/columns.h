/*
 * Text by the columns that it takes on a terminal (wcwidth(3), in the locale that is set). Texts
 * are UTF-8 and hold nothing that a terminal obeys.
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <stddef.h>

/* Columns of the first `len` bytes. */
size_t columns_of(const char *text, size_t len);

/* How many bytes at the start of the text fit into so many columns; whole characters. */
size_t columns_fit(const char *text, size_t len, size_t columns);

/*
 * The same for a line that is broken: up to the last blank that fits, unless what follows that has
 * no room in a line of its own.
 */
size_t columns_break(const char *text, size_t len, size_t columns);

#endif
