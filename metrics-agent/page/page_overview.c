#include "metrics-agent/page/page_overview.h"

#include "lib/base/clock.h"
#include "metrics-agent/page/page_assets.h"
#include "metrics-agent/page/page_overview_parts.h"

#include <string.h>

/* Where the same is looked at, but of another range. */
static void write_range_url(struct html *html, const struct page_query *query, unsigned minutes)
{
    html_format(html, "/?minutes=%u", minutes);
    if (query->list != PAGE_LIST_NONE)
        html_format(html, "&amp;by=%s", page_query_lists[query->list]);
    if (query->find[0] != '\0') {
        html_raw(html, "&amp;find=");
        html_query(html, query->find);
    }
    if (query->trace[0] != '\0') {
        html_raw(html, "&amp;trace=");
        html_query(html, query->trace);
    }
}

void page_overview_begin(struct html *html, const struct page_query *query)
{
    html_format(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<meta name=\"color-scheme\" content=\"light dark\">"
        "<title>MicroTrace</title>"
        "<link rel=\"icon\" href=\"data:image/svg+xml,%%3Csvg xmlns='http://www.w3.org/2000/"
        "svg' viewBox='0 0 16 16'%%3E%%3Crect width='16' height='16' rx='4' fill='%%23667'/"
        "%%3E%%3C/svg%%3E\">"
        "<link rel=\"stylesheet\" href=\"/page.css?v=%s\">"
        "<script src=\"/page.js?v=%s\" defer></script></head>\n"
        "<body><a class=\"skip\" href=\"#verdict\">Skip to the verdict</a>"
        "<header><p class=\"brand\"><a href=\"/\">MicroTrace</a></p>"
        "<nav aria-label=\"Range\"><ul class=\"ranges\">",
        page_assets_version, page_assets_version);
    for (int i = 0; i < PAGE_QUERY_RANGES; i++) {
        const unsigned minutes = page_query_ranges[i];

        html_raw(html, "<li><a href=\"");
        write_range_url(html, query, minutes);
        html_format(html, "\" data-minutes=\"%u\"%s>%u min</a></li>", minutes,
                    minutes == query->minutes ? " aria-current=\"true\"" : "", minutes);
    }
    html_raw(html, "</ul></nav><p class=\"controls\"><a href=\"#traces\">Traces</a></p>"
                   "<p id=\"said\" role=\"status\" aria-live=\"polite\"></p></header>\n<main>\n");
}

void page_overview_end(struct html *html, const struct page_agent *agent)
{
    html_raw(html, "\n</main>\n<footer><p>MicroTrace ");
    html_text(html, agent->version);
    html_raw(
        html,
        ". This page shows and changes nothing. <a href=\"/metrics\">/metrics</a> has the same "
        "figures for Prometheus. In a terminal: <code>microtrace top</code>, <code>microtrace "
        "view</code>, <code>microtrace doctor</code>, <code>microtrace metrics --json</code>. "
        "Runbooks: operations.md in share/doc/microtrace.</p></footer></body></html>\n");
}

void page_overview_write(struct html *html, const struct overview *overview,
                         const struct verdict *verdict, const struct page_agent *agent)
{
    page_overview_verdict(html, overview, verdict, agent);
    page_overview_tiles(html, overview, agent);
    page_overview_rates(html, overview);
    page_overview_latency(html, overview);
    page_overview_errors(html, overview);
    page_overview_routes(html, overview);
    page_overview_programs(html, overview);
    page_overview_processes(html, overview);
    page_overview_pipeline(html, overview, agent);
    page_overview_faults(html, overview);
}

void page_overview_time(struct html *html, uint64_t unix_ns)
{
    char text[CLOCK_ISO8601_SIZE];

    clock_iso8601(text, unix_ns);
    html_format(html, "<time datetime=\"%.19sZ\">%.8s UTC</time>", text,
                text + strlen("YYYY-MM-DDT"));
}
