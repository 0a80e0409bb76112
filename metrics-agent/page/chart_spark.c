#include "metrics-agent/page/chart.h"

#include <math.h>

enum { HEIGHT = 20 };

void chart_spark(struct html *html, const struct overview_line *line, const char *of,
                 enum figure_unit unit, const char *look)
{
    const struct chart_extent extent = chart_extent(line);

    html_format(html,
                "<svg class=\"spark %s\" role=\"img\" viewBox=\"0 -1 %d %d\" "
                "preserveAspectRatio=\"none\"><title>",
                look, OVERVIEW_POINTS - 1, HEIGHT + 2);
    if (isnan(extent.last))
        html_format(html, "%s: nothing is known yet", of);
    else
        html_format(html, "%s: %s now, between %s and %s", of, figure_of(extent.last, unit).text,
                    figure_of(extent.low, unit).text, figure_of(extent.high, unit).text);
    html_raw(html, "</title>");
    if (!isnan(extent.last)) {
        /* From zero, or a ripple would look like a wave. */
        const double bottom = fmin(extent.low, 0), top = extent.high > 0 ? extent.high : 1;

        html_raw(html, "<path class=\"area\" d=\"");
        chart_path(html, line, bottom, top, false, HEIGHT, true);
        html_raw(html, "\"/><path class=\"line\" d=\"");
        chart_path(html, line, bottom, top, false, HEIGHT, false);
        html_raw(html, "\"/>");
    }
    html_raw(html, "</svg>");
}
