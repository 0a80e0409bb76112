/*
 * What became of the records of one signal. The checkpoint stores the numbers together with the
 * position up to which the spool was read, so the two always match: written =
 * spool_counts_settled() + records after that position.
 */
#ifndef LIB_SPOOL_COUNTS_H
#define LIB_SPOOL_COUNTS_H

#include <stdint.h>

enum spool_drop {
    SPOOL_DROP_CAP,     /* the oldest segment was given up for MICROTRACE_SPOOL_MAX_BYTES */
    SPOOL_DROP_TORN,    /* a record that was never written whole */
    SPOOL_DROP_DELETED, /* the file was deleted or truncated by someone else */
    SPOOL_DROP_UNKEPT,  /* belonged into the quarantine file, which could not be written */
    SPOOL_DROPS,
};

struct spool_counts {
    uint64_t delivered;
    uint64_t rejected;    /* by a partial success of the endpoint */
    uint64_t quarantined; /* in the quarantine file */
    uint64_t dropped[SPOOL_DROPS];
};

/* The label value of a drop: "cap", "torn", "deleted", "quarantine_failed". */
const char *spool_counts_reason(enum spool_drop drop);

/* Records that are settled: the sum of all of the above. */
uint64_t spool_counts_settled(const struct spool_counts *counts);

#endif
