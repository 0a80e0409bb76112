#include "view/view_trace.h"

#include "lib/base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_FIRST = 5,  /* of siblings that are alike */
    SHOWN_FAILED = 5, /* and so many of them that failed */
};

/* A list of pointers, which is NULL where there are none. */
static void sort(void *list, size_t count, int (*order)(const void *, const void *))
{
    if (count > 1)
        qsort(list, count, sizeof(void *), order);
}

/* --- Who is whose child --- */

static int by_id(const void *a, const void *b)
{
    const struct view_span *const one = *(struct view_span *const *)a;
    const struct view_span *const other = *(struct view_span *const *)b;

    return memcmp(one->id, other->id, sizeof(one->id));
}

/* An id that is none finds none. */
static struct view_span *find(const struct view_trace *trace, const char id[IDS_SPAN_HEX])
{
    struct view_span key = {.id = ""};
    const struct view_span *const wanted = &key;
    struct view_span **found;

    if (id[0] == '\0' || trace->span_count == 0)
        return NULL;
    memcpy(key.id, id, IDS_SPAN_HEX);
    found = bsearch(&wanted, trace->spans, trace->span_count, sizeof(struct view_span *), by_id);
    return found != NULL ? *found : NULL;
}

/* Those of copies. */
static void drop_events(struct view_trace *trace)
{
    size_t kept = 0;

    for (size_t i = 0; i < trace->note_count; i++) {
        struct view_note *const note = trace->all_notes[i];

        if (note->owner == NULL || !note->owner->copy)
            trace->all_notes[kept++] = note;
    }
    trace->note_count = kept;
}

/* Spans are delivered at least once, and stand in a program's own file and in a segment. */
static void drop_duplicates(struct view_trace *trace)
{
    size_t kept = 0;

    sort(trace->spans, trace->span_count, by_id);
    for (size_t i = 0; i < trace->span_count; i++) {
        struct view_span *const span = trace->spans[i];

        span->copy = kept > 0 && span->id[0] != '\0' && by_id(&trace->spans[kept - 1], &span) == 0;
        if (span->copy)
            trace->duplicates++;
        else
            trace->spans[kept++] = span;
    }
    trace->span_count = kept;
    drop_events(trace);
}

static void find_parents(struct view_trace *trace)
{
    for (size_t i = 0; i < trace->span_count; i++) {
        struct view_span *const span = trace->spans[i];

        span->parent = find(trace, span->parent_id);
        span->orphan = span->parent_id[0] != '\0' && span->parent == NULL;
    }
    /* Nobody is an own ancestor: a circle is opened where it is met. */
    for (size_t i = 0; i < trace->span_count; i++) {
        struct view_span *at = trace->spans[i], *circle;

        for (; at != NULL && at->state == 0; at = at->parent)
            at->state = 1;
        circle = at != NULL && at->state == 1 ? at : NULL;
        for (at = trace->spans[i]; at != NULL && at->state == 1; at = at->parent)
            at->state = 2;
        if (circle != NULL) {
            circle->parent = NULL;
            circle->orphan = true;
        }
    }
}

/* Times that nobody has stay times: sums are cut at both ends of [0, INT64_MAX]. */
static int64_t sum(int64_t a, int64_t b)
{
    int64_t result;

    if (__builtin_add_overflow(a, b, &result))
        return b > 0 ? INT64_MAX : 0;
    return result > 0 ? result : 0;
}

static int64_t moved_start(const struct view_span *span)
{
    return sum((int64_t)span->start_ns, span->shift_ns);
}

static int64_t moved_end(const struct view_span *span)
{
    return sum(moved_start(span), (int64_t)span->duration_ns);
}

static int by_start(const void *a, const void *b)
{
    const struct view_span *const one = *(struct view_span *const *)a;
    const struct view_span *const other = *(struct view_span *const *)b;

    if (moved_start(one) != moved_start(other))
        return moved_start(one) < moved_start(other) ? -1 : 1;
    return memcmp(one->id, other->id, sizeof(one->id));
}

