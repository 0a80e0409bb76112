#include "metrics-agent/page/page.h"

#include "lib/base/clock.h"
#include "metrics-agent/page/html.h"
#include "metrics-agent/page/page_overview.h"
#include "metrics-agent/page/page_search.h"
#include "metrics-agent/page/page_traces.h"
#include "view/history.h"
#include "view/overview.h"
#include "view/verdict.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERDICT_RANGE_S = 300 };

struct page {
    struct looker *looker;
    struct history *history;
    uint64_t started_ns; /* Unix time */
    uint64_t due_ns;
    uint64_t sequence; /* of the last sample */
    struct agent_status status;
    char agent[PAGE_PROBLEM_MAX];
    struct overview overview; /* of the sample and over the range that were asked for last */
    struct verdict verdict;   /* of the last 5 minutes, whichever range is shown */
};

struct page *page_open(const char *run_dir, const char *spool_dir)
{
    const struct looker_settings looker = {
        .write = page_traces_write, .run_dir = run_dir, .spool_dir = spool_dir};
    struct page *const page = calloc(1, sizeof(*page));

    if (page == NULL)
        return NULL;
    page->started_ns = clock_unix_ns();
    page->due_ns = clock_monotonic_ns() + clock_ms_to_ns(PAGE_FIRST_MS);
    page->looker = looker_open(&looker);
    page->history = history_new();
    if (page->looker != NULL && page->history != NULL)
        return page;
    page_close(page);
    return NULL;
}

void page_close(struct page *page)
{
    if (page == NULL)
        return;
    looker_close(page->looker);
    history_free(page->history);
    free(page);
}

struct looker *page_looker(struct page *page)
{
    return page->looker;
}

uint64_t page_sample_due(const struct page *page)
{
    return page->due_ns;
}

void page_sample(struct page *page, const struct metrics_reader *reader,
                 const struct agent_status *status, const char *agent, uint64_t now_ns)
{
    page->due_ns = now_ns + clock_ms_to_ns(PAGE_SAMPLE_MS);
    page->status = *status;
    (void)snprintf(page->agent, sizeof(page->agent), "%s", agent);
    history_sample(page->history, reader, now_ns, clock_unix_ns());
    page->sequence++;
}

uint64_t page_sequence(const struct page *page)
{
    return page->sequence;
}

static void look(struct page *page, const struct page_query *query)
{
    history_overview(page->history, VERDICT_RANGE_S, &page->overview);
    verdict_make(&page->verdict, &page->overview, &page->status, page->agent);
    if (query->minutes * 60 != VERDICT_RANGE_S)
        history_overview(page->history, query->minutes * 60, &page->overview);
}

static struct page_agent about_agent(const struct page *page)
{
    struct page_agent agent = {.version = MICROTRACE_VERSION, .started_ns = page->started_ns};

    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const struct agent_status_signal *const signal = &page->status.signals[i];

        agent.results[i] = signal->endpoint[0] != '\0' ? signal->reason : signal->nowhere;
        agent.endpoints[i] = signal->endpoint;
    }
    return agent;
}

static char *finish(struct html *html, size_t *len)
{
    *len = html->len;
    if (!html->full && html->text != NULL)
        return html->text;
    html_free(html);
    return NULL;
}

char *page_document(struct page *page, const struct page_query *query, const char *section,
                    size_t *len)
{
    const struct page_agent agent = about_agent(page);
    struct html html = {.max = PAGE_HTML_MAX};

    look(page, query);
    page_overview_begin(&html, query);
    page_overview_write(&html, &page->overview, &page->verdict, &agent);
    if (section != NULL)
        html_raw(&html, section);
    else
        page_search_section(&html, query, NULL);
    page_overview_end(&html, &agent);
    return finish(&html, len);
}

char *page_main(struct page *page, const struct page_query *query, size_t *len)
{
    const struct page_agent agent = about_agent(page);
    struct html html = {.max = PAGE_HTML_MAX};

    look(page, query);
    page_overview_write(&html, &page->overview, &page->verdict, &agent);
    return finish(&html, len);
}

char *page_no_traces(const struct page_query *query, const char *why, size_t *len)
{
    struct html html = {.max = PAGE_HTML_MAX};

    page_search_section(&html, query, why);
    return finish(&html, len);
}
