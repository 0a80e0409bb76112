/*
 * Memory that is taken piece by piece and given back at once, up to a limit.
 */
#ifndef VIEW_ARENA_H
#define VIEW_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* Zeroed but for `max`. */
struct arena {
    size_t max;  /* bytes that may be taken from the system */
    size_t used; /* that were */
    struct arena_chunk *chunks;
};

/* Zeroed bytes, aligned for anything; NULL if the limit is reached or memory runs out. */
void *arena_take(struct arena *arena, size_t size);

/* Gives all of it back. */
void arena_free(struct arena *arena);

#endif
