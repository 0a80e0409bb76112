/*
 * A request to the page, and its answer.
 *
 *   /                         the document: verdict, figures, links to the traces
 *   /?minutes=5|15|60         the same over another range
 *   /?by=latest|slowest|errors[&find=TEXT]   with a list of traces
 *   /?find=TEXT               a trace id, a request id, or a part of a path or name, or a status
 *   /?trace=ID                with a trace as a waterfall
 *   /live?after=N&minutes=M   the document's <main> once a sample after number N is there, 10 s at
 *                             most; for the script
 *   ...&part=traces           the section of the traces alone, for the script
 *   /page.css, /page.js
 */
#ifndef METRICS_AGENT_PAGE_PAGE_QUERY_H
#define METRICS_AGENT_PAGE_PAGE_QUERY_H

#include "view/view_find.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PAGE_FIND_MAX = 256, /* bytes of what is looked for, with the NUL */
    PAGE_LIST_MAX = 50,  /* traces of a list */
};

enum page_list {
    PAGE_LIST_NONE,
    PAGE_LIST_LATEST,
    PAGE_LIST_SLOWEST,
    PAGE_LIST_ERRORS,
    PAGE_LISTS
};

enum { PAGE_QUERY_RANGES = 3 };

/* What `by` and `minutes` can be; "" for no list. */
extern const char *const page_query_lists[PAGE_LISTS];
extern const unsigned page_query_ranges[PAGE_QUERY_RANGES];

struct page_query {
    unsigned minutes; /* one of page_query_ranges */
    enum page_list list;
    char find[PAGE_FIND_MAX];  /* "" for nothing */
    char trace[PAGE_FIND_MAX]; /* "" for none */
    bool part;                 /* the section of the traces alone */
    uint64_t after;            /* /live */
};

enum { PAGE_QUERY_MAX = 2048 /* bytes of a query, still encoded */ };

/*
 * Reads what stands behind the "?" of a URL, without a fragment; "" for nothing, minutes are 5
 * then. Names it does not know are skipped; of one that comes twice the last counts. Returns 0, or
 * -1 with a static text in *why that says what is wrong with which name. Pure.
 */
int page_query_parse(struct page_query *query, const char *text, const char **why);

/* Whether the spool has to be asked. */
bool page_query_wants_traces(const struct page_query *query);

/* Whether both ask the spool for the same. */
bool page_query_same_traces(const struct page_query *a, const struct page_query *b);

/*
 * Whether a Host header, NULL for none, names this machine's page: an IP address, localhost or
 * `listen`'s own host, with any port. A name that somebody else's DNS leads here is not taken: a
 * page of theirs could read ours (DNS rebinding). Pure.
 */
bool page_query_host(const char *host, const char *listen);

#endif
