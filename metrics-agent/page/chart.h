/*
 * Charts as SVG: few bytes, no script, no style of their own (page.css has it). Each is an image to
 * a screen reader, with a <title> that says its figures, and has a table behind <details>. All
 * texts are our own words. Pure.
 */
#ifndef METRICS_AGENT_PAGE_CHART_H
#define METRICS_AGENT_PAGE_CHART_H

#include "metrics-agent/page/html.h"
#include "view/figure.h"
#include "view/overview.h"

#include <stdbool.h>
#include <stddef.h>

struct chart_series {
    const char *name; /* "p95" */
    const char *look; /* its class in page.css */
    const struct overview_line *line;
    bool area; /* filled below */
};

struct chart {
    const char *id;    /* of the <details> */
    const char *title; /* "Requests a second" */
    enum figure_unit unit;
    unsigned range_s;
    const struct chart_series *series;
    size_t count;
    bool log;         /* a logarithmic axis; what is not above 0 has no place on it */
    double objective; /* a line across; 0 for none */
};

/* A <figure>: lines with gaps where a point is NAN, a legend with the last values, the table. */
void chart_line(struct html *html, const struct chart *chart);

/* A <figure>: time across, latency buckets upwards, the more requests the stronger. */
void chart_heat(struct html *html, const struct overview *overview);

/* A line without axes, to stand beside a figure. `of` is what it says in its title: "busy workers".
 */
void chart_spark(struct html *html, const struct overview_line *line, const char *of,
                 enum figure_unit unit, const char *look);

/*
 * The path of a line in a box of OVERVIEW_POINTS - 1 by `height`, for an attribute `d`; values from
 * `bottom` to `top`, what lies beyond is drawn at the edge. A point alone becomes a dash.
 */
void chart_path(struct html *html, const struct overview_line *line, double bottom, double top,
                bool log, double height, bool area);

/* The lowest, the highest and the last value that is known; all NAN if none is. */
struct chart_extent {
    double low, high, last;
};
struct chart_extent chart_extent(const struct overview_line *line);

#endif
