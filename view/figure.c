#include "view/figure.h"

#include "lib/base/clock.h"
#include "view/view_text.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_S = 1 << 30 /* of which the nanoseconds have room in 64 bits */ };

static const struct figure unknown = {"\u2013"};

/* Two or three digits that mean something, without a zero at the end. */
static int decimals(double value)
{
    const int most = value >= 10 ? 0 : value >= 1 ? 1 : 2;

    for (int count = most; count > 0; count--) {
        if (fmod(round(value * pow(10, count)), 10) > 0)
            return count;
    }
    return 0;
}

/* Of a whole number from 1,000 to 10^15. */
static struct figure grouped(uint64_t value)
{
    uint64_t unit = 1000;
    struct figure figure;
    int len;

    while (value / unit >= 1000)
        unit *= 1000;
    len = snprintf(figure.text, sizeof(figure.text), "%llu", (unsigned long long)(value / unit));
    for (unit /= 1000; unit >= 1; unit /= 1000)
        len += snprintf(figure.text + len, sizeof(figure.text) - (size_t)len, ",%03llu",
                        (unsigned long long)(value / unit % 1000));
    return figure;
}

struct figure figure_count(double value)
{
    struct figure figure;

    if (isnan(value))
        return unknown;
    if (fabs(value) >= 1e15)
        (void)snprintf(figure.text, sizeof(figure.text), "%.3g", value);
    else if (value >= 999.5)
        return grouped((uint64_t)round(value));
    else if (value > 0 && value < 0.01)
        (void)snprintf(figure.text, sizeof(figure.text), "\u2264 0.01");
    else
        (void)snprintf(figure.text, sizeof(figure.text), "%.*f", decimals(value), value);
    return figure;
}

struct figure figure_seconds(double seconds)
{
    struct figure figure;
    char *unit, *end;

    static_assert(sizeof(figure.text) >= VIEW_TEXT_DURATION_MAX, "room for a duration");
    if (isnan(seconds))
        return unknown;
    if (isinf(seconds) && seconds > 0)
        return (struct figure){"for ever"};
    if (seconds <= 0)
        return (struct figure){"0 s"};
    view_text_duration(figure.text, (uint64_t)(fmin(seconds, LONGEST_S) * CLOCK_NS_PER_S), true);
    unit = strchr(figure.text, ' ');
    if (unit == NULL || strchr(figure.text, '.') == NULL)
        return figure;
    for (end = unit; end[-1] == '0';)
        end--;
    end -= end[-1] == '.';
    memmove(end, unit, strlen(unit) + 1);
    return figure;
}

struct figure figure_share(double share)
{
    const double percent = share * 100;
    struct figure figure;

    if (isnan(share))
        return unknown;
    if (percent > 0 && percent < 0.01)
        return (struct figure){"\u2264 0.01 %"};
    if (percent > 99.99 && percent < 100)
        return (struct figure){"\u2265 99.99 %"};
    if (percent > 99 && percent < 100)
        (void)snprintf(figure.text, sizeof(figure.text), "%.2f %%", floor(percent * 100) / 100);
    else
        (void)snprintf(figure.text, sizeof(figure.text), "%.*f %%", decimals(percent), percent);
    return figure;
}

struct figure figure_bytes(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    struct figure figure;

    if (isnan(bytes))
        return unknown;
    while (bytes >= 1023.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(figure.text, sizeof(figure.text), "%.*f %s", bytes < 9.95 && unit > 0, bytes,
                   units[unit]);
    return figure;
}

struct figure figure_ago(double then, double now)
{
    struct figure figure;

    if (!(then > 0))
        return (struct figure){"never"};
    if (!(now - then >= 1))
        return (struct figure){"just now"};
    (void)snprintf(figure.text, sizeof(figure.text), "%.34s ago",
                   figure_seconds(floor(now - then)).text);
    return figure;
}

struct figure figure_of(double value, enum figure_unit unit)
{
    switch (unit) {
    case FIGURE_SECONDS:
        return figure_seconds(value);
    case FIGURE_SHARE:
        return figure_share(value);
    case FIGURE_COUNT:
    default:
        return figure_count(value);
    }
}
