/*
 * The section of traces. Its markup, for who styles it or reads it by a script:
 *
 *   section#traces > h2, ul.lists (the list that is shown: aria-current), form[role=search],
 *     then one of these:
 *   - p.answer: what was found, or why nothing was, in words; p.answer.nothing in the latter case;
 *   - div.scroll > table.traces: tr.failed; td.when, th.name > a, td.status, td.number, td.bars,
 *     td.message; span.aside for remarks;
 *   - h3 > a.permalink, p.summary, p.command > code, div.scroll > table.waterfall with the rows
 *       tr.span#span-ID (.failed): th.name.dN, N the depth from 0 to 16, holding span.depth (dots
 *         for text browsers), p.notice, p.message (an error's), details > summary, dl;
 *         td.status, td.number, td.bars
 *       tr.log, tr.event (.warning, .error): td.dN with span.level, span.logger, details
 *       tr.folded: td.dN
 *     and p.more for what is left out, p.aside.
 *   svg.bar holds one rect; beside "bar" it has the class failed, or s0 to s7 for the service.
 */
#include "metrics-agent/page/page_traces.h"

#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/request_id.h"
#include "metrics-agent/page/page_list.h"
#include "metrics-agent/page/page_search.h"
#include "metrics-agent/page/page_waterfall.h"
#include "view/view_list.h"
#include "view/view_text.h"
#include "view/view_trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    LOOKS_MAX = 3, /* while files are moved under our eyes */
    OK = 200,
    BAD = 400,
    NOTHING = 404,
    UNREADABLE = 503,
};

#define TRACE_MEMORY_MAX ((size_t)5 << 20) /* of a trace that is shown */
#define FULL_MEMORY      ((size_t)3 << 20) /* up to here spans have their attributes */

struct looking {
    struct html *html;
    const struct page_query *query;
    const char *dir;
    struct view_spool *spool;
};

/* Both are large, and only one thread looks. */
static struct view_list list;
static struct view_trace trace;

/* --- Words --- */

static void write_answer(struct html *html, const char *text)
{
    html_raw(html, "<p class=\"answer\">");
    html_text(html, text);
    html_raw(html, "</p>");
}

/* What could not be read, if anything. */
static void write_error(const struct looking *l)
{
    if (l->spool->error == 0)
        return;
    html_raw(l->html, "<p class=\"answer\">Not read: ");
    html_text(l->html, l->dir);
    html_raw(l->html, "/");
    html_text(l->html, l->spool->error_file);
    html_raw(l->html, ": ");
    html_text(l->html, instance_file_error(l->spool->error));
    html_raw(l->html, "</p>");
}

/* `what` and `id`: "nothing of the trace ", ID. */
static unsigned write_nothing(const struct looking *l, const char *what, const char *id)
{
    char text[VIEW_TEXT_LOOKED_MAX];

    html_raw(l->html, "<p class=\"answer nothing\">");
    html_raw(l->html, what);
    html_text(l->html, id);
    view_text_looked(text, l->spool, l->dir);
    html_text(l->html, text);
    html_raw(l->html, ". What was delivered is kept as long as MICROTRACE_SPOOL_KEEP_BYTES has "
                      "room for it.</p>");
    write_error(l);
    return NOTHING;
}

/* --- One trace --- */

static void add_record(void *context, size_t i, enum spool_signal signal,
                       const struct record_parts *parts, bool foreign)
{
    (void)context;
    (void)i;
    if (signal == SPOOL_TRACES)
        view_trace_add_span(&trace, parts);
    else
        view_trace_add_log(&trace, parts, foreign);
}

/* Returns 0 if nothing was found, and nothing is written then. */
static unsigned show_trace(const struct looking *l, const char *id)
{
    struct arena arena = {.max = TRACE_MEMORY_MAX};
    struct trace_ids ids = {.count = 0};
    unsigned status = 0;

    if (trace_ids_add(&ids, text_of(id)) < 0)
        return 0;
    view_trace_init(&trace, &arena, ids.ids[0]);
    trace.pairs_memory = FULL_MEMORY;
    view_find_records(l->spool, &ids, add_record, NULL);
    if (trace.span_count + trace.note_count > 0) {
        view_trace_build(&trace);
        page_waterfall_write(l->html, &trace);
        write_error(l);
        status = OK;
    }
    view_trace_free(&trace);
    arena_free(&arena);
    return status;
}

/* --- Lists --- */

static unsigned write_list(const struct looking *l, const char *caption, const char *option)
{
    page_list_write(l->html, caption, &list);
    if (list.count == PAGE_LIST_MAX && option != NULL)
        html_format(l->html,
                    "<p class=\"more\">There may be more: <code>microtrace view %s %d</code> "
                    "shows as many in a terminal.</p>",
                    option, VIEW_FIND_MAX);
    else if (list.count == PAGE_LIST_MAX)
        html_format(l->html, "<p class=\"more\">There may be more; these are the first %d.</p>",
                    PAGE_LIST_MAX);
    write_error(l);
    return OK;
}

