/*
 * One trace as a table: a row for each span, and below it its log records, events and children in
 * the order of time. Pure.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_WATERFALL_H
#define METRICS_AGENT_PAGE_PAGE_WATERFALL_H

#include "metrics-agent/page/html.h"
#include "view/view_trace.h"

enum {
    PAGE_WATERFALL_ROWS_MAX = 2000, /* spans, log records and events */
    /* Bytes of the section from which on attributes are left out, and rows. */
    PAGE_WATERFALL_ATTRIBUTES_MAX = 3 << 19,
    PAGE_WATERFALL_BYTES_MAX = 2 << 20,
};

/*
 * Of a trace that was built. What is left out is counted, with the command that shows it. The html
 * has to have room for PAGE_WATERFALL_BYTES_MAX and 512 KiB more.
 */
void page_waterfall_write(struct html *html, struct view_trace *trace);

#endif