static void link_children(struct view_trace *trace)
{
    trace->roots = NULL;
    for (size_t i = 0; i < trace->span_count; i++)
        trace->spans[i]->children = NULL;
    for (size_t i = trace->span_count; i-- > 0;) {
        struct view_span *const span = trace->spans[i];
        struct view_span **const list =
            span->parent != NULL ? &span->parent->children : &trace->roots;

        span->next = *list;
        *list = span;
    }
}

/* The next span of the walk that visits parents before their children. */
static struct view_span *next_span(struct view_span *span)
{
    if (span->children != NULL)
        return span->children;
    while (span != NULL && span->next == NULL)
        span = span->parent;
    return span != NULL ? span->next : NULL;
}

/* --- Clocks --- */

static bool same_host(const struct view_span *one, const struct view_span *other)
{
    if (one->host[0] != '\0' && other->host[0] != '\0')
        return strcmp(one->host, other->host) == 0;
    return strcmp(one->service, other->service) == 0;
}

static void learn_times(struct view_span *span)
{
    const struct view_span *const parent = span->parent;
    int64_t inside_ns = 0;

    if (span->start_ns == 0)
        span->start_ns = parent != NULL ? parent->start_ns : span->end_ns;
    span->duration_ns = span->end_ns > span->start_ns ? span->end_ns - span->start_ns : 0;
    span->depth = parent != NULL ? parent->depth + 1 : 0;
    span->shift_ns = parent != NULL ? parent->shift_ns : 0;
    if (parent == NULL || same_host(span, parent) || parent->start_ns == 0 ||
        (span->start_ns >= parent->start_ns &&
         span->start_ns <= parent->start_ns + parent->duration_ns))
        return;
    if (span->duration_ns < parent->duration_ns)
        inside_ns = (int64_t)((parent->duration_ns - span->duration_ns) / 2);
    span->shift_ns = sum(moved_start(parent), inside_ns) - (int64_t)span->start_ns;
}

/* --- What is shown of spans that are alike --- */

static int by_name(const void *a, const void *b)
{
    const struct view_span *const one = *(struct view_span *const *)a;
    const struct view_span *const other = *(struct view_span *const *)b;
    int order = strcmp(one->name, other->name);

    if (order == 0)
        order = strcmp(one->service, other->service);
    return order != 0 ? order : by_start(a, b);
}

static void fold(struct view_span **alike, size_t count)
{
    struct view_span *const told = alike[SHOWN_FIRST - 1];
    size_t slowest = 0, failed = 0;

    for (size_t i = 1; i < count; i++) {
        if (alike[i]->duration_ns > alike[slowest]->duration_ns)
            slowest = i;
    }
    told->fold_least_ns = UINT64_MAX;
    for (size_t i = SHOWN_FIRST; i < count; i++) {
        struct view_span *const span = alike[i];

        if (i == slowest || (span->status == VIEW_STATUS_ERROR && failed++ < SHOWN_FAILED))
            continue;
        span->folded = true;
        told->fold_count++;
        told->fold_below += span->below;
        told->fold_sum_ns += span->duration_ns;
        if (span->duration_ns < told->fold_least_ns)
            told->fold_least_ns = span->duration_ns;
        if (span->duration_ns > told->fold_most_ns)
            told->fold_most_ns = span->duration_ns;
    }
}

static void fold_siblings(struct view_span *first, struct view_span **siblings)
{
    size_t count = 0, begin = 0;

    for (struct view_span *at = first; at != NULL; at = at->next)
        siblings[count++] = at;
    if (count <= VIEW_TRACE_ALIKE)
        return;
    sort(siblings, count, by_name);
    for (size_t i = 1; i <= count; i++) {
        if (i < count && strcmp(siblings[i]->name, siblings[begin]->name) == 0 &&
            strcmp(siblings[i]->service, siblings[begin]->service) == 0)
            continue;
        if (i - begin > VIEW_TRACE_ALIKE)
            fold(siblings + begin, i - begin);
        begin = i;
    }
}

/* --- Log records and events --- */

