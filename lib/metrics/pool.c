#include "lib/metrics/pool.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>

enum {
    CHUNK_BYTES = 16384,
    RESERVE_BYTES = CHUNK_BYTES / 2, /* less than this left: time for the next chunk */
};

struct metrics_pool_chunk {
    struct metrics_pool_chunk *older;
    size_t used;
    alignas(max_align_t) unsigned char bytes[CHUNK_BYTES];
};

int metrics_pool_init(struct metrics_pool *pool)
{
    pool->next = NULL;
    pool->current = calloc(1, sizeof(struct metrics_pool_chunk));
    return pool->current == NULL ? -1 : 0;
}

void *metrics_pool_take(struct metrics_pool *pool, size_t size)
{
    size_t need = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);

    assert(size <= METRICS_POOL_TAKE_MAX);
    if (pool->next == NULL && CHUNK_BYTES - pool->current->used < RESERVE_BYTES + need)
        pool->next = calloc(1, sizeof(struct metrics_pool_chunk));
    if (CHUNK_BYTES - pool->current->used < need) {
        if (pool->next == NULL)
            return NULL;
        pool->next->older = pool->current;
        pool->current = pool->next;
        pool->next = NULL;
    }
    void *taken = pool->current->bytes + pool->current->used;
    pool->current->used += need;
    return taken;
}

void metrics_pool_free(struct metrics_pool *pool)
{
    free(pool->next);
    while (pool->current != NULL) {
        struct metrics_pool_chunk *older = pool->current->older;
        free(pool->current);
        pool->current = older;
    }
    *pool = (struct metrics_pool){NULL, NULL};
}
