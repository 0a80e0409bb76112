#include "view/view_trace.h"

#include "lib/base/json_walk.h"
#include "lib/base/log_level.h"
#include "view/otlp_plain.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEVEL_MAX = 16,
    SEVERITIES_EACH = 4,
    ROOT_MEMORY = 65536, /* a span takes less, and an arena is given no more at once */
};

void view_trace_init(struct view_trace *trace, struct arena *arena, const char *id)
{
    *trace = (struct view_trace){.arena = arena, .request = ""};
    memcpy(trace->id, id, IDS_TRACE_HEX);
}

void view_trace_free(struct view_trace *trace)
{
    free(trace->spans);
    free(trace->all_notes);
    *trace = (struct view_trace){.arena = NULL};
}

/* Makes room for one pointer more in a list. Returns 0, or -1 at the limit or without memory. */
static int make_room(void ***list, size_t count, size_t *room, size_t most)
{
    const size_t more = 2 * *room + 16;
    void **bigger;

    if (count < *room && count < most)
        return 0;
    if (count >= most || (bigger = realloc(*list, more * sizeof(*bigger))) == NULL)
        return -1;
    *list = bigger;
    *room = more;
    return 0;
}

/* 16 digits in lower case; "" for anything else, and for the id that means none. */
static void copy_id(char out[IDS_SPAN_HEX + 1], struct text id)
{
    bool good = id.len == IDS_SPAN_HEX, zero = true;

    for (size_t i = 0; good && i < IDS_SPAN_HEX; i++) {
        out[i] = (char)(id.at[i] | 0x20);
        zero = zero && out[i] == '0';
        good = text_hex_digit(id.at[i]) >= 0;
    }
    out[good && !zero ? IDS_SPAN_HEX : 0] = '\0';
}

/* A time that leaves 63 bits (the year 2262) counts as none. */
static uint64_t time_of(uint64_t ns)
{
    return ns <= INT64_MAX ? ns : 0;
}

/* How many attributes are taken of the next list. */
static size_t pairs_max(const struct view_trace *trace)
{
    return trace->pairs_memory > 0 && trace->arena->used > trace->pairs_memory
               ? 0
               : VIEW_TRACE_PAIRS_MAX;
}

static bool add_note(struct view_trace *trace, struct view_note *note)
{
    if (note == NULL || note->text == NULL || note->level == NULL || note->logger == NULL ||
        make_room((void ***)&trace->all_notes, trace->note_count, &trace->note_room,
                  VIEW_TRACE_NOTES_MAX) != 0) {
        trace->notes_left_out++;
        return false;
    }
    trace->all_notes[trace->note_count++] = note;
    return true;
}

static void add_events(struct view_trace *trace, const struct view_span *span, struct text events)
{
    const char *at = NULL;
    struct text event;

    while (json_walk_next(events, &at, NULL, &event)) {
        struct view_note *const note = arena_take(trace->arena, sizeof(*note));

        if (note != NULL) {
            *note = (struct view_note){
                .event = true,
                .owner = span,
                .time_ns = time_of(otlp_plain_uint(otlp_plain_get(event, "timeUnixNano"))),
                .level = "",
                .logger = "",
                .text = view_record_text(trace->arena, otlp_plain_get(event, "name"),
                                         VIEW_TRACE_NAME_MAX)};
            memcpy(note->span, span->id, sizeof(note->span));
            note->pairs = view_record_pairs(trace->arena, otlp_plain_get(event, "attributes"),
                                            false, pairs_max(trace), VIEW_TRACE_VALUE_MAX,
                                            &note->pair_count, &note->pairs_all);
        }
        (void)add_note(trace, note);
    }
}

/* A root span is written last, and without it nobody knows what the trace is. */
static size_t spans_max(struct view_trace *trace, const struct view_record_span *record)
{
    struct arena *const arena = trace->arena;

    if (record->parent.len > 0)
        return VIEW_TRACE_SPANS_MAX;
    if (arena->max - arena->used < ROOT_MEMORY && trace->roots_more < VIEW_TRACE_ROOTS_MORE) {
        arena->max += ROOT_MEMORY;
        trace->roots_more++;
    }
    return VIEW_TRACE_SPANS_MAX + VIEW_TRACE_ROOTS_MORE;
}

