/*
 * The metric families of spool and export (contract, section 3), which more than one program names:
 * writers and agent count in them, the command reads them.
 */
#ifndef LIB_FAMILIES_H
#define LIB_FAMILIES_H

#include "lib/metrics/metrics.h"

enum families {
    FAMILY_SPOOL_WRITTEN,
    FAMILY_SPOOL_DROPPED, /* by the writers for their reasons, by the agent for its own */
    FAMILY_SPOOL_BACKLOG,
    FAMILY_SPOOL_BYTES,
    FAMILY_SPOOL_KEPT,
    FAMILY_SPOOL_LIMIT,
    FAMILY_SPOOL_OLDEST_AGE,
    FAMILY_SPOOL_UNREADABLE,
    FAMILY_IMPORT_WAITING,
    FAMILY_IMPORT_UNREADABLE,
    FAMILY_EXPORT_RECORDS,
    FAMILY_EXPORT_REQUESTS,
    FAMILY_EXPORT_DURATION,
    FAMILY_BUILD_INFO,
    FAMILY_AGENT_START,
    FAMILY_PROCESSES_DIED,   /* by the agent */
    FAMILY_TRACES_KEPT,      /* by every program with spans, of its local traces */
    FAMILY_TRACES_DISCARDED, /* the same; the sum of both is what was sampled */
    FAMILY_STDERR_DROPPED,   /* by every program, what message_take_dropped counts */
    FAMILIES_COUNT,
};

/* Each family's definition, by its number. */
extern const struct metrics_family_def families_table[FAMILIES_COUNT];

/* The upper bounds of latency histograms (the same section), in seconds. */
enum { FAMILIES_LATENCY_BOUNDS = 16 };
extern const double families_latency_bounds[FAMILIES_LATENCY_BOUNDS];

#endif
