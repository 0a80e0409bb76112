#include "metrics-agent/page/chart.h"

#include <math.h>

struct chart_extent chart_extent(const struct overview_line *line)
{
    struct chart_extent extent = {NAN, NAN, NAN};

    for (size_t i = 0; i < OVERVIEW_POINTS; i++) {
        const double value = (double)line->points[i];

        if (isnan(value))
            continue;
        extent.low = fmin(extent.low, value);
        extent.high = fmax(extent.high, value);
        extent.last = value;
    }
    return extent;
}

/* From the top, as SVG counts. */
static double height_of(double value, double bottom, double top, bool log, double height)
{
    double share;

    if (log)
        share = value <= bottom ? 0 : log10(value / bottom) / log10(top / bottom);
    else
        share = (value - bottom) / (top - bottom);
    return height * (1 - fmin(fmax(share, 0), 1));
}

void chart_path(struct html *html, const struct overview_line *line, double bottom, double top,
                bool log, double height, bool area)
{
    size_t from = 0, to;

    if (!(top > bottom) || (log && !(bottom > 0)))
        return;
    while (from < OVERVIEW_POINTS) {
        if (isnan(line->points[from])) {
            from++;
            continue;
        }
        for (to = from; to < OVERVIEW_POINTS && !isnan(line->points[to]); to++) {
            const double y = height_of((double)line->points[to], bottom, top, log, height);

            html_format(html, "%s%zu %.3g", to == from ? "M" : " ", to, y);
        }
        if (to == from + 1)
            html_raw(html, "h.5");
        if (area)
            html_format(html, "V%gH%zuz", height, from);
        from = to;
    }
}
