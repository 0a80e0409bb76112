/*
 * Cuts a stretch of a spool file into records, torn pieces and lines that are no records, by the
 * rules of docs/spool.md, section "Lines". Pure.
 */
#ifndef LIB_TAIL_H
#define LIB_TAIL_H

#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TAIL_ITEMS_MAX = 2048, /* of one batch */
};

enum tail_kind {
    TAIL_RECORD,    /* a line that is a record */
    TAIL_TORN,      /* a piece of a record whose rest was never written */
    TAIL_MALFORMED, /* a line that is no record; this and the following go to quarantine */
    TAIL_CONTROL,
    TAIL_UTF8,
    TAIL_OVERSIZE,
    TAIL_REFUSED, /* never found by tail_split: the endpoint refused this record */
};

struct tail_item {
    uint32_t start;  /* offset of its first byte in the window */
    uint32_t length; /* without the newline; of an oversize line at most what the window holds */
    uint32_t end;    /* offset of the first byte after it and its newline */
    enum tail_kind kind;
};

struct tail_batch {
    struct tail_item items[TAIL_ITEMS_MAX];
    size_t count;
    size_t consumed; /* bytes of the window that the items and blank lines cover */
    /*
     * Set, with no items, where the window begins with a line longer than SPOOL_RECORD_MAX whose
     * end is not in it: the caller looks for its newline beyond.
     */
    bool overlong;
};

/* How each record of a signal begins; it can't stand inside another record, see docs/spool.md. */
const char *tail_prefix(enum telemetry_signal signal);

/*
 * Cuts the first items from the `len` bytes at `window`, which start at the start of a line. Where
 * `complete` is true nothing will ever follow the window, and an unterminated rest is a record if
 * it is a whole one, else torn; otherwise it is left for later. `len` is at most UINT32_MAX.
 */
void tail_split(struct tail_batch *batch, enum telemetry_signal signal, const char *window,
                size_t len, bool complete);

/* Why an item is in quarantine: "malformed", "control", "utf8", "oversize", "refused". */
const char *tail_reason(enum tail_kind kind);

/*
 * Newlines that end a line which is not empty, among the `len` bytes at `text`; *after is set to
 * the offset after the last newline, 0 where there is none. `text` starts at the start of a line.
 */
size_t tail_count_lines(const char *text, size_t len, size_t *after);

#endif
