/*
 * Ended spans that wait for the decision whether their local trace is kept (lib/trace/keep.h). They
 * lie in one fixed stretch of memory as they are, without being made text: what is discarded has
 * cost a copy of its ids, times and attributes.
 */
#ifndef LIB_TRACE_HELD_H
#define LIB_TRACE_HELD_H

#include "lib/trace/span.h"

#include <stddef.h>

enum { HELD_BYTES = 262144 /* of all held spans, some hundreds */ };

/* Memory of it that no span has needed is never touched. */
struct held {
    size_t used;
    char bytes[HELD_BYTES];
};

/* Holds none. */
void held_init(struct held *held);

/*
 * Copies an ended span with all the text that it borrows; but not the keys of its attributes, which
 * live as long as the program. Returns 0, or -1 if there is no room for it.
 */
int held_add(struct held *held, const struct span *span);

/*
 * Takes out all spans of the local root `root`, or all there are if it is NULL; gives each to
 * `take`, in the order of their ends, unless that is NULL.
 */
void held_release(struct held *held, const struct span *root,
                  void (*take)(void *context, const struct span *span), void *context);

#endif
