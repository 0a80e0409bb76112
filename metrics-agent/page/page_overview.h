/*
 * The page's sections of figures, as HTML that needs no script. Pure.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_OVERVIEW_H
#define METRICS_AGENT_PAGE_PAGE_OVERVIEW_H

#include "metrics-agent/page/html.h"
#include "metrics-agent/page/page_query.h"
#include "view/overview.h"
#include "view/verdict.h"

/* About the agent itself. */
struct page_agent {
    const char *version;
    uint64_t started_ns;                /* Unix time */
    const char *results[SPOOL_SIGNALS]; /* what the endpoint answered last, in words; "" for none */
    const char *endpoints[SPOOL_SIGNALS]; /* by shown_url; "" if nothing is sent */
};

/* From <!doctype html> up to the opening <main>, and from </main> to the end. */
void page_overview_begin(struct html *html, const struct page_query *query);
void page_overview_end(struct html *html, const struct page_agent *agent);

/* The sections inside <main>, each with an id, but for that of the traces. */
void page_overview_write(struct html *html, const struct overview *overview,
                         const struct verdict *verdict, const struct page_agent *agent);

#endif