static unsigned show_list(const struct looking *l, const struct view_match *match)
{
    static const struct {
        enum view_find_by by;
        const char *caption, *nothing, *option;
    } lists[] = {
        [PAGE_LIST_NONE] = {VIEW_FIND_LATEST, "Traces that fit, the latest first", "", NULL},
        [PAGE_LIST_LATEST] = {VIEW_FIND_LATEST, "The latest traces", "No span", "--last"},
        [PAGE_LIST_SLOWEST] = {VIEW_FIND_SLOWEST, "The slowest traces", "No span", "--slowest"},
        [PAGE_LIST_ERRORS] = {VIEW_FIND_ERRORS, "The latest traces with a span that failed",
                              "No span that failed", "--errors --last"},
    };
    const enum page_list which = l->query->list;
    const uint64_t now_ns = clock_unix_ns();
    const bool any = match == NULL || match->word[0] == '\0';
    const struct view_find_query query = {
        .by = lists[which].by,
        .count = PAGE_LIST_MAX,
        .match = any ? NULL : match,
        .since_ns = match != NULL && match->within_ns > 0 && match->within_ns < now_ns
                        ? now_ns - match->within_ns
                        : 0,
    };

    view_list(l->spool, &query, &list);
    /* Of one thing that was looked for nobody needs a list. */
    if (list.count == 1 && which == PAGE_LIST_NONE)
        return show_trace(l, list.rows[0].trace);
    if (list.count > 0)
        return write_list(l, lists[which].caption, match == NULL ? lists[which].option : NULL);
    if (match != NULL)
        return 0;
    return write_nothing(l, lists[which].nothing, "");
}

/* --- What somebody looks for --- */

static unsigned show_request(const struct looking *l, const char *id, bool logs_alone)
{
    const struct view_find_query query = {
        .by = VIEW_FIND_REQUEST, .id = id, .count = PAGE_LIST_MAX, .logs_alone = logs_alone};

    view_list(l->spool, &query, &list);
    if (list.count == 0)
        return 0;
    if (list.count == 1)
        return show_trace(l, list.rows[0].trace);
    return write_list(l, "Traces of the request, the latest first", NULL);
}

/* An id of 32 digits may also be a request's: nginx makes such. */
static unsigned show_found(const struct looking *l)
{
    struct trace_ids ids = {.count = 0};
    struct view_match match;
    unsigned status = 0;
    bool is_id;

    view_match_parse(&match, l->query->find);
    is_id = match.within_ns == 0 && trace_ids_add(&ids, text_of(match.word)) >= 0;
    if (is_id)
        status = show_trace(l, match.word);
    else
        status = show_list(l, &match);
    if (status == 0 && match.within_ns == 0 && match.status == 0 && !match.failed &&
        request_id_is_valid(match.word))
        status = show_request(l, match.word, !is_id);
    return status != 0 ? status : write_nothing(l, "Nothing that fits: ", l->query->find);
}

static unsigned show(const struct looking *l)
{
    struct trace_ids ids = {.count = 0};
    unsigned status;

    if (l->query->trace[0] != '\0') {
        if (trace_ids_add(&ids, text_of(l->query->trace)) < 0) {
            write_answer(l->html, "That is no trace id: it has 32 hexadecimal digits, not all of "
                                  "them 0.");
            return BAD;
        }
        status = show_trace(l, l->query->trace);
        return status != 0 ? status : write_nothing(l, "Nothing of the trace ", l->query->trace);
    }
    if (l->query->find[strspn(l->query->find, " \t")] != '\0')
        return show_found(l);
    return show_list(l, NULL);
}

/* --- The section --- */

static unsigned write_unreadable(struct html *html, const char *dir, int error)
{
    html_raw(html, "<p class=\"answer nothing\">The spool can't be read: ");
    html_text(html, dir);
    html_raw(html, ": ");
    html_text(html, strerror(error));
    html_raw(html, ". <code>microtrace doctor</code> says what to do.</p>");
    return UNREADABLE;
}

unsigned page_traces_write(struct html *html, const struct page_query *query, const char *run_dir,
                           const char *spool_dir)
{
    struct view_spool spool;
    const struct looking l = {.html = html, .query = query, .dir = spool_dir, .spool = &spool};
    size_t begin;
    unsigned status;

    html_raw(html, "<section id=\"traces\">");
    page_search_write(html, query);
    begin = html->len;
    for (int i = 1;; i++) {
        const bool last = i == LOOKS_MAX;
        bool again;

        if (view_spool_open(&spool, spool_dir, run_dir) != 0) {
            status = write_unreadable(html, spool_dir, errno);
            break;
        }
        status = show(&l);
        again = spool.vanished && !last;
        view_spool_close(&spool);
        if (!again)
            break;
        html_cut(html, begin);
    }
    html_raw(html, "</section>");
    return status;
}
