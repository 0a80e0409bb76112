#include "metrics-agent/export/ranges.h"

#include <assert.h>

void ranges_begin(struct ranges *r, size_t items)
{
    assert(items > 0);
    r->ends[0] = items;
    r->count = 1;
    r->doubt_end = 0;
}

size_t ranges_end(const struct ranges *r)
{
    assert(r->count > 0);
    return r->ends[r->count - 1];
}

bool ranges_beyond(const struct ranges *r, size_t bytes)
{
    return r->bytes_max > 0 && bytes > r->bytes_max;
}

void ranges_halve(struct ranges *r, size_t from)
{
    const size_t end = ranges_end(r);

    assert(r->count < RANGES_MAX && end - from > 1);
    r->ends[r->count++] = from + (end - from) / 2;
}

void ranges_too_large(struct ranges *r, size_t bytes)
{
    r->doubt_end = ranges_end(r);
    r->doubt_bytes = bytes;
}

/* Both halves passed: it was the size, and no record in it. */
static void remember(struct ranges *r)
{
    const bool again = r->bytes_max > 0;

    r->bytes_max = r->doubt_bytes / 2;
    if (!again || r->patience == 0)
        r->patience = RANGES_PATIENCE_MIN;
    else if (r->patience < RANGES_PATIENCE_MAX)
        r->patience *= 2;
    r->passed = 0;
}

void ranges_taken(struct ranges *r)
{
    const size_t end = ranges_end(r);

    r->count--;
    if (r->doubt_end > 0 && end == r->doubt_end) {
        r->doubt_end = 0;
        remember(r);
    } else if (r->bytes_max > 0 && ++r->passed >= r->patience) {
        r->passed = 0;
        r->bytes_max *= 2;
    }
}

void ranges_refused(struct ranges *r)
{
    r->doubt_end = 0;
    r->count--;
}
