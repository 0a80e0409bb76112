#include "cli/sealed_set.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM = 16 };

/* Where the number is, or belongs. */
static size_t place_of(const struct sealed_set *set, uint64_t seq)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (set->items[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sealed *sealed_set_find(const struct sealed_set *set, uint64_t seq)
{
    const size_t at = place_of(set, seq);

    return at < set->count && set->items[at].seq == seq ? &set->items[at] : NULL;
}

int sealed_set_put(struct sealed_set *set, uint64_t seq, uint64_t offset)
{
    struct sealed *const known = sealed_set_find(set, seq);
    const size_t at = place_of(set, seq);

    if (known != NULL) {
        known->offset = offset;
        return 0;
    }
    if (set->count == set->room) {
        const size_t room = 2 * set->room + ROOM;
        struct sealed *const items = reallocarray(set->items, room, sizeof(*items));

        if (items == NULL)
            return -1;
        set->items = items;
        set->room = room;
    }
    memmove(&set->items[at + 1], &set->items[at], (set->count - at) * sizeof(*set->items));
    set->items[at] = (struct sealed){.seq = seq, .offset = offset};
    set->count++;
    return 0;
}

void sealed_set_clear(struct sealed_set *set)
{
    free(set->items);
    *set = (struct sealed_set){.items = NULL};
}
