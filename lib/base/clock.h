/*
 * Time as telemetry needs it: wall-clock nanoseconds for records, monotonic nanoseconds for
 * durations, and the ISO 8601 text of log lines.
 */
#ifndef LIB_BASE_CLOCK_H
#define LIB_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    CLOCK_NS_PER_S = 1000000000,
    CLOCK_NS_PER_MS = 1000000,
    CLOCK_ISO8601_SIZE = 25, /* "2025-01-03T12:00:01.234Z" and its NUL */
};

static inline uint64_t clock_ms_to_ns(uint64_t ms)
{
    return ms * CLOCK_NS_PER_MS;
}

static inline uint64_t clock_timespec_ns(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * CLOCK_NS_PER_S + (uint64_t)time->tv_nsec;
}

/* Nanoseconds since 1970-01-01T00:00:00Z. Follows the wall clock, so it may jump. */
uint64_t clock_unix_ns(void);

/* Nanoseconds since an arbitrary start; never goes back, unrelated between machines. */
uint64_t clock_monotonic_ns(void);
uint64_t clock_monotonic_ms(void); /* the same in milliseconds */

/* Sleeps for `ns` nanoseconds, through signals that do not end the process. */
void clock_sleep_ns(uint64_t ns);

/*
 * Writes `unix_ns` as "YYYY-MM-DDThh:mm:ss.mmmZ" (UTC, milliseconds, truncated) and a NUL.
 * Years beyond 9999 are written as 9999-12-31T23:59:59.999Z.
 */
void clock_iso8601(char out[CLOCK_ISO8601_SIZE], uint64_t unix_ns);

/*
 * The inverse: reads the 24 characters that clock_iso8601 writes, from `text` of `len` bytes.
 * Returns 0 and sets *unix_ns, or -1 if the text is anything else, a day that the calendar does not
 * have, a leap second, or a time after 2554-07-21T23:34:32.999Z, whose nanoseconds leave 64 bits.
 */
int clock_parse_iso8601(const char *text, size_t len, uint64_t *unix_ns);

#endif
