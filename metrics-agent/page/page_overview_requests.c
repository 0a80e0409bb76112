#include "metrics-agent/page/chart.h"
#include "metrics-agent/page/page_overview_parts.h"

#include "lib/families.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* 99 % of the answers: dashboards/rules/recording.yml. */
static const double objective_s = 0.1;

/* How the answers of the range divide, as a bar; the words beside it say the same. */
static void write_shares(struct html *html, const struct overview *overview)
{
    const struct {
        const char *name, *look;
        double count;
    } kinds[] = {
        {"2xx, 3xx", "good",
         fmax(0, overview->requests - overview->client_errors - overview->server_errors)},
        {"4xx", "client", overview->client_errors},
        {"5xx", "error", overview->server_errors},
    };
    double from = 0;

    html_raw(html, "<svg class=\"bar\" aria-hidden=\"true\">");
    for (size_t i = 0; i < COUNT(kinds) && overview->requests > 0; i++) {
        const double width = 100 * fmin(1, kinds[i].count / overview->requests);

        if (width > 0)
            html_format(html, "<rect class=\"%s\" x=\"%.4g%%\" width=\"%.4g%%\" height=\"100%%\"/>",
                        kinds[i].look, from, width);
        from += width;
    }
    html_raw(html, "</svg><dl class=\"inline\">");
    for (size_t i = 0; i < COUNT(kinds); i++)
        html_format(html,
                    "<div><dt><svg class=\"dot\" aria-hidden=\"true\"><rect class=\"%s\" "
                    "width=\"100%%\" height=\"100%%\"/></svg>%s</dt><dd><b>%s</b></dd></div>",
                    kinds[i].look, kinds[i].name, figure_count(kinds[i].count).text);
    html_format(html, "<div><dt>Client gone before the answer</dt><dd><b>%s</b></dd></div></dl>",
                figure_count(overview->abandoned).text);
}

void page_overview_rates(struct html *html, const struct overview *overview)
{
    struct overview_line failures;

    for (size_t i = 0; i < OVERVIEW_POINTS; i++)
        failures.points[i] = overview->rates.points[i] * overview->server_error_shares.points[i];
    /* A share of no requests is not known; that none of them failed is. */
    for (size_t i = 0; i < OVERVIEW_POINTS; i++) {
        if (overview->rates.points[i] <= 0)
            failures.points[i] = 0;
    }
    const struct chart_series series[] = {
        {.name = "all", .look = "good", .line = &overview->rates, .area = true},
        {.name = "5xx", .look = "error", .line = &failures, .area = true},
    };
    const struct chart chart = {.id = "rates-table",
                                .title = "Requests a second",
                                .unit = FIGURE_COUNT,
                                .range_s = overview->range_s,
                                .series = series,
                                .count = COUNT(series)};

    html_raw(html, "<section id=\"rates\"><h2>Requests</h2>");
    chart_line(html, &chart);
    html_raw(html, "</section>\n");
}

void page_overview_latency(struct html *html, const struct overview *overview)
{
    const struct chart_series series[] = {
        {.name = "p99", .look = "p99", .line = &overview->p99s},
        {.name = "p95", .look = "p95", .line = &overview->p95s},
        {.name = "p50", .look = "p50", .line = &overview->p50s},
        {.name = "queue p95", .look = "queue", .line = &overview->queue_p95s},
    };
    const struct chart chart = {.id = "latency-table",
                                .title = "Quantiles",
                                .unit = FIGURE_SECONDS,
                                .range_s = overview->range_s,
                                .series = series,
                                .count = COUNT(series),
                                .log = true,
                                .objective = objective_s};

    html_raw(html, "<section id=\"latency\"><h2>Latency</h2><div class=\"pair\">");
    chart_line(html, &chart);
    chart_heat(html, overview);
    html_raw(html, "</div></section>\n");
}

