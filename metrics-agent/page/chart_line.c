#include "metrics-agent/page/chart.h"

#include <math.h>

enum {
    HEIGHT = 100,
    HEAD = 9, /* per cent of the image above the plot, for the highest label */
    GRID = 4,
    TABLE_ROWS = 12,
};

struct axis {
    double bottom, top;
    double lines[GRID];
    size_t count;
};

/* The next round figure that is not below the value. */
static double nice(double value)
{
    static const double digits[] = {1, 1.5, 2, 3, 4, 5, 6, 8};
    const double power = pow(10, floor(log10(value)));

    for (size_t i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
        if (value <= digits[i] * power)
            return digits[i] * power;
    }
    return 10 * power;
}

static void find_axis(struct axis *axis, const struct chart *chart)
{
    double low = NAN, high = NAN;

    for (size_t i = 0; i < chart->count; i++) {
        for (size_t k = 0; k < OVERVIEW_POINTS; k++) {
            const double value = (double)chart->series[i].line->points[k];

            if (isfinite(value) && (!chart->log || value > 0)) {
                low = fmin(low, value);
                high = fmax(high, value);
            }
        }
    }
    *axis = (struct axis){0};
    if (chart->log) {
        if (chart->objective > 0)
            high = fmax(high, chart->objective * 1.5);
        low = fmin(fmax(fmin(low, high), 1e-12), 1e12);
        high = fmin(high, 1e12);
        axis->bottom = pow(10, floor(log10(low)));
        axis->top = fmax(pow(10, ceil(log10(high))), axis->bottom * 10);
        /* Few lines, whatever the span. */
        const double step = fmax(1, ceil(round(log10(axis->top / axis->bottom)) / (double)GRID));

        while (axis->count < GRID) {
            const double at = axis->bottom * pow(10, step * (double)(axis->count + 1));

            if (at > axis->top * 1.01)
                break;
            axis->lines[axis->count++] = at;
        }
    } else {
        axis->top = high > 0 ? nice(fmin(high, 1e15)) : 1;
        axis->lines[axis->count++] = axis->top;
        axis->lines[axis->count++] = axis->top / 2;
    }
}

static double percent_down(const struct axis *axis, bool log, double value)
{
    const double share = log ? log10(value / axis->bottom) / log10(axis->top / axis->bottom)
                             : (value - axis->bottom) / (axis->top - axis->bottom);

    return HEAD + (100 - HEAD) * (1 - fmin(fmax(share, 0), 1));
}

static void write_grid(struct html *html, const struct chart *chart, const struct axis *axis)
{
    html_raw(html, "<g class=\"grid\" aria-hidden=\"true\">");
    for (size_t i = 0; i < axis->count; i++) {
        const double y = percent_down(axis, chart->log, axis->lines[i]);

        html_format(html,
                    "<line x1=\"0\" x2=\"100%%\" y1=\"%.4g%%\" y2=\"%.4g%%\"/>"
                    "<text x=\"2\" y=\"%.4g%%\" dy=\"-3\">%s</text> ",
                    y, y, y, figure_of(axis->lines[i], chart->unit).text);
    }
    html_raw(html, "</g>");
    if (chart->objective > 0 && chart->objective < axis->top && chart->objective > axis->bottom) {
        const double y = percent_down(axis, chart->log, chart->objective);

        html_format(html,
                    "<g class=\"objective\" aria-hidden=\"true\">"
                    "<line x1=\"0\" x2=\"100%%\" y1=\"%.4g%%\" y2=\"%.4g%%\"/>"
                    "<text x=\"100%%\" dx=\"-2\" y=\"%.4g%%\" dy=\"-3\" "
                    "text-anchor=\"end\">objective %s</text></g>",
                    y, y, y, figure_of(chart->objective, chart->unit).text);
    }
}

