/*
 * The records of an item that a spool file was cut into, each with the resource and the scope that
 * it stands below, whichever legal form it came in. Pure.
 */
#ifndef VIEW_RECORD_WALK_H
#define VIEW_RECORD_WALK_H

#include "lib/base/text.h"
#include "lib/spool/lines.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_WALK_AROUND_MAX = 1 << 20 /* bytes of a record's resource and scope */ };

struct record_parts {
    bool line;             /* a log line of our own form, which has nothing around it */
    struct text record;    /* the line, or a span or log record of OTLP's form */
    struct text resource;  /* the element of the list of resources, as an object */
    struct text scope;     /* the element of the list of scopes, the same */
    bool same;             /* both are those of the record before */
    struct text outermost; /* what is one in the file: the record, or the element that it is in */
    uint64_t number;       /* of `outermost`, of all that were walked: its bytes may move */
};

/* Returns false if the record could not be taken. */
typedef bool record_walk_take(void *context, const struct record_parts *parts);

/* What is around the last record: mostly also around the next one. Starts zeroed. */
struct record_walk {
    char around[2][RECORD_WALK_AROUND_MAX]; /* resource and scope, and the next ones */
    bool current;                           /* which of the two */
    size_t around_len;
    struct text resource, scope;
    bool known;
    uint64_t count; /* of what is one in a file */
};

/*
 * Calls `take` for each record of item `i` of `batch`, which was cut from `window`: once for a
 * record, for each of an element that could not be taken apart. The texts live until the next call.
 * Returns false if one was left out: it was not taken, what is around it is too long, or, if the
 * item is a whole line, it is no JSON.
 */
bool record_walk_each(struct record_walk *walk, enum spool_signal signal,
                      const struct spool_lines *batch, const char *window, size_t i,
                      record_walk_take *take, void *context);

#endif
