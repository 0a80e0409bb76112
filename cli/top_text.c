#include "cli/top_text.h"

#include "lib/base/clock.h"
#include "view/figure.h"
#include "view/view_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void unknown(char out[TOP_TEXT_MAX])
{
    (void)snprintf(out, TOP_TEXT_MAX, "-");
}

void top_text_count(char out[TOP_TEXT_MAX], double value)
{
    static const char units[] = "MGT";
    double scaled = value / 1e6;
    size_t unit = 0;

    if (!isfinite(value)) {
        unknown(out);
        return;
    }
    if (value < 9999999.5) {
        const long whole = lround(fmax(value, 0));

        if (whole >= 1000000)
            (void)snprintf(out, TOP_TEXT_MAX, "%ld,%03ld,%03ld", whole / 1000000,
                           whole / 1000 % 1000, whole % 1000);
        else if (whole >= 1000)
            (void)snprintf(out, TOP_TEXT_MAX, "%ld,%03ld", whole / 1000, whole % 1000);
        else
            (void)snprintf(out, TOP_TEXT_MAX, "%ld", whole);
        return;
    }
    while (scaled >= 9999.5 && units[unit + 1] != '\0') {
        scaled /= 1000;
        unit++;
    }
    (void)snprintf(out, TOP_TEXT_MAX, "%.*f%c", scaled < 99.95 ? 1 : 0, fmin(scaled, 1e12),
                   units[unit]);
}

void top_text_number(char out[TOP_TEXT_MAX], double value)
{
    if (isfinite(value) && value < 99.95 && value > 0)
        (void)snprintf(out, TOP_TEXT_MAX, "%.*f", value < 9.995 ? 2 : 1, value);
    else
        top_text_count(out, value);
}

void top_text_share(char out[TOP_TEXT_MAX], double share)
{
    if (!isfinite(share))
        unknown(out);
    else if (share <= 0)
        (void)snprintf(out, TOP_TEXT_MAX, "0 %%");
    else
        (void)snprintf(out, TOP_TEXT_MAX, "%.*f %%",
                       share < 0.09995 ? 2
                       : share < 1     ? 1
                                       : 0,
                       fmin(share, 1e6) * 100);
}

void top_text_seconds(char out[TOP_TEXT_MAX], double seconds, bool utf8)
{
    char text[VIEW_TEXT_DURATION_MAX];

    if (isinf(seconds)) {
        (void)snprintf(out, TOP_TEXT_MAX, "> 10 s");
    } else if (isnan(seconds) || seconds < 0) {
        unknown(out);
    } else {
        view_text_duration(text, (uint64_t)(fmin(seconds, 1e9) * CLOCK_NS_PER_S), utf8);
        (void)snprintf(out, TOP_TEXT_MAX, "%s", text);
    }
}

void top_text_age(char out[TOP_TEXT_MAX], double seconds)
{
    if (seconds >= 0 && seconds < 60)
        (void)snprintf(out, TOP_TEXT_MAX, "%d s", (int)seconds);
    else
        top_text_seconds(out, seconds, false);
}

void top_text_bytes(char out[TOP_TEXT_MAX], double bytes)
{
    if (!isfinite(bytes) || bytes <= 0)
        unknown(out);
    else
        (void)snprintf(out, TOP_TEXT_MAX, "%.*s", TOP_TEXT_MAX - 1,
                       figure_bytes(fmin(bytes, 1e18)).text);
}

unsigned top_text_spark(char out[TOP_TEXT_SPARK_MAX], const struct overview_line *line,
                        unsigned columns, bool utf8)
{
    static const unsigned lengths[] = {60, 30, 20, 15, 12, 10};
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    unsigned length = 0;
    double most = 0;
    char *at = out;

    out[0] = '\0';
    for (size_t i = 0; length == 0 && i < sizeof lengths / sizeof lengths[0]; i++)
        length = lengths[i] <= columns ? lengths[i] : 0;
    if (length == 0)
        return 0;
    for (int i = 0; i < OVERVIEW_POINTS; i++)
        most = isnan(line->points[i]) ? most : fmax(most, line->points[i]);
    for (unsigned i = 0; i < length; i++) {
        const unsigned each = OVERVIEW_POINTS / length;
        double value = NAN;

        /* fmax leaves a NAN out. */
        for (unsigned k = 0; k < each; k++)
            value = fmax(value, line->points[i * each + k]);
        if (isnan(value)) {
            *at++ = ' ';
            continue;
        }
        const int step = most > 0 ? (int)lround(fmax(value, 0) / most * 7) : 0;
        at = stpcpy(at, (utf8 ? blocks : letters)[step]);
    }
    *at = '\0';
    return length;
}
