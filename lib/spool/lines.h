/*
 * Cuts a stretch of a spool file into records, torn pieces and lines that are not records, by the
 * rules of docs/spool.md, section "Lines". Pure.
 */
#ifndef LIB_SPOOL_LINES_H
#define LIB_SPOOL_LINES_H

#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_LINES_MAX = 2048,   /* of one batch */
    SPOOL_LINE_MAX = 4 << 20, /* bytes of a line that another program wrote, with its newline */
};

enum spool_line_kind {
    SPOOL_LINE_RECORD,    /* a line that is a record */
    SPOOL_LINE_TORN,      /* a piece of a record whose rest was never written */
    SPOOL_LINE_MALFORMED, /* a line that is not a record; it and the kinds below go to quarantine */
    SPOOL_LINE_CONTROL,
    SPOOL_LINE_UTF8,
    SPOOL_LINE_OVERSIZE,
    SPOOL_LINE_REFUSED, /* never found by spool_lines_split: the endpoint refused this record */
};

struct spool_line {
    uint32_t start;  /* offset of its first byte in the window */
    uint32_t length; /* without the newline; of an oversize line at most what the window holds */
    uint32_t end;    /* offset of the first byte after it and its newline */
    enum spool_line_kind kind;
};

struct spool_lines {
    struct spool_line items[SPOOL_LINES_MAX];
    size_t count;
    size_t consumed; /* bytes of the window that the items and blank lines cover */
    /*
     * Set, with no items, if the window begins with a line longer than SPOOL_RECORD_MAX and does
     * not hold its end: the caller looks for the newline further on.
     */
    bool overlong;
};

/* How each record of a signal begins; it can't occur inside another record, see docs/spool.md. */
const char *spool_lines_prefix(enum spool_signal signal);

/*
 * Cuts the first items from the `len` bytes at `window`, which start at the start of a line. If
 * `complete` is true, nothing will ever follow the window, and an unterminated rest is a record if
 * it is whole, else torn; otherwise it is left for later. `len` is at most UINT32_MAX.
 */
void spool_lines_split(struct spool_lines *batch, enum spool_signal signal, const char *window,
                       size_t len, bool complete);

/* Why an item is in quarantine: "malformed", "control", "utf8", "oversize", "refused". */
const char *spool_line_reason(enum spool_line_kind kind);

/*
 * Newlines that end a line which is not empty, among the `len` bytes at `text`; *after is set to
 * the offset after the last newline, 0 if there is none. `text` starts at the start of a line.
 */
size_t spool_lines_count(const char *text, size_t len, size_t *after);

#endif
