/*
 * The sections of page_overview_write, each a <section> with its id and heading. Pure.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_OVERVIEW_PARTS_H
#define METRICS_AGENT_PAGE_PAGE_OVERVIEW_PARTS_H

#include "metrics-agent/page/page_overview.h"

/* What a reader sees first: is it well, what to do if not, six figures. */
void page_overview_verdict(struct html *html, const struct overview *overview,
                           const struct verdict *verdict, const struct page_agent *agent);
void page_overview_tiles(struct html *html, const struct overview *overview,
                         const struct page_agent *agent);

void page_overview_rates(struct html *html, const struct overview *overview);
void page_overview_latency(struct html *html, const struct overview *overview);
void page_overview_errors(struct html *html, const struct overview *overview);
void page_overview_routes(struct html *html, const struct overview *overview);

void page_overview_programs(struct html *html, const struct overview *overview);
void page_overview_processes(struct html *html, const struct overview *overview);

void page_overview_pipeline(struct html *html, const struct overview *overview,
                            const struct page_agent *agent);
void page_overview_faults(struct html *html, const struct overview *overview);

/* A Unix time as <time>HH:MM:SS UTC</time>. */
void page_overview_time(struct html *html, uint64_t unix_ns);

#endif
