/*
 * One trace as a tree: its spans below their parents, log records and events below the span that
 * they belong to, all in the order of time. For the terminal and for the agent's page.
 */
#ifndef VIEW_VIEW_TRACE_H
#define VIEW_VIEW_TRACE_H

#include "view/arena.h"
#include "view/view_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VIEW_TRACE_SPANS_MAX = 20000,
    VIEW_TRACE_NOTES_MAX = 20000, /* log records and events */
    VIEW_TRACE_NAME_MAX = 256,    /* bytes of a name */
    VIEW_TRACE_VALUE_MAX = 256,   /* of an attribute's value */
    VIEW_TRACE_TEXT_MAX = 1024,   /* of a message */
    VIEW_TRACE_PAIRS_MAX = 64,    /* attributes of a span, a log record or an event */
    VIEW_TRACE_ROOTS_MORE = 16,   /* root spans beyond the limits: they mostly come last */
};

/* A log record, or an event of a span. */
struct view_note {
    uint64_t time_ns;
    bool event;
    unsigned severity;  /* SeverityNumber of OTLP, 0 if it is not known */
    const char *level;  /* "INFO"; "" for an event, or if it is not known */
    const char *logger; /* the scope's name; "" for an event */
    const char *text;   /* the message, or the event's name */
    const struct view_pair *pairs;
    size_t pair_count, pairs_all;
    /* After view_trace_build: */
    int64_t offset_ns; /* after the start of the trace */
    struct view_note *next;
    /* Inside. */
    const struct view_span *owner; /* of an event */
    char span[IDS_SPAN_HEX];
    uint32_t hash, order;
    bool matched;
};

struct view_span {
    char id[IDS_SPAN_HEX + 1], parent_id[IDS_SPAN_HEX + 1]; /* "" for a root's */
    const char *name, *service, *host, *message;            /* "" where there is none */
    uint64_t start_ns, end_ns;
    unsigned kind;
    enum view_status status;
    const struct view_pair *pairs;
    size_t pair_count, pairs_all;
    /* After view_trace_build: */
    struct view_span *parent, *next; /* the parent, NULL for a root's; the next sibling */
    struct view_span *children;      /* in the order of their starts */
    struct view_note *notes;         /* in the order of their times */
    uint32_t depth;                  /* 0 for a root's */
    bool orphan;                     /* it names a parent that is not here */
    int64_t shift_ns;  /* by which it is moved, with all below it: another machine's clock */
    int64_t offset_ns; /* after the start of the trace, moved */
    uint64_t duration_ns;
    size_t below; /* spans below it */
    /* Of siblings that are alike: */
    bool folded;         /* it is not shown, nor is what is below it */
    uint32_t fold_count; /* so many like it are not shown, if they are told of behind this one */
    size_t fold_below;   /* and so many spans below those */
    uint64_t fold_least_ns, fold_most_ns, fold_sum_ns;
    /* Of the walk (view/view_walk.h). */
    struct view_span *walk_child;
    struct view_note *walk_note;
    /* Inside. */
    uint8_t state;
    bool copy;
};

struct view_trace {
    char id[IDS_TRACE_HEX + 1];
    struct arena *arena; /* the caller's */
    /* Set after view_trace_init: what the arena may have given before attributes are only counted;
     * 0 for no limit. */
    size_t pairs_memory;
    struct view_span **spans;
    size_t span_count, span_room;
    struct view_note **all_notes;
    size_t note_count, note_room;
    uint64_t spans_left_out, notes_left_out; /* beyond a limit */
    uint64_t duplicates;                     /* spans that were there */
    unsigned roots_more;                     /* that made the arena's limit move */
    /* After view_trace_build: */
    struct view_span *roots;
    struct view_note *notes; /* of no span that is here */
    uint64_t start_ns;       /* of the earliest span that has a time, else note; Unix time */
    uint64_t duration_ns;
    size_t errors;           /* spans of status error */
    const char *request;     /* "" if none was found */
    const char *services[8]; /* in the order of their first spans */
    size_t service_count;
    bool services_left_out; /* there are more */
};

/* Of the id, 32 digits. What it holds is the arena's, but for two lists: see view_trace_free. */
void view_trace_init(struct view_trace *trace, struct arena *arena, const char *id);

/* Takes a span; one with the id of another is left out. */
void view_trace_add_span(struct view_trace *trace, const struct record_parts *parts);

/*
 * Takes a log record. Each one of another program's file (`foreign`) stands for one that is equal
 * to it and was taken before, from where its line was copied to.
 */
void view_trace_add_log(struct view_trace *trace, const struct record_parts *parts, bool foreign);

/*
 * Makes the tree of what was added. A span whose parents are a circle is a root. Where a child of
 * another host lies outside its parent, its clock is another: it is moved into the parent, with
 * all below it. Of more than VIEW_TRACE_ALIKE siblings of one name and service the first ones, the
 * slowest and some that failed are shown, and the others folded.
 */
enum { VIEW_TRACE_ALIKE = 12 };
void view_trace_build(struct view_trace *trace);

void view_trace_free(struct view_trace *trace);

#endif
