#include "view/span_times.h"

#include "lib/base/json_walk.h"

#include <stddef.h>
#include <string.h>
#ifdef __SSE2__
#    include <emmintrin.h>
#endif

enum { DIGITS = 19 /* nanoseconds of Unix time from 2001 to 2286 */ };

static const char start_name[] = "\"startTimeUnixNano\":\"";
static const char end_name[] = "\"endTimeUnixNano\":\"";
static const char snake[] = "\"end_time_unix_nano\"";

enum {
    START_NAME = sizeof(start_name) - 1,
    END_NAME = sizeof(end_name) - 1,
    ANY_NAME = END_NAME - 2, /* without colon and quote */
    SNAKE = sizeof(snake) - 1,
    BEFORE = START_NAME + DIGITS + 2, /* of the start, its quote and the comma */
};

/* The next place at which `"e.d` stands; near `end`, some bytes before it. */
static const char *next_name(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), e = _mm_set1_epi8('e'), d = _mm_set1_epi8('d');

    for (; end - at >= 16 + 3; at += 16) {
        const __m128i first = _mm_loadu_si128((const __m128i *)at);
        const __m128i second = _mm_loadu_si128((const __m128i *)(at + 1));
        const __m128i fourth = _mm_loadu_si128((const __m128i *)(at + 3));
        const int hits = _mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(first, quote),
                          _mm_and_si128(_mm_cmpeq_epi8(second, e), _mm_cmpeq_epi8(fourth, d))));

        if (hits != 0)
            return at + __builtin_ctz((unsigned)hits);
    }
#else
    (void)end;
#endif
    return at;
}

/* Digits and the quote behind them. Returns 0 for anything else. */
static uint64_t read_time(const char *at)
{
    uint64_t time = 0;

    for (int i = 0; i < DIGITS; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        time = 10 * time + (uint64_t)(at[i] - '0');
    }
    return at[DIGITS] == '"' ? time : 0;
}

static bool is_name(const char *at, const char *end)
{
    return (end - at >= ANY_NAME && memcmp(at, end_name, ANY_NAME) == 0) ||
           (end - at >= SNAKE && memcmp(at, snake, SNAKE) == 0);
}

/* Both times, or false where they can't be told: *started is 0 without a start before the end. */
static bool read_times(struct text json, const char *at, uint64_t *started, uint64_t *ended)
{
    if (json.at + json.len - at <= END_NAME + DIGITS || memcmp(at, end_name, END_NAME) != 0)
        return false;
    *ended = read_time(at + END_NAME);
    *started = 0;
    if (at - json.at >= BEFORE && memcmp(at - BEFORE, start_name, START_NAME) == 0)
        *started = read_time(at - BEFORE + START_NAME);
    return *ended > 0;
}

static bool may_be(struct text json, bool longer, uint64_t than_ns)
{
    const char *at = json.at, *const end = json.at + json.len;

    for (;; at++) {
        uint64_t started, ended;

        at = next_name(at, end);
        if (end - at < ANY_NAME)
            return json_walk_escaped(json);
        if (!is_name(at, end))
            continue;
        if (!read_times(json, at, &started, &ended) || (longer && started == 0))
            return true;
        if (longer ? ended > started && ended - started > than_ns : ended > than_ns)
            return true;
    }
}

bool span_times_longer(struct text json, uint64_t longer_ns)
{
    return may_be(json, true, longer_ns);
}

bool span_times_later(struct text json, uint64_t later_ns)
{
    return may_be(json, false, later_ns);
}