static int by_time(const void *a, const void *b)
{
    const struct view_note *const one = *(struct view_note *const *)a;
    const struct view_note *const other = *(struct view_note *const *)b;

    if (one->time_ns != other->time_ns)
        return one->time_ns < other->time_ns ? -1 : 1;
    /* The same time to a millisecond: as they were written, which is how they were added. */
    return one->event != other->event ? (one->event ? -1 : 1) : one->order < other->order ? -1 : 1;
}

/* Needs the spans in the order of their ids. */
static void give_notes(struct view_trace *trace)
{
    for (size_t i = 0; i < trace->note_count; i++)
        trace->all_notes[i]->order = (uint32_t)i;
    sort(trace->all_notes, trace->note_count, by_time);
    for (size_t i = trace->note_count; i-- > 0;) {
        struct view_note *const note = trace->all_notes[i];
        struct view_span *const span = find(trace, note->span);
        struct view_note **const list = span != NULL ? &span->notes : &trace->notes;

        note->next = *list;
        *list = note;
    }
}

/* --- The whole --- */

static void learn_range(struct view_trace *trace)
{
    int64_t start = INT64_MAX, end = 0;

    for (size_t i = 0; i < trace->span_count; i++) {
        const struct view_span *const span = trace->spans[i];

        if (span->start_ns > 0 && moved_start(span) < start)
            start = moved_start(span);
        if (moved_end(span) > end)
            end = moved_end(span);
    }
    for (size_t i = 0; trace->span_count == 0 && i < trace->note_count; i++) {
        const int64_t time = (int64_t)trace->all_notes[i]->time_ns;

        start = time < start ? time : start;
        end = time > end ? time : end;
    }
    trace->start_ns = start == INT64_MAX ? 0 : (uint64_t)start;
    trace->duration_ns = end > start ? (uint64_t)(end - start) : 0;
}

static void learn_service(struct view_trace *trace, const char *service)
{
    const size_t room = sizeof(trace->services) / sizeof(trace->services[0]);

    for (size_t i = 0; i < trace->service_count; i++) {
        if (strcmp(trace->services[i], service) == 0)
            return;
    }
    if (trace->service_count < room)
        trace->services[trace->service_count++] = service;
    else
        trace->services_left_out = true;
}

/*
 * A log line's time is cut to milliseconds, so it may seem to come before its span. One without a
 * time is put at the span's start.
 */
static void set_offsets(const struct view_trace *trace, struct view_note *notes,
                        const struct view_span *span)
{
    for (; notes != NULL; notes = notes->next) {
        const int64_t moved = sum((int64_t)notes->time_ns, span != NULL ? span->shift_ns : 0);

        notes->offset_ns = moved - (int64_t)trace->start_ns;
        if (span != NULL &&
            (notes->time_ns == 0 || (notes->offset_ns < span->offset_ns &&
                                     span->offset_ns - notes->offset_ns < CLOCK_NS_PER_MS)))
            notes->offset_ns = span->offset_ns;
    }
}

void view_trace_build(struct view_trace *trace)
{
    struct view_span **const siblings = calloc(trace->span_count + 1, sizeof(struct view_span *));
    struct view_span *span;
    size_t count = 0;

    drop_duplicates(trace);
    find_parents(trace);
    give_notes(trace);
    link_children(trace);
    for (span = trace->roots; span != NULL; span = next_span(span))
        learn_times(span);
    sort(trace->spans, trace->span_count, by_start);
    link_children(trace);
    learn_range(trace);
    for (span = trace->roots; span != NULL; span = next_span(span))
        trace->spans[count++] = span;
    for (size_t i = 0; i < count; i++) {
        span = trace->spans[i];
        span->offset_ns = moved_start(span) - (int64_t)trace->start_ns;
        set_offsets(trace, span->notes, span);
        trace->errors += span->status == VIEW_STATUS_ERROR;
        learn_service(trace, span->service);
    }
    set_offsets(trace, trace->notes, NULL);
    for (size_t i = count; i-- > 0;) {
        if (trace->spans[i]->parent != NULL)
            trace->spans[i]->parent->below += trace->spans[i]->below + 1;
    }
    if (siblings == NULL)
        return;
    fold_siblings(trace->roots, siblings);
    for (size_t i = 0; i < count; i++)
        fold_siblings(trace->spans[i]->children, siblings);
    free(siblings);
}
