#include "view/view_find.h"

#include "lib/base/clock.h"
#include "lib/base/json_walk.h"
#include "view/quick_find.h"
#include "view/span_times.h"
#include "view/view_record.h"

#include <string.h>

/* Clocks of two writers, and a file's time and a span's, may differ by so much. */
#define SLACK_NS (UINT64_C(60) * CLOCK_NS_PER_S)

/* --- Which traces --- */

struct finding {
    const struct view_find_query *query;
    struct view_find_result *result;
    bool logs; /* the records are log records */
};

static size_t least(const struct view_find_result *result)
{
    size_t at = 0;

    for (size_t i = 1; i < result->ids.count; i++) {
        if (result->keys[i] < result->keys[at])
            at = i;
    }
    return at;
}

/*
 * The traces with the highest keys: one that was left out before may come again with a higher one,
 * so what remains is exact.
 */
static void offer(struct finding *f, struct text trace, uint64_t key)
{
    struct view_find_result *const result = f->result;
    const bool full = result->ids.count == f->query->count;
    size_t at;
    int known;

    if (full && key <= result->keys[least(result)])
        return;
    known = trace_ids_find(&result->ids, trace);
    if (known >= 0) {
        if (key > result->keys[known])
            result->keys[known] = key;
        return;
    }
    at = least(result);
    if (full) {
        if (trace_ids_replace(&result->ids, at, trace) == 0)
            result->keys[at] = key;
        return;
    }
    known = trace_ids_add(&result->ids, trace);
    if (known >= 0)
        result->keys[known] = key;
}

static bool has_request(const struct finding *f, struct text request)
{
    return json_walk_is(json_walk_string(request), f->query->id);
}

static void take_log(struct finding *f, const struct record_parts *parts)
{
    const struct view_record_log log = view_record_log(parts);

    if (has_request(f, log.request))
        offer(f, log.trace, log.time_ns);
}

static void take_span(void *context, const struct record_parts *parts, bool foreign)
{
    struct finding *const f = context;
    struct view_record_span span;

    (void)foreign;
    if (f->logs) {
        take_log(f, parts);
        return;
    }
    span = view_record_span(parts->record);
    if (f->query->by != VIEW_FIND_REQUEST &&
        (span.end_ns < f->query->since_ns ||
         (f->query->match != NULL && !view_match_span(f->query->match, &span))))
        return;
    switch (f->query->by) {
    case VIEW_FIND_REQUEST:
        if (has_request(f, view_record_attribute(span.attributes, "microtrace.request_id")))
            offer(f, span.trace, span.end_ns);
        break;
    case VIEW_FIND_SLOWEST:
        if (span.start_ns > 0)
            offer(f, span.trace, span.end_ns > span.start_ns ? span.end_ns - span.start_ns : 0);
        break;
    case VIEW_FIND_ERRORS:
        if (span.status == VIEW_STATUS_ERROR)
            offer(f, span.trace, span.end_ns);
        break;
    case VIEW_FIND_LATEST:
        offer(f, span.trace, span.end_ns);
        break;
    case VIEW_FIND_TRACE:
        break;
    }
}

static bool has_word(struct text json, const char *word)
{
    return quick_find(json.at, json.at + json.len, word, strlen(word)) != NULL ||
           json_walk_escaped(json);
}

/* Most stretches have nothing that is wanted, and a look at their bytes tells so. */
static bool wants(void *context, struct text json)
{
    const struct finding *const f = context;
    const struct view_find_query *const query = f->query;
    const struct view_find_result *const result = f->result;
    const bool full = result->ids.count == query->count;

    if (query->by == VIEW_FIND_REQUEST)
        return has_word(json, query->id);
    if (query->by == VIEW_FIND_ERRORS && !has_word(json, "\"code\""))
        return false;
    if (query->match != NULL && !view_match_may_be_in(query->match, json))
        return false;
    if (query->by == VIEW_FIND_SLOWEST)
        return !full || span_times_longer(json, result->keys[least(result)]);
    return (!full && query->since_ns == 0) ||
           span_times_later(json, full ? result->keys[least(result)] : query->since_ns - 1);
}

