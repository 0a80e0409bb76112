/*
 * Survives the truncation of a mapped file. A load or store beyond the end of the file raises
 * SIGBUS; for ranges registered here the whole range then becomes zero pages, private to this
 * process, and the access continues. Any other SIGBUS takes the action that was set before.
 */
#ifndef LIB_METRICS_GUARD_H
#define LIB_METRICS_GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum { METRICS_GUARD_MAX = 64 /* ranges at a time */ };

/*
 * Watches [base, base + size), page-aligned. The handler is installed with the first range. Returns
 * a number for the calls below, or -1 if there is no room or no handler: the range is then not
 * protected.
 */
int metrics_guard_add(void *base, size_t size);

/* Whether the range has been replaced. False for -1. */
bool metrics_guard_hit(int guard);

/* For fork handlers: no range is added or removed in between, and a child may add its own. */
void metrics_guard_before_fork(void);
void metrics_guard_after_fork(void);

/* Ends the watch; call it before the range is unmapped. -1 does nothing. */
void metrics_guard_remove(int guard);

#endif
