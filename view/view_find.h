/*
 * Which traces of a spool are meant: by an id, the slowest, those that failed, the latest. One pass
 * over the files of spans, for a request id also over those of log records; memory is that of the
 * few that are found.
 */
#ifndef VIEW_VIEW_FIND_H
#define VIEW_VIEW_FIND_H

#include "view/trace_ids.h"
#include "view/view_match.h"
#include "view/view_spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIEW_FIND_MAX = TRACE_IDS_MAX };

enum view_find_by {
    VIEW_FIND_TRACE,   /* this one: nothing is read */
    VIEW_FIND_REQUEST, /* those whose spans or log records have the request id, the latest */
    VIEW_FIND_SLOWEST, /* those with the longest spans, the slowest first */
    VIEW_FIND_ERRORS,  /* those with a span of status error, the latest */
    VIEW_FIND_LATEST,  /* those that ended last */
};

struct view_find_query {
    enum view_find_by by;
    const char *id; /* of the trace, or of the request */
    size_t count;   /* of those that fit at most so many, 1 to VIEW_FIND_MAX */
    /* Of the slowest, those that failed and the latest: what a span has to have; NULL for nothing.
     * With `by` VIEW_FIND_REQUEST it is left aside. */
    const struct view_match *match;
    uint64_t since_ns; /* and when it ended at the earliest, Unix time */
    bool logs_alone;   /* of a request: its spans were looked for already */
};

struct view_find_result {
    struct trace_ids ids;
    uint64_t keys[VIEW_FIND_MAX]; /* duration, or when the last span of it that fits ended; ns */
};

/* Oldest first, unless the slowest are asked for. */
void view_find(struct view_spool *spool, const struct view_find_query *query,
               struct view_find_result *result);

/* Takes a record of trace number `i` of those that are looked for. */
typedef void view_find_take(void *context, size_t i, enum spool_signal signal,
                            const struct record_parts *parts, bool foreign);

/*
 * Calls `take` for each span, and then each log record, of these traces. Files that were written to
 * for the last time before all of the traces began are not read; that is known of a trace once its
 * root span is found.
 */
void view_find_records(struct view_spool *spool, const struct trace_ids *ids, view_find_take *take,
                       void *context);

/* The same for their spans alone. */
void view_find_spans(struct view_spool *spool, const struct trace_ids *ids, view_find_take *take,
                     void *context);

#endif
