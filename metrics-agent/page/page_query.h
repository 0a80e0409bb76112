/*
 * A request to the page, and its answer.
 *
 *   /                         the document: verdict, figures, the way to the traces
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

enum page_list { PAGE_LIST_NONE, PAGE_LIST_LATEST, PAGE_LIST_SLOWEST, PAGE_LIST_ERRORS };

struct page_query {
    unsigned minutes; /* 5, 15 or 60 */
    enum page_list list;
    char find[PAGE_FIND_MAX];  /* "" for nothing */
    char trace[PAGE_FIND_MAX]; /* "" for none */
    bool part;                 /* the section of the traces alone */
    uint64_t after;            /* /live */
};

struct page_answer {
    unsigned status;
    const char *type; /* static */
    char *body;       /* malloc'd; becomes the server's */
    size_t length;
};

#endif
