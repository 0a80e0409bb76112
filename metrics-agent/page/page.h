/*
 * What the page's documents are made of, and their making: samples of the metrics file for an hour,
 * the agent's own state, the looker. For one thread, the scraper's. Of files it reads the metrics
 * file, by the caller's reader, and /proc, and so waits for no disk.
 */
#ifndef METRICS_AGENT_PAGE_PAGE_H
#define METRICS_AGENT_PAGE_PAGE_H

#include "lib/metrics/reader.h"
#include "lib/spool/agent_status.h"
#include "metrics-agent/page/looker.h"
#include "metrics-agent/page/page_query.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAGE_HTML_MAX = 4 << 20, /* bytes of a document */
    PAGE_SAMPLE_MS = 5000,   /* between two samples */
    PAGE_FIRST_MS = 250,     /* before the first, so that the agent has begun its work */
    PAGE_PROBLEM_MAX = 512,  /* bytes, with the NUL */
    PAGE_RETRY_S = 5         /* after which to come again if the looker is busy */
};

struct page;

/* Of an instance by its two directories, borrowed. NULL if memory runs out. */
struct page *page_open(const char *run_dir, const char *spool_dir);

/* NULL does nothing. */
void page_close(struct page *page);

struct looker *page_looker(struct page *page);

/* When the next sample is due (monotonic ns). */
uint64_t page_sample_due(const struct page *page);

/*
 * Takes a sample of the metrics file by `reader`, as history_sample wants it. `status` is what the
 * agent knows of its exports, `agent` what it says is wrong ("" for nothing).
 */
void page_sample(struct page *page, const struct metrics_reader *reader,
                 const struct agent_status *status, const char *agent, uint64_t now_ns);

/* The number of the last sample, 0 before the first. */
uint64_t page_sequence(const struct page *page);

/*
 * The document, with `section` of traces, or NULL for that without any. The HTML is the caller's to
 * free. Returns NULL if memory runs out or it would be longer than PAGE_HTML_MAX.
 */
char *page_document(struct page *page, const struct page_query *query, const char *section,
                    size_t *len);

/* The sections inside the document's <main>, without that of traces. The same. */
char *page_main(struct page *page, const struct page_query *query, size_t *len);

/* The section of traces without any, as page_search_section. The same. */
char *page_no_traces(const struct page_query *query, const char *why, size_t *len);

#endif
