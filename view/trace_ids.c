#include "view/trace_ids.h"

#include "lib/base/json_walk.h"

#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum { QUOTES_APART = IDS_TRACE_HEX + 1 };

/* Returns false if it is no id. */
static bool to_lower(char out[IDS_TRACE_HEX], struct text id)
{
    bool zero = true;

    if (id.len != IDS_TRACE_HEX)
        return false;
    for (size_t i = 0; i < IDS_TRACE_HEX; i++) {
        if (text_hex_digit(id.at[i]) < 0)
            return false;
        out[i] = (char)(id.at[i] | 0x20); /* digits have that bit */
        zero = zero && out[i] == '0';
    }
    return !zero;
}

/* A bit for the first four digits, which are in lower case. */
static unsigned start_of(const char *at)
{
    uint32_t digits;

    memcpy(&digits, at, sizeof(digits));
    return (digits | 0x20202020u) * 2654435761u >> 20;
}

static void note_start(struct trace_ids *ids, const char *id)
{
    ids->starts[start_of(id) / 64] |= UINT64_C(1) << start_of(id) % 64;
}

/* The same with 32 bytes of anything, of which most are not among the ids. */
static int find(const struct trace_ids *ids, const char *at)
{
    const unsigned start = start_of(at);
    char lower[IDS_TRACE_HEX];

    if ((ids->starts[start / 64] >> start % 64 & 1) == 0)
        return -1;
    for (size_t i = 0; i < IDS_TRACE_HEX; i++) {
        if (text_hex_digit(at[i]) < 0)
            return -1;
        lower[i] = (char)(at[i] | 0x20);
    }
    for (size_t i = 0; i < ids->count; i++) {
        if (memcmp(ids->ids[i], lower, IDS_TRACE_HEX) == 0)
            return (int)i;
    }
    return -1;
}

int trace_ids_find(const struct trace_ids *ids, struct text id)
{
    char lower[IDS_TRACE_HEX];

    return to_lower(lower, id) ? find(ids, lower) : -1;
}

int trace_ids_add(struct trace_ids *ids, struct text id)
{
    char lower[IDS_TRACE_HEX];
    int index;

    if (!to_lower(lower, id))
        return -1;
    index = find(ids, lower);
    if (index >= 0 || ids->count == TRACE_IDS_MAX)
        return index;
    memcpy(ids->ids[ids->count], lower, sizeof(lower));
    note_start(ids, lower);
    return (int)ids->count++;
}

int trace_ids_replace(struct trace_ids *ids, size_t index, struct text id)
{
    char lower[IDS_TRACE_HEX];

    if (!to_lower(lower, id))
        return -1;
    memcpy(ids->ids[index], lower, sizeof(lower));
    /* The bit of the one before stays: it costs a look, and no find. */
    note_start(ids, lower);
    return 0;
}

/* The next place at which two quotes are as far from each other as an id's; near `end`, some bytes
 * before it. */
static const char *next_string(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');

    for (; end - at >= QUOTES_APART + 16; at += 16) {
        const __m128i first = _mm_loadu_si128((const __m128i *)at);
        const __m128i second = _mm_loadu_si128((const __m128i *)(at + QUOTES_APART));
        const int hits = _mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(first, quote), _mm_cmpeq_epi8(second, quote)));

        if (hits != 0)
            return at + __builtin_ctz((unsigned)hits);
    }
#else
    (void)end;
#endif
    return at;
}

bool trace_ids_may_be_in(const struct trace_ids *ids, struct text json)
{
    const char *at = json.at, *const end = json.at + json.len;

    for (;;) {
        at = next_string(at, end);
        if (end - at <= QUOTES_APART)
            return json_walk_escaped(json);
        if (at[0] == '"' && at[QUOTES_APART] == '"' && find(ids, at + 1) >= 0)
            return true;
        at++;
    }
}
