/*
 * Pieces of markup that the sections about traces share. Pure.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_MARKUP_H
#define METRICS_AGENT_PAGE_PAGE_MARKUP_H

#include "metrics-agent/page/html.h"

#include <stdint.h>

/* Unix time as <time>2026-09-21 14:13:20.000Z</time>; "-" for 0. */
void page_markup_time(struct html *html, uint64_t unix_ns);

/* "1.52 ms", with the "µs" of UTF-8. */
void page_markup_duration(struct html *html, uint64_t ns);

/*
 * A bar over a range: an SVG of attributes alone, of the class "bar" and `class`, which is our own
 * word. It says nothing that the row's text does not say, and is hidden from screen readers.
 */
void page_markup_bar(struct html *html, const char *class, int64_t offset_ns, uint64_t duration_ns,
                     uint64_t range_ns);

/* Of a trace: the href of a link to it. */
void page_markup_trace_url(struct html *html, const char *id);

#endif
