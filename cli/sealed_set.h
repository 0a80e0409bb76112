/*
 * Which of a signal's segments that nobody appends to any more were read, and how far.
 */
#ifndef CLI_SEALED_SET_H
#define CLI_SEALED_SET_H

#include <stddef.h>
#include <stdint.h>

struct sealed {
    uint64_t seq;
    uint64_t offset; /* all before it was taken */
};

/* Starts zeroed. */
struct sealed_set {
    struct sealed *items; /* ascending numbers */
    size_t count, room;
};

/* NULL if it is not in the set. It stays where it is until the next sealed_set_put. */
struct sealed *sealed_set_find(const struct sealed_set *set, uint64_t seq);

/* Adds the segment, or sets its offset. Returns 0, or -1 if memory runs out. */
int sealed_set_put(struct sealed_set *set, uint64_t seq, uint64_t offset);

/* Removes all, and gives the memory back. */
void sealed_set_clear(struct sealed_set *set);

#endif
