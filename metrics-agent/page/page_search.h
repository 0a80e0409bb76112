/*
 * What stands on top of the section of traces: its heading, the ways to the lists, the form to
 * search. Pure.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_SEARCH_H
#define METRICS_AGENT_PAGE_PAGE_SEARCH_H

#include "metrics-agent/page/html.h"
#include "metrics-agent/page/page_query.h"

/* The list that the query asks for is marked, and what it looks for stands in the form. */
void page_search_write(struct html *html, const struct page_query *query);

/* The section without traces: none are asked for, or `why` (else NULL) says why there are none. */
void page_search_section(struct html *html, const struct page_query *query, const char *why);

#endif
