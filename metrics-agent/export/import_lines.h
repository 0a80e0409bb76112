/*
 * Cuts what another program has written into the lines that are taken into the spool: whole ones,
 * each ended by one newline, without empty lines and the blanks around a line. What is in them is
 * not looked at. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_IMPORT_LINES_H
#define METRICS_AGENT_EXPORT_IMPORT_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum { IMPORT_LINES_MAX = 4096 };

struct import_lines {
    size_t count;
    size_t len;      /* bytes of all lines */
    size_t consumed; /* bytes of the text that they and the blanks cover */
};

/*
 * Writes the lines in the `len` bytes at `text`, up to IMPORT_LINES_MAX, to `out`, which has room
 * for len + 1. The text starts at the start of a line. A rest without a newline stays, unless
 * `last` is set and the rest is one whole JSON object. NUL bytes before a line count as blanks: a
 * writer that does not append leaves them when its file is truncated.
 */
void import_lines_cut(struct import_lines *lines, const char *text, size_t len, bool last,
                      char *out);

#endif