void page_overview_errors(struct html *html, const struct overview *overview)
{
    html_format(html, "<section id=\"errors\"><h2>Answers in %u minutes</h2>",
                overview->range_s / 60);
    write_shares(html, overview);
    if (overview->error_count == 0) {
        html_raw(html, "<p class=\"none\">No errors.</p></section>\n");
        return;
    }
    html_raw(html, "<table><thead><tr><th scope=\"col\">Error</th><th scope=\"col\">Count</th>"
                   "<th scope=\"col\">Rate</th></tr></thead><tbody>");
    for (size_t i = 0; i < overview->error_count && i < OVERVIEW_ERRORS_MAX; i++) {
        const struct overview_error *error = &overview->errors[i];

        html_raw(html, "<tr><th scope=\"row\">");
        html_text(html, error->kind);
        html_format(html, "</th><td>%s</td><td>", figure_count(error->count).text);
        chart_spark(html, &error->rates, "Errors a second", FIGURE_COUNT, "idle");
        html_raw(html, "</td></tr>");
    }
    html_raw(html, "</tbody></table></section>\n");
}

/* A cell with what it is sorted by; -1 for what is not known. */
static void cell_begin(struct html *html, const char *label, double value, bool bad)
{
    html_format(html, "<td data-label=\"%s\" data-value=\"%.9g\"%s>", label,
                isnan(value)   ? -1
                : isinf(value) ? 1e12
                               : value,
                bad ? " class=\"bad\"" : "");
}

static void write_share_cell(struct html *html, const char *label, double part, double all,
                             bool bad)
{
    cell_begin(html, label, all > 0 ? part / all : 0, bad && part > 0);
    html_format(html, "%s</td>", all > 0 ? figure_share(part / all).text : "\u2013");
}

/* The highest bucket has no upper bound. */
static void write_latency_cell(struct html *html, const char *label, double seconds, bool bound)
{
    cell_begin(html, label, seconds, false);
    if (isinf(seconds))
        html_format(html, "&gt; %s</td>",
                    figure_seconds(families_latency_bounds[FAMILIES_LATENCY_BOUNDS - 1]).text);
    else
        html_format(html, "%s%s</td>", bound && seconds > 0 ? "\u2264 " : "",
                    figure_seconds(seconds).text);
}

void page_overview_routes(struct html *html, const struct overview *overview)
{
    html_raw(html, "<section id=\"routes\"><h2>Routes</h2>");
    if (overview->route_count == 0) {
        html_format(html,
                    "<p class=\"none\">No request in the last %u minutes. One that is made now "
                    "stands here within 5 seconds.</p></section>\n",
                    overview->range_s / 60);
        return;
    }
    html_raw(html,
             "<table class=\"sortable\"><thead><tr><th scope=\"col\" data-sort=\"text\">Route</th>"
             "<th scope=\"col\" data-sort=\"number\" aria-sort=\"descending\">Rate</th>"
             "<th scope=\"col\" data-sort=\"number\">4xx</th>"
             "<th scope=\"col\" data-sort=\"number\">5xx</th>"
             "<th scope=\"col\" data-sort=\"number\">p95</th>"
             "<th scope=\"col\" data-sort=\"number\">Slowest</th></tr></thead><tbody>");
    for (size_t i = 0; i < overview->route_count && i < OVERVIEW_ROUTES_MAX; i++) {
        const struct overview_route *route = &overview->routes[i];

        html_raw(html, "<tr data-key=\"");
        html_text(html, route->method);
        html_raw(html, " ");
        html_text(html, route->path);
        html_format(
            html, "\"><th scope=\"row\"><a href=\"/?minutes=%u&amp;find=", overview->range_s / 60);
        html_query(html, route->path);
        html_raw(html, "\">");
        html_text(html, route->method);
        html_raw(html, " ");
        html_text(html, route->path);
        html_raw(html, "</a></th>");
        cell_begin(html, "Rate", route->rate, false);
        chart_spark(html, &route->rates, "Requests a second", FIGURE_COUNT, "good");
        html_format(html, " %s/s</td>", figure_count(route->rate).text);
        write_share_cell(html, "4xx", route->client_errors, route->rate, false);
        write_share_cell(html, "5xx", route->server_errors, route->rate, true);
        write_latency_cell(html, "p95", route->p95_s, false);
        write_latency_cell(html, "Slowest", route->slowest_s, true);
        html_raw(html, "</tr>");
    }
    html_raw(html, "</tbody></table></section>\n");
}