static void write_title(struct html *html, const struct chart *chart)
{
    html_format(html, "<title>%s over %u minutes", chart->title, chart->range_s / 60);
    for (size_t i = 0; i < chart->count; i++) {
        const struct chart_extent extent = chart_extent(chart->series[i].line);

        html_format(html, "%s %s ", i == 0 ? ":" : ";", chart->series[i].name);
        if (isnan(extent.last))
            html_raw(html, "not known");
        else
            html_format(html, "%s now, between %s and %s", figure_of(extent.last, chart->unit).text,
                        figure_of(extent.low, chart->unit).text,
                        figure_of(extent.high, chart->unit).text);
    }
    html_raw(html, "</title>");
}

/* The highest of each stretch: what a reader looks for. */
static double stretch_high(const struct overview_line *line, size_t from)
{
    double high = NAN;

    for (size_t i = from; i < from + OVERVIEW_POINTS / TABLE_ROWS; i++)
        high = fmax(high, (double)line->points[i]);
    return high;
}

static void write_table(struct html *html, const struct chart *chart)
{
    html_format(
        html,
        "<details id=\"%s\"><summary>As a table</summary><table><caption>%s, the highest of "
        "each %s</caption><thead><tr><th scope=\"col\">Until</th>",
        chart->id, chart->title, figure_seconds((double)chart->range_s / TABLE_ROWS).text);
    for (size_t i = 0; i < chart->count; i++)
        html_format(html, "<th scope=\"col\">%s</th>", chart->series[i].name);
    html_raw(html, "</tr></thead><tbody>");
    for (size_t row = TABLE_ROWS; row-- > 0;) {
        const double ago = (double)(TABLE_ROWS - 1 - row) * chart->range_s / TABLE_ROWS;

        html_format(html, "<tr><th scope=\"row\">%s%s</th>",
                    ago > 0 ? figure_seconds(ago).text : "now", ago > 0 ? " ago" : "");
        for (size_t i = 0; i < chart->count; i++)
            html_format(
                html, "<td>%s</td>",
                figure_of(stretch_high(chart->series[i].line, row * (OVERVIEW_POINTS / TABLE_ROWS)),
                          chart->unit)
                    .text);
        html_raw(html, "</tr>");
    }
    html_raw(html, "</tbody></table></details>");
}

void chart_line(struct html *html, const struct chart *chart)
{
    struct axis axis;

    find_axis(&axis, chart);
    html_format(html, "<figure class=\"chart\"><figcaption><b>%s</b>", chart->title);
    for (size_t i = 0; i < chart->count; i++)
        html_format(html,
                    " <span class=\"key\"><svg class=\"%s\" aria-hidden=\"true\"><path "
                    "class=\"line\" d=\"M0 5h18\"/></svg>%s <b>%s</b></span>",
                    chart->series[i].look, chart->series[i].name,
                    figure_of(chart_extent(chart->series[i].line).last, chart->unit).text);
    html_raw(html, "</figcaption><svg class=\"plot\" role=\"img\">");
    write_title(html, chart);
    write_grid(html, chart, &axis);
    html_format(html,
                "<svg viewBox=\"0 0 %d %d\" y=\"%d%%\" height=\"%d%%\" "
                "preserveAspectRatio=\"none\">",
                OVERVIEW_POINTS - 1, HEIGHT, HEAD, 100 - HEAD);
    for (size_t i = 0; i < chart->count; i++) {
        html_format(html, "<g class=\"%s\">", chart->series[i].look);
        if (chart->series[i].area) {
            html_raw(html, "<path class=\"area\" d=\"");
            chart_path(html, chart->series[i].line, axis.bottom, axis.top, chart->log, HEIGHT,
                       true);
            html_raw(html, "\"/>");
        }
        html_raw(html, "<path class=\"line\" d=\"");
        chart_path(html, chart->series[i].line, axis.bottom, axis.top, chart->log, HEIGHT, false);
        html_raw(html, "\"/></g>");
    }
    html_format(html, "</svg></svg><p class=\"times\"><span>%u min ago</span> <span>now</span></p>",
                chart->range_s / 60);
    write_table(html, chart);
    html_raw(html, "</figure>");
}
