/*
 * What became of the records of one signal. Together with the place up to which the spool was
 * read, the numbers are the checkpoint, so they can't disagree with it:
 * written = books_settled() + records from that place on.
 */
#ifndef LIB_BOOKS_H
#define LIB_BOOKS_H

#include <stdint.h>

enum books_drop {
    BOOKS_CAP,     /* the oldest segment was given up for MICROTRACE_SPOOL_MAX_BYTES */
    BOOKS_TORN,    /* a record that was never written whole */
    BOOKS_DELETED, /* the file was deleted or truncated by someone else */
    BOOKS_DROPS,
};

struct books {
    uint64_t delivered;
    uint64_t rejected;    /* by a partial success of the endpoint */
    uint64_t quarantined; /* in the quarantine file */
    uint64_t dropped[BOOKS_DROPS];
};

/* The label value of a drop: "cap", "torn", "deleted". */
const char *books_reason(enum books_drop drop);

/* Records that have come to their end. */
uint64_t books_settled(const struct books *books);

#endif
