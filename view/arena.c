#include "view/arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { CHUNK = 65536 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; /* of `bytes` */
    alignas(max_align_t) unsigned char bytes[];
};

static struct arena_chunk *add_chunk(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk;

    if (size < CHUNK)
        size = CHUNK;
    if (size > arena->max - arena->used)
        return NULL;
    chunk = calloc(1, sizeof(*chunk) + size);
    if (chunk == NULL)
        return NULL;
    chunk->size = size;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->used += size;
    return chunk;
}

void *arena_take(struct arena *arena, size_t size)
{
    struct arena_chunk *chunk = arena->chunks;
    void *bytes;

    if (size > arena->max)
        return NULL;
    size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (chunk == NULL || size > chunk->size - chunk->used)
        chunk = add_chunk(arena, size);
    if (chunk == NULL)
        return NULL;
    bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    return bytes;
}

void arena_free(struct arena *arena)
{
    while (arena->chunks != NULL) {
        struct arena_chunk *const next = arena->chunks->next;

        free(arena->chunks);
        arena->chunks = next;
    }
    arena->used = 0;
}
