/*
 * Memory for small things that live as long as the metrics. It is taken from the system well before
 * it is needed, so that a moment without memory refuses nothing.
 */
#ifndef LIB_METRICS_POOL_H
#define LIB_METRICS_POOL_H

#include <stddef.h>

enum { METRICS_POOL_TAKE_MAX = 4096 };

struct metrics_pool_chunk;

struct metrics_pool {
    struct metrics_pool_chunk *current, *next; /* `next` is the reserve, NULL if there is none */
};

/* Returns 0, or -1 if memory runs out. */
int metrics_pool_init(struct metrics_pool *pool);

/* `size` zero bytes, at most METRICS_POOL_TAKE_MAX, aligned for any type; NULL without memory. */
void *metrics_pool_take(struct metrics_pool *pool, size_t size);

void metrics_pool_free(struct metrics_pool *pool);

#endif
