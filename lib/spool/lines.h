/*
 * Cuts a stretch of a spool file into records, torn pieces and lines that hold no record, by the
 * rules of docs/spool.md, section "Lines". Pure.
 *
 * A record is what OTLP counts: a span, a log record, a metric's data points. A line holds any
 * number of them, in any form that OTLP's JSON allows (opentelemetry-proto, "JSON Protobuf
 * Encoding"); each is an item of its own, so that one that is refused never takes others with it.
 */
#ifndef LIB_SPOOL_LINES_H
#define LIB_SPOOL_LINES_H

#include "lib/base/text.h"
#include "lib/spool/records.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_LINES_MAX = 2048,           /* items of one batch */
    SPOOL_LINES_HEADS_MAX = 256,      /* heads of one batch */
    SPOOL_LINES_RECORD_MAX = 4 << 20, /* bytes of a record that is read */
    SPOOL_LINE_MAX = 16 << 20,        /* bytes of a line whose records are looked for */
};

enum spool_line_kind {
    SPOOL_LINE_RECORD,    /* a record */
    SPOOL_LINE_TORN,      /* a piece of a line whose rest was never written */
    SPOOL_LINE_MALFORMED, /* a line without records; it and the kinds below go to quarantine */
    SPOOL_LINE_CONTROL,
    SPOOL_LINE_UTF8,
    SPOOL_LINE_OVERSIZE,
    SPOOL_LINE_REFUSED, /* never found by spool_lines_split: the endpoint refused this record */
};

/* What the bytes of an item are. */
enum spool_line_form {
    SPOOL_FORM_LINE,    /* a whole line: a log line of our own form, or one without records */
    SPOOL_FORM_RECORD,  /* one element of a record list, to be put below the item's head */
    SPOOL_FORM_ELEMENT, /* one element of the list of resources whose parts can't be told apart */
};

struct spool_line {
    uint32_t start;      /* offset of its first byte in the window */
    uint32_t length;     /* bytes; of an oversize line at most what the window holds */
    uint32_t end;        /* what is settled with it: up to the offset behind the newline for the */
                         /* last item of its line, to the line's start for those before */
    uint32_t line_start; /* the line that it is from, without its newline */
    uint32_t line_length;
    uint32_t records; /* how many it counts for, at least 1 */
    uint32_t
        counted;   /* what spool_lines_count says of its line, of the last item of it; of spans */
                   /* in a line like one before it, how many there are; else 0 */
    uint16_t head; /* SPOOL_FORM_RECORD: index of what is around it */
    uint8_t kind;  /* enum spool_line_kind */
    uint8_t form;  /* enum spool_line_form */
    bool last;     /* of its line */
};

/* A list of records that occurs in the batch, and what is around it. */
struct spool_lines_head {
    struct spool_head around;
    /* What stands before and after the records, in lines that hold nothing else; else nothing. */
    struct text prefix, suffix;
};

struct spool_lines {
    struct spool_line items[SPOOL_LINES_MAX];
    struct spool_lines_head heads[SPOOL_LINES_HEADS_MAX]; /* point into the window */
    size_t count, head_count;
    size_t consumed; /* bytes of the window that the items and lines without any cover; a line of */
                     /* which some items found no room is not among them */
    /*
     * Set, with no items, if the window begins with a line that it does not hold the end of, and is
     * full of it: the caller reads more, up to SPOOL_LINE_MAX, or looks for the newline further on.
     */
    bool overlong;
};

/* How each record of ours begins; it can't occur inside another record, see docs/spool.md. */
const char *spool_lines_prefix(enum spool_signal signal);

/*
 * Cuts the first items from the `len` bytes at `window`, which start at the start of a line and
 * stay as long as the items are used. `skip` records of the first line are passed over. If
 * `complete` is true, nothing will ever follow the window, and an unterminated rest is read as a
 * line if it is whole, else torn; otherwise it is left for later. `len` is at most UINT32_MAX.
 */
void spool_lines_split(struct spool_lines *batch, enum spool_signal signal, const char *window,
                       size_t len, uint32_t skip, bool complete);

/* Of the line at `consumed` so many records are in the batch, or were passed over before it. */
uint32_t spool_lines_open(const struct spool_lines *batch, uint32_t skip);

/* Why an item is in quarantine: "malformed", "control", "utf8", "oversize", "refused". */
const char *spool_line_reason(enum spool_line_kind kind);

/*
 * How many records the lines hold that end in the `len` bytes at `text`, which starts at the start
 * of a line; one without any that is not blank counts as one. *after is set to the offset after
 * the last newline, 0 if there is none.
 */
uint64_t spool_lines_count(enum spool_signal signal, const char *text, size_t len, size_t *after);

/*
 * How many records a writer has lost that appended only the first `wrote` of these `len` bytes, one
 * or more whole lines. What the beginning of a line counts for is not among them: whoever reads the
 * torn piece counts it.
 */
uint64_t spool_lines_lost(enum spool_signal signal, const char *text, size_t len, size_t wrote);

#endif
