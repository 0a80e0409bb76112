/*
 * A list of traces as a table. Pure.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_LIST_H
#define METRICS_AGENT_PAGE_PAGE_LIST_H

#include "metrics-agent/page/html.h"
#include "view/view_list.h"

/* `caption` is our own words. */
void page_list_write(struct html *html, const char *caption, const struct view_list *list);

#endif
