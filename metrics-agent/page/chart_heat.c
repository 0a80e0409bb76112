#include "metrics-agent/page/chart.h"

#include "lib/families.h"

#include <math.h>

enum {
    LEVELS = 5,
    ROWS_MIN = 5, /* so that a single bucket does not fill the image */
    LABELS_MAX = 5,
};

struct heat {
    double sums[OVERVIEW_BUCKETS], all;
    double most; /* of a cell */
    size_t low, high, biggest;
};

static void bucket_name(struct html *html, size_t bucket)
{
    if (bucket == 0)
        html_format(html, "up to %s", figure_seconds(families_latency_bounds[0]).text);
    else if (bucket == OVERVIEW_BUCKETS - 1)
        html_format(html, "over %s",
                    figure_seconds(families_latency_bounds[FAMILIES_LATENCY_BOUNDS - 1]).text);
    else
        html_format(html, "%s to %s", figure_seconds(families_latency_bounds[bucket - 1]).text,
                    figure_seconds(families_latency_bounds[bucket]).text);
}

static double cell(const struct overview *overview, size_t point, size_t bucket)
{
    const double value = (double)overview->heat[point][bucket];

    return isfinite(value) && value > 0 ? value : 0;
}

static void find_heat(struct heat *heat, const struct overview *overview)
{
    *heat = (struct heat){.low = OVERVIEW_BUCKETS};
    for (size_t bucket = 0; bucket < OVERVIEW_BUCKETS; bucket++) {
        for (size_t point = 0; point < OVERVIEW_POINTS; point++) {
            const double count = cell(overview, point, bucket);

            heat->sums[bucket] += count;
            heat->most = fmax(heat->most, count);
        }
        if (!(heat->sums[bucket] > 0))
            continue;
        heat->all += heat->sums[bucket];
        if (heat->low == OVERVIEW_BUCKETS)
            heat->low = bucket;
        heat->high = bucket;
        if (heat->sums[bucket] > heat->sums[heat->biggest])
            heat->biggest = bucket;
    }
    while (heat->low < OVERVIEW_BUCKETS && heat->high - heat->low + 1 < ROWS_MIN) {
        if (heat->high < OVERVIEW_BUCKETS - 1)
            heat->high++;
        else
            heat->low--;
    }
}

/* 0 for no request; by the logarithm, or one slow request would not be seen beside thousands. */
static unsigned level(double count, double most)
{
    if (!(count > 0))
        return 0;
    if (most <= 1)
        return LEVELS;
    return 1 + (unsigned)fmin(LEVELS - 1, log(fmax(count, 1)) / log(most) * LEVELS);
}

/* One path a level: runs of equal cells are one box. */
static void write_level(struct html *html, const struct overview *overview, const struct heat *heat,
                        unsigned wanted)
{
    html_format(html, "<path class=\"heat%u\" d=\"", wanted);
    for (size_t bucket = heat->low; bucket <= heat->high; bucket++) {
        for (size_t point = 0, end; point < OVERVIEW_POINTS; point = end) {
            end = point + 1;
            if (level(cell(overview, point, bucket), heat->most) != wanted)
                continue;
            while (end < OVERVIEW_POINTS &&
                   level(cell(overview, end, bucket), heat->most) == wanted)
                end++;
            html_format(html, "M%zu %zuh%zuv1H%zuz", point, heat->high - bucket, end - point,
                        point);
        }
    }
    html_raw(html, "\"/>");
}

static void write_labels(struct html *html, const struct heat *heat)
{
    const size_t rows = heat->high - heat->low + 1;
    const size_t step = (rows + LABELS_MAX - 1) / LABELS_MAX;

    html_raw(html, "<g class=\"grid\" aria-hidden=\"true\">");
    /* The bound between two rows. */
    for (size_t row = step; row < rows; row += step) {
        const double y = 100 - 100.0 * (double)row / (double)rows;

        html_format(html,
                    "<line x1=\"0\" x2=\"100%%\" y1=\"%.4g%%\" y2=\"%.4g%%\"/>"
                    "<text x=\"2\" y=\"%.4g%%\" dy=\"-3\">%s</text> ",
                    y, y, y, figure_seconds(families_latency_bounds[heat->low + row - 1]).text);
    }
    html_raw(html, "</g>");
}

static void write_table(struct html *html, const struct overview *overview, const struct heat *heat)
{
    html_format(html,
                "<details id=\"heat-table\"><summary>As a table</summary><table><caption>Requests "
                "by latency over %u minutes</caption><thead><tr><th scope=\"col\">Latency</th><th "
                "scope=\"col\">Requests</th><th scope=\"col\">Share</th></tr></thead><tbody>",
                overview->range_s / 60);
    for (size_t bucket = 0; bucket < OVERVIEW_BUCKETS; bucket++) {
        if (!(heat->sums[bucket] > 0))
            continue;
        html_raw(html, "<tr><th scope=\"row\">");
        bucket_name(html, bucket);
        html_format(html, "</th><td>%s</td><td>%s</td></tr>", figure_count(heat->sums[bucket]).text,
                    figure_share(heat->sums[bucket] / heat->all).text);
    }
    html_raw(html, "</tbody></table></details>");
}

void chart_heat(struct html *html, const struct overview *overview)
{
    const unsigned minutes = overview->range_s / 60;
    struct heat heat;

    find_heat(&heat, overview);
    html_raw(html, "<figure class=\"chart\"><figcaption><b>Requests by latency</b>");
    if (!(heat.all > 0)) {
        html_format(html,
                    "</figcaption><p class=\"none\">No request in the last %u minutes.</p>"
                    "</figure>",
                    minutes);
        return;
    }
    html_raw(html, " <span class=\"key\">1 <svg class=\"scale\" aria-hidden=\"true\">");
    for (unsigned i = 1; i <= LEVELS; i++)
        html_format(html, "<rect class=\"heat%u\" x=\"%u\" width=\"12\" height=\"10\"/>", i,
                    (i - 1) * 12);
    html_format(
        html,
        "</svg> %s requests in %s</span></figcaption><svg class=\"plot\" role=\"img\"><title>"
        "Requests by latency over %u minutes: %s; most (%s) took ",
        figure_count(heat.most).text,
        figure_seconds((double)overview->range_s / OVERVIEW_POINTS).text, minutes,
        figure_count(heat.all).text, figure_share(heat.sums[heat.biggest] / heat.all).text);
    bucket_name(html, heat.biggest);
    html_format(html,
                "</title><svg viewBox=\"0 0 %d %zu\" preserveAspectRatio=\"none\" "
                "shape-rendering=\"crispEdges\">",
                OVERVIEW_POINTS, heat.high - heat.low + 1);
    for (unsigned i = 1; i <= LEVELS; i++)
        write_level(html, overview, &heat, i);
    html_raw(html, "</svg>");
    write_labels(html, &heat);
    html_format(html, "</svg><p class=\"times\"><span>%u min ago</span> <span>now</span></p>",
                minutes);
    write_table(html, overview, &heat);
    html_raw(html, "</figure>");
}
