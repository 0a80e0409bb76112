/*
 * A few traces of a spool with what a list says of each. Memory is fixed.
 */
#ifndef VIEW_VIEW_LIST_H
#define VIEW_VIEW_LIST_H

#include "view/view_find.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VIEW_LIST_NAME_MAX = 160,      /* bytes of a name or a message, with the NUL */
    VIEW_LIST_TELLS_APART = 12288, /* spans of all traces of a list, of which copies are left out */
};

struct view_list_row {
    char trace[IDS_TRACE_HEX + 1];
    /* Of the root span, or where that is not here of the earliest; texts are safe to show. */
    bool rootless;
    char name[VIEW_LIST_NAME_MAX], service[VIEW_LIST_NAME_MAX];
    unsigned http_status; /* 0 for none */
    enum view_status status;
    uint64_t start_ns;
    uint64_t duration_ns; /* of its longest span */
    size_t spans, failed;
    char error[VIEW_LIST_NAME_MAX]; /* what the earliest span that failed says; "" for nothing */
    uint64_t error_ns;              /* when it began */
};

struct view_list {
    struct view_list_row rows[VIEW_FIND_MAX];
    size_t count;
    bool copies; /* spans were counted that may be copies of others */
    /* Inside. */
    uint64_t seen[2 * VIEW_LIST_TELLS_APART];
    size_t seen_count;
};

/* What view_find says, in its order but the latest first. */
void view_list(struct view_spool *spool, const struct view_find_query *query,
               struct view_list *list);

#endif