/* What ended before the earliest of those that are found is in no younger file. */
static bool wants_file(void *context, const struct view_spool_file *file)
{
    const struct finding *const f = context;
    const struct view_find_result *const result = f->result;

    if (file->written_ns <= UINT64_MAX - SLACK_NS &&
        file->written_ns + SLACK_NS < f->query->since_ns)
        return false;
    return f->query->by == VIEW_FIND_SLOWEST || result->ids.count < f->query->count ||
           file->written_ns > UINT64_MAX - SLACK_NS ||
           file->written_ns + SLACK_NS >= result->keys[least(result)];
}

static void sort(struct view_find_result *result, bool descending)
{
    for (size_t i = 1; i < result->ids.count; i++) {
        for (size_t k = i; k > 0; k--) {
            const uint64_t before = result->keys[k - 1], behind = result->keys[k];
            char id[IDS_TRACE_HEX];

            if (descending ? before >= behind : before <= behind)
                break;
            result->keys[k - 1] = behind;
            result->keys[k] = before;
            memcpy(id, result->ids.ids[k], sizeof(id));
            memcpy(result->ids.ids[k], result->ids.ids[k - 1], sizeof(id));
            memcpy(result->ids.ids[k - 1], id, sizeof(id));
        }
    }
}

void view_find(struct view_spool *spool, const struct view_find_query *query,
               struct view_find_result *result)
{
    struct finding f = {.query = query, .result = result};
    const struct view_spool_pass pass = {
        .wants_file = wants_file, .wants = wants, .take = take_span, .context = &f};

    *result = (struct view_find_result){.keys = {0}};
    if (query->by == VIEW_FIND_TRACE) {
        (void)trace_ids_add(&result->ids, text_of(query->id));
        return;
    }
    if (!query->logs_alone)
        view_spool_read(spool, SPOOL_TRACES, &pass);
    f.logs = true;
    if (query->by == VIEW_FIND_REQUEST)
        view_spool_read(spool, SPOOL_LOGS, &pass);
    sort(result, query->by == VIEW_FIND_SLOWEST);
}

/* --- Their records --- */

struct collecting {
    const struct trace_ids *ids;
    view_find_take *take;
    void *context;
    enum spool_signal signal;
    uint64_t roots[VIEW_FIND_MAX]; /* when each trace's root span began; 0 while it is not found */
};

static bool may_have(void *context, struct text json)
{
    return trace_ids_may_be_in(((const struct collecting *)context)->ids, json);
}

static bool may_be_in_file(void *context, const struct view_spool_file *file)
{
    const struct collecting *const c = context;

    if (file->written_ns > UINT64_MAX - SLACK_NS)
        return true;
    for (size_t i = 0; i < c->ids->count; i++) {
        if (file->written_ns + SLACK_NS >= c->roots[i])
            return true;
    }
    return false;
}

static void take_record(void *context, const struct record_parts *parts, bool foreign)
{
    struct collecting *const c = context;
    int at;

    if (c->signal == SPOOL_LOGS) {
        at = trace_ids_find(c->ids, view_record_log(parts).trace);
    } else {
        const struct view_record_span span = view_record_span(parts->record);

        at = trace_ids_find(c->ids, span.trace);
        if (at >= 0 && span.parent.len == 0 && c->roots[at] == 0)
            c->roots[at] = span.start_ns;
    }
    if (at >= 0)
        c->take(c->context, (size_t)at, c->signal, parts, foreign);
}

static void read_records(struct view_spool *spool, int signals, struct collecting *c)
{
    const struct view_spool_pass pass = {
        .wants_file = may_be_in_file, .wants = may_have, .take = take_record, .context = c};

    for (int i = 0; i < signals; i++) {
        c->signal = (enum spool_signal)i;
        view_spool_read(spool, c->signal, &pass);
    }
}

void view_find_records(struct view_spool *spool, const struct trace_ids *ids, view_find_take *take,
                       void *context)
{
    struct collecting c = {.ids = ids, .take = take, .context = context};

    read_records(spool, SPOOL_OWN_SIGNALS, &c);
}

void view_find_spans(struct view_spool *spool, const struct trace_ids *ids, view_find_take *take,
                     void *context)
{
    struct collecting c = {.ids = ids, .take = take, .context = context};

    read_records(spool, SPOOL_TRACES + 1, &c);
}
