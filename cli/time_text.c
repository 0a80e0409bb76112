#include "cli/time_text.h"

#include "lib/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

enum {
    NANO_DIGITS = 9,
    SECONDS_DIGITS = 11,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly `digits` of them at *at, which moves behind them. Returns -1 for anything else. */
static int take_number(const char **at, unsigned digits)
{
    int value = 0;

    for (; digits > 0; digits--, (*at)++) {
        if (!is_digit(**at))
            return -1;
        value = 10 * value + (**at - '0');
    }
    return value;
}

static bool take(const char **at, const char *any_of)
{
    if (**at == '\0' || strchr(any_of, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

/* A point and digits, or nothing. Returns 0 and nanoseconds, or -1 for a point alone. */
static int take_fraction(const char **at, uint64_t *ns)
{
    uint64_t unit = CLOCK_NS_PER_S / 10;

    *ns = 0;
    if (!take(at, "."))
        return 0;
    if (!is_digit(**at))
        return -1;
    for (; is_digit(**at); (*at)++, unit /= 10)
        *ns += unit * (uint64_t)(**at - '0');
    return 0;
}

static int parse_unix(const char *at, uint64_t *unix_ns)
{
    const size_t digits = strspn(at, "0123456789");
    uint64_t seconds = 0, ns;

    if (digits == 0 || digits > SECONDS_DIGITS)
        return -1;
    for (size_t i = 0; i < digits; i++)
        seconds = 10 * seconds + (uint64_t)(at[i] - '0');
    at += digits;
    if (take_fraction(&at, &ns) != 0 || *at != '\0' || seconds >= UINT64_MAX / CLOCK_NS_PER_S)
        return -1;
    *unix_ns = seconds * CLOCK_NS_PER_S + ns;
    return 0;
}

/* Z, or +hh:mm or -hh:mm: seconds east of Greenwich. */
static int take_offset(const char **at, int *seconds)
{
    const bool west = **at == '-';
    int hours, minutes;

    *seconds = 0;
    if (take(at, "Zz"))
        return 0;
    if (!take(at, "+-") || (hours = take_number(at, 2)) < 0 || hours > 23 || !take(at, ":") ||
        (minutes = take_number(at, 2)) < 0 || minutes > 59)
        return -1;
    *seconds = (west ? -60 : 60) * (60 * hours + minutes);
    return 0;
}

static int parse_rfc3339(const char *at, uint64_t *unix_ns)
{
    struct tm tm = {0}, day;
    int64_t seconds;
    uint64_t ns;
    int offset;

    if ((tm.tm_year = take_number(&at, 4)) < 1970 || !take(&at, "-") ||
        (tm.tm_mon = take_number(&at, 2)) < 1 || !take(&at, "-") ||
        (tm.tm_mday = take_number(&at, 2)) < 1 || !take(&at, "Tt ") ||
        (tm.tm_hour = take_number(&at, 2)) < 0 || tm.tm_hour > 23 || !take(&at, ":") ||
        (tm.tm_min = take_number(&at, 2)) < 0 || tm.tm_min > 59 || !take(&at, ":") ||
        (tm.tm_sec = take_number(&at, 2)) < 0 || tm.tm_sec > 60 || take_fraction(&at, &ns) != 0 ||
        take_offset(&at, &offset) != 0 || *at != '\0')
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    /* timegm makes the 30th of February a day in March. */
    day = (struct tm){.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday};
    (void)timegm(&day);
    if (day.tm_mon != tm.tm_mon)
        return -1;
    seconds = timegm(&tm) - offset;
    if (seconds < 0 || (uint64_t)seconds >= UINT64_MAX / CLOCK_NS_PER_S)
        return -1;
    *unix_ns = (uint64_t)seconds * CLOCK_NS_PER_S + ns;
    return 0;
}

int time_text_parse(const char *text, uint64_t *unix_ns)
{
    if (text[0] == '@')
        return parse_unix(text + 1, unix_ns);
    return parse_unix(text, unix_ns) == 0 ? 0 : parse_rfc3339(text, unix_ns);
}
