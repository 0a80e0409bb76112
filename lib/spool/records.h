/*
 * The records of one line in OTLP's JSON (opentelemetry-proto, "JSON Protobuf Encoding":
 * TracesData, LogsData, MetricsData), whatever the order of its members, its blanks and how many
 * lists it has. Pure; nothing is copied.
 */
#ifndef LIB_SPOOL_RECORDS_H
#define LIB_SPOOL_RECORDS_H

#include "lib/base/text.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stdint.h>

/* Members around a record list, as they stand, without the commas at both ends; may be empty. */
struct spool_head {
    struct text resource[2]; /* of the resource's element, before and after its list of scopes */
    struct text scope[2];    /* of the scope's element, before and after its list of records */
};

struct spool_record {
    struct text text; /* a span, a log record or a metric; or a whole element, see head */
    /* NULL for an element of the list of resources whose parts can't be told apart. */
    const struct spool_head *head; /* stays the same for all records of one list */
    struct text list;              /* the list that it is from, with its brackets */
    uint32_t count;                /* as OTLP counts: a metric's data points, else 1; at least 1 */
};

typedef void spool_records_take(void *context, const struct spool_record *record);

/*
 * Calls `take` for each record of `line`, which json_scan_line accepts. Returns 0; or -1, whatever
 * was given to `take` before, if it is not of the signal's form, or is not JSON between its
 * records. What is inside a record, or a member that is not on the way to one, is left to whoever
 * reads it.
 */
int spool_records_walk(enum spool_signal signal, struct text line, spool_records_take *take,
                       void *context);

#endif
