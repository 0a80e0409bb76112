/*
 * A walk through a trace that was built, in the order in which it is shown: parents before what is
 * below them, and there spans, log records and events by their times.
 */
#ifndef VIEW_VIEW_WALK_H
#define VIEW_VIEW_WALK_H

#include "view/view_trace.h"

#include <stdbool.h>

enum view_walk_what {
    VIEW_WALK_SPAN,
    VIEW_WALK_NOTE,   /* a log record or an event, of `span` unless that is NULL */
    VIEW_WALK_FOLDED, /* the siblings like `span` that are not shown (fold_count) */
};

struct view_walk {
    struct view_trace *trace;
    struct view_span *inside; /* below which the next item is; NULL for the top */
    struct view_span *child;  /* of the top: what comes next */
    struct view_note *note;
    /* The item. */
    enum view_walk_what what;
    struct view_span *span;
    struct view_note *at;
};

void view_walk_begin(struct view_walk *walk, struct view_trace *trace);

/* Returns false after the last one. One walk of a trace at a time. */
bool view_walk_next(struct view_walk *walk);

/* Whether there is more to come below the span; below the top for NULL. */
bool view_walk_more(const struct view_walk *walk, const struct view_span *span);

#endif
