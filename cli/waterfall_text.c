#include "cli/waterfall_text.h"

#include "lib/base/clock.h"

#include <stdio.h>
#include <string.h>

enum { US = 1000, MINUTE = 60, HOUR = 3600, DAY = 86400 };

static void three_digits(char out[WATERFALL_TEXT_MAX], double value, const char *unit)
{
    const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

    (void)snprintf(out, WATERFALL_TEXT_MAX, "%.*f %s", digits, value, unit);
}

void waterfall_text_duration(char out[WATERFALL_TEXT_MAX], uint64_t ns, bool utf8)
{
    const uint64_t seconds =
        ns / CLOCK_NS_PER_S + (ns % CLOCK_NS_PER_S >= CLOCK_NS_PER_S / 2 ? 1 : 0);

    if (ns == 0)
        (void)snprintf(out, WATERFALL_TEXT_MAX, "0");
    else if (ns < 999500)
        three_digits(out, (double)ns / US, utf8 ? "\u00b5s" : "us");
    else if (ns < UINT64_C(999500) * US)
        three_digits(out, (double)ns / CLOCK_NS_PER_MS, "ms");
    else if (seconds < MINUTE)
        three_digits(out, (double)ns / CLOCK_NS_PER_S, "s");
    else if (seconds < HOUR)
        (void)snprintf(out, WATERFALL_TEXT_MAX, "%um %02us", (unsigned)(seconds / MINUTE),
                       (unsigned)(seconds % MINUTE));
    else if (seconds < 2 * DAY)
        (void)snprintf(out, WATERFALL_TEXT_MAX, "%uh %02um", (unsigned)(seconds / HOUR),
                       (unsigned)(seconds % HOUR / MINUTE));
    else
        (void)snprintf(out, WATERFALL_TEXT_MAX, "%llu days", (unsigned long long)(seconds / DAY));
}

void waterfall_text_offset(char out[WATERFALL_TEXT_MAX], int64_t ns, bool utf8)
{
    char text[WATERFALL_TEXT_MAX];

    waterfall_text_duration(text, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, utf8);
    out[0] = ns < 0 ? '-' : '+';
    (void)snprintf(out + 1, WATERFALL_TEXT_MAX - 1, "%.*s", WATERFALL_TEXT_MAX - 2, text);
}

static unsigned place(double ns, uint64_t range_ns, unsigned cells)
{
    const double at = range_ns > 0 ? ns / (double)range_ns * cells : 0;

    return at <= 0 ? 0 : at >= cells ? cells : (unsigned)(at + 0.5);
}

void waterfall_text_bar(char out[WATERFALL_BAR_MAX], unsigned columns, int64_t offset_ns,
                        uint64_t duration_ns, uint64_t range_ns, bool utf8)
{
    static const char left[] = "\u2578", right[] = "\u257a", both[] = "\u2501";
    const unsigned halves = utf8 ? 2 : 1, cells = columns * halves;
    unsigned begin = place((double)offset_ns, range_ns, cells);
    unsigned end = place((double)offset_ns + (double)duration_ns, range_ns, cells);
    char *at = out;

    if (begin >= cells)
        begin = cells - 1;
    if (end <= begin)
        end = begin + 1;
    for (unsigned cell = 0; cell < end; cell += halves) {
        const bool first = cell >= begin, second = cell + 1 >= begin && cell + 1 < end;

        if (!utf8)
            *at++ = first ? '=' : ' ';
        else if (!first && !second)
            *at++ = ' ';
        else
            at = stpcpy(at, first && second ? both : first ? left : right);
    }
    *at = '\0';
}
