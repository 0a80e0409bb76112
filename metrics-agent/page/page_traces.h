/*
 * The page's section of traces: a list, what was found, or one trace as a waterfall. Reads the
 * spool, and so may take as long as a disk does: for the looker's thread alone.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_TRACES_H
#define METRICS_AGENT_PAGE_PAGE_TRACES_H

#include "metrics-agent/page/html.h"
#include "metrics-agent/page/page_query.h"

/*
 * Writes <section id="traces">...</section>. Returns the status to answer with: 200, 400 for a
 * query that can't be meant, 404 if nothing was found, 503 if the spool can't be read; the section
 * says in words what that means and what to do, in each case.
 */
unsigned page_traces_write(struct html *html, const struct page_query *query, const char *run_dir,
                           const char *spool_dir);

#endif