void view_trace_add_span(struct view_trace *trace, const struct record_parts *parts)
{
    const struct view_record_span record = view_record_span(parts->record);
    const size_t most = spans_max(trace, &record);
    const struct text resource =
        otlp_plain_get(otlp_plain_get(parts->resource, "resource"), "attributes");
    struct arena *const arena = trace->arena;
    struct view_span *const span = arena_take(arena, sizeof(*span));
    struct text request;

    if (span == NULL ||
        make_room((void ***)&trace->spans, trace->span_count, &trace->span_room, most) != 0) {
        trace->spans_left_out++;
        return;
    }
    copy_id(span->id, record.id);
    copy_id(span->parent_id, record.parent);
    span->start_ns = time_of(record.start_ns);
    span->end_ns = time_of(record.end_ns);
    span->kind = record.kind;
    span->status = record.status;
    span->name = view_record_text(arena, record.name, VIEW_TRACE_NAME_MAX);
    span->message = view_record_text(arena, record.message, VIEW_TRACE_TEXT_MAX);
    span->service = view_record_text(arena, view_record_attribute(resource, "service.name"),
                                     VIEW_TRACE_NAME_MAX);
    span->host =
        view_record_text(arena, view_record_attribute(resource, "host.name"), VIEW_TRACE_NAME_MAX);
    span->pairs = view_record_pairs(arena, record.attributes, false, pairs_max(trace),
                                    VIEW_TRACE_VALUE_MAX, &span->pair_count, &span->pairs_all);
    if (span->name == NULL || span->message == NULL || span->service == NULL ||
        span->host == NULL) {
        trace->spans_left_out++;
        return;
    }
    trace->spans[trace->span_count++] = span;
    request = view_record_attribute(record.attributes, "microtrace.request_id");
    if (trace->request[0] == '\0' && request.at != NULL)
        trace->request = view_record_text(arena, request, VIEW_TRACE_NAME_MAX);
    if (trace->request == NULL)
        trace->request = "";
    add_events(trace, span, record.events);
}

/* --- Log records --- */

/* FNV-1a of 32 bits, of what both forms of a record have in common. */
static uint32_t hash_of(const struct record_parts *parts)
{
    uint32_t hash = UINT32_C(2166136261);

    for (size_t i = 0; i < parts->record.len; i++)
        hash = (hash ^ (unsigned char)parts->record.at[i]) * UINT32_C(16777619);
    return hash;
}

static bool is_copy(struct view_trace *trace, uint32_t hash, uint64_t time_ns)
{
    for (size_t i = 0; i < trace->note_count; i++) {
        struct view_note *const note = trace->all_notes[i];

        if (!note->event && !note->matched && note->hash == hash && note->time_ns == time_ns) {
            note->matched = true;
            return true;
        }
    }
    return false;
}

/* OTLP's numbers: four for each of trace, debug, info, warn, error, fatal. */
static void learn_level(struct view_note *note, const struct view_record_log *log,
                        struct arena *arena)
{
    static const enum log_level levels[] = {LOG_LEVEL_DEBUG,   LOG_LEVEL_DEBUG, LOG_LEVEL_INFO,
                                            LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_CRITICAL};
    static const unsigned numbers[] = {[LOG_LEVEL_DEBUG] = 5,
                                       [LOG_LEVEL_INFO] = 9,
                                       [LOG_LEVEL_WARNING] = 13,
                                       [LOG_LEVEL_ERROR] = 17,
                                       [LOG_LEVEL_CRITICAL] = 21};
    enum log_level level;

    note->severity = log->severity;
    if (note->severity > 0) {
        note->level = log_level_name(levels[(note->severity - 1) / SEVERITIES_EACH]);
        return;
    }
    note->level = view_record_text(arena, log->level, LEVEL_MAX);
    if (note->level != NULL && log_level_parse(note->level, &level) == 0)
        note->severity = numbers[level];
}

void view_trace_add_log(struct view_trace *trace, const struct record_parts *parts, bool foreign)
{
    const struct view_record_log record = view_record_log(parts);
    const uint64_t time_ns = time_of(record.time_ns);
    const uint32_t hash = hash_of(parts);
    struct arena *const arena = trace->arena;
    char span[IDS_SPAN_HEX + 1];
    struct view_note *note;

    if (foreign && is_copy(trace, hash, time_ns))
        return;
    note = arena_take(arena, sizeof(*note));
    if (note != NULL) {
        *note = (struct view_note){.time_ns = time_ns, .hash = hash, .matched = foreign};
        learn_level(note, &record, arena);
        copy_id(span, record.span);
        memcpy(note->span, span, sizeof(note->span));
        note->logger = view_record_text(arena, record.name, VIEW_TRACE_NAME_MAX);
        note->text = parts->line ? view_record_text(arena, record.body, VIEW_TRACE_TEXT_MAX)
                                 : view_record_any(arena, record.body, VIEW_TRACE_TEXT_MAX);
        note->pairs = view_record_pairs(arena, record.attributes, parts->line, pairs_max(trace),
                                        VIEW_TRACE_VALUE_MAX, &note->pair_count, &note->pairs_all);
    }
    if (add_note(trace, note) && trace->request[0] == '\0' && record.request.at != NULL) {
        trace->request = view_record_text(arena, record.request, VIEW_TRACE_NAME_MAX);
        if (trace->request == NULL)
            trace->request = "";
    }
}
