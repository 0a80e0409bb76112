/*
 * Spool records as lines for people, and the filter by trace or request id.
 */
#ifndef CLI_SPOOL_PRINT_H
#define CLI_SPOOL_PRINT_H

#include "lib/base/json_walk.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    SPOOL_PRINT_ID_MAX = 129, /* a request id and its NUL */
    SPOOL_PRINT_TRACES_MAX = 256,
    SPOOL_PRINT_TRACE_ID = 32,
};

/*
 * What is asked for. Spans carry the request id only on the server span; the others are found by
 * its trace id, so ids of traces are learned on the way, the newest SPOOL_PRINT_TRACES_MAX of them.
 */
struct spool_print_filter {
    const char *trace;   /* NULL for all */
    const char *request; /* NULL for all */
    char traces[SPOOL_PRINT_TRACES_MAX][SPOOL_PRINT_TRACE_ID];
    size_t learned; /* so many ever; the index of the next is modulo */
};

enum spool_print_match {
    SPOOL_PRINT_NO,
    SPOOL_PRINT_YES,
    SPOOL_PRINT_LEARNED, /* yes, and a trace id is new: spans just before may belong to it */
};

/*
 * Whether the record passes: a span, a log line, or a whole element of a line of spans of which one
 * does.
 */
enum spool_print_match spool_print_match(struct spool_print_filter *filter,
                                         enum spool_signal signal, struct text record);

/* Prints the log line, the span, or those spans of the element that pass. */
void spool_print_record(FILE *to, const struct spool_print_filter *filter, enum spool_signal signal,
                        struct text record, bool colours);

/* Prints the record as it stands in the spool, in one line; to a terminal without what it obeys. */
void spool_print_json(FILE *to, struct text record, bool terminal);

#endif
