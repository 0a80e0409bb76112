#include "view/view_list.h"

#include "view/otlp_plain.h"

#include <stdio.h>
#include <string.h>

enum { SCRATCH_MAX = 131072 };

/* --- Copies --- */

/* FNV-1a; two spans of one hash are rarer than a bit that falls over. */
static uint64_t hash_of(struct text trace, struct text span)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < trace.len + span.len; i++) {
        const char c = i < trace.len ? trace.at[i] : span.at[i - trace.len];

        hash = (hash ^ (unsigned char)(c | 0x20)) * UINT64_C(1099511628211);
    }
    return hash != 0 ? hash : 1;
}

/* Whether it is new. */
static bool remember(struct view_list *list, const struct view_record_span *span)
{
    const size_t room = sizeof(list->seen) / sizeof(list->seen[0]);
    const uint64_t hash = hash_of(span->trace, span->id);
    size_t at = hash % room;

    if (span->id.len == 0)
        return true;
    for (; list->seen[at] != 0; at = (at + 1) % room) {
        if (list->seen[at] == hash)
            return false;
    }
    if (list->seen_count == VIEW_LIST_TELLS_APART) {
        list->copies = true;
        return true;
    }
    list->seen[at] = hash;
    list->seen_count++;
    return true;
}

/* --- What a row says --- */

static void put_text(char out[VIEW_LIST_NAME_MAX], struct text json)
{
    struct arena arena = {.max = SCRATCH_MAX};
    /* With the mark of a cut it fits. */
    const char *const text = view_record_text(&arena, json, VIEW_LIST_NAME_MAX - 40);

    (void)snprintf(out, VIEW_LIST_NAME_MAX, "%s", text != NULL ? text : "");
    arena_free(&arena);
}

static void tell_of(struct view_list_row *row, const struct view_record_span *span,
                    const struct record_parts *parts)
{
    const struct text resource =
        otlp_plain_get(otlp_plain_get(parts->resource, "resource"), "attributes");

    put_text(row->name, span->name);
    put_text(row->service, view_record_attribute(resource, "service.name"));
    row->http_status = view_match_http_status(span->attributes);
    row->status = span->status;
    row->start_ns = span->start_ns;
    row->rootless = span->parent.len > 0;
}

static void tell_of_error(struct view_list_row *row, const struct view_record_span *span)
{
    row->failed++;
    if (row->failed > 1 && span->start_ns >= row->error_ns)
        return;
    row->error_ns = span->start_ns;
    put_text(row->error, span->message);
    if (row->error[0] == '\0')
        put_text(row->error, view_record_attribute(span->attributes, "error.type"));
}

static void take(void *context, size_t i, enum spool_signal signal,
                 const struct record_parts *parts, bool foreign)
{
    struct view_list *const list = context;
    struct view_list_row *const row = &list->rows[i];
    const struct view_record_span span = view_record_span(parts->record);

    (void)signal;
    (void)foreign;
    if (!remember(list, &span))
        return;
    row->spans++;
    if (row->spans == 1 ||
        (row->rootless && (span.parent.len == 0 || span.start_ns < row->start_ns)))
        tell_of(row, &span, parts);
    if (span.start_ns > 0 && span.end_ns > span.start_ns &&
        span.end_ns - span.start_ns > row->duration_ns)
        row->duration_ns = span.end_ns - span.start_ns;
    if (span.status == VIEW_STATUS_ERROR)
        tell_of_error(row, &span);
}

/* --- The list --- */

static void reverse(struct view_find_result *result)
{
    for (size_t i = 0, k = result->ids.count; i + 1 < k--; i++) {
        char id[IDS_TRACE_HEX];
        const uint64_t key = result->keys[i];

        memcpy(id, result->ids.ids[i], sizeof(id));
        memcpy(result->ids.ids[i], result->ids.ids[k], sizeof(id));
        memcpy(result->ids.ids[k], id, sizeof(id));
        result->keys[i] = result->keys[k];
        result->keys[k] = key;
    }
}

void view_list(struct view_spool *spool, const struct view_find_query *query,
               struct view_list *list)
{
    struct view_find_result result;

    view_find(spool, query, &result);
    if (query->by != VIEW_FIND_SLOWEST)
        reverse(&result);
    memset(list, 0, sizeof(*list));
    list->count = result.ids.count;
    for (size_t i = 0; i < list->count; i++)
        memcpy(list->rows[i].trace, result.ids.ids[i], IDS_TRACE_HEX);
    if (list->count > 0)
        view_find_spans(spool, &result.ids, take, list);
}
