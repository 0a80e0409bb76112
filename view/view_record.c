#include "view/view_record.h"

#include "lib/base/clock.h"
#include "lib/base/json_walk.h"
#include "lib/base/json_writer.h"
#include "lib/base/log_level.h"
#include "lib/base/printable.h"
#include "lib/base/utf8.h"
#include "view/otlp_plain.h"

#include <stdio.h>
#include <string.h>

enum {
    COMPOUND_MAX = 4096, /* bytes of an array or a number in plain JSON */
    PAIRS_MAX = 128,
    MARK_MAX = 40,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- Members --- */

/* A member of a message and where its value goes. */
struct member {
    const char *name;
    struct text *value;
};

static void take_members(struct text message, const struct member *members, size_t count)
{
    struct text key, value;
    const char *at = NULL;

    while (json_walk_next(message, &at, &key, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (!json_walk_is_member(key, members[i].name))
                continue;
            if (!json_walk_is(value, "null"))
                *members[i].value = value;
            break;
        }
    }
}

struct view_record_span view_record_span(struct text text)
{
    static const char *const kinds[] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                        "CLIENT",      "PRODUCER", "CONSUMER"};
    static const char *const codes[] = {"UNSET", "OK", "ERROR"};
    struct view_record_span span = {.kind = 0};
    struct text kind = {NULL, 0}, start = {NULL, 0}, end = {NULL, 0}, status = {NULL, 0};
    struct text code = {NULL, 0};
    const struct member members[] = {
        {"traceId", &span.trace},
        {"spanId", &span.id},
        {"parentSpanId", &span.parent},
        {"name", &span.name},
        {"kind", &kind},
        {"startTimeUnixNano", &start},
        {"endTimeUnixNano", &end},
        {"attributes", &span.attributes},
        {"events", &span.events},
        {"status", &status},
    };
    const struct member in_status[] = {{"code", &code}, {"message", &span.message}};

    take_members(text, members, COUNT(members));
    take_members(status, in_status, COUNT(in_status));
    span.trace = json_walk_string(span.trace);
    span.id = json_walk_string(span.id);
    span.parent = json_walk_string(span.parent);
    span.start_ns = otlp_plain_uint(start);
    span.end_ns = otlp_plain_uint(end);
    span.kind = (unsigned)otlp_plain_enum(kind, "SPAN_KIND_", kinds, COUNT(kinds));
    span.status = (enum view_status)otlp_plain_enum(code, "STATUS_CODE_", codes, COUNT(codes));
    return span;
}

static struct view_record_log log_line(struct text line)
{
    struct view_record_log log = {.attributes = line};
    struct text time = {NULL, 0};
    const struct member members[] = {
        {"asctime", &time},           {"levelname", &log.level}, {"name", &log.name},
        {"message", &log.body},       {"trace_id", &log.trace},  {"span_id", &log.span},
        {"request_id", &log.request},
    };

    take_members(line, members, COUNT(members));
    log.trace = json_walk_string(log.trace);
    log.span = json_walk_string(log.span);
    time = json_walk_string(time);
    if (time.at == NULL || clock_parse_iso8601(time.at, time.len, &log.time_ns) != 0)
        log.time_ns = 0;
    return log;
}

struct view_record_log view_record_log(const struct record_parts *parts)
{
    static const char *const severities[] = {"UNSPECIFIED", "TRACE",  "TRACE2", "TRACE3", "TRACE4",
                                             "DEBUG",       "DEBUG2", "DEBUG3", "DEBUG4", "INFO",
                                             "INFO2",       "INFO3",  "INFO4",  "WARN",   "WARN2",
                                             "WARN3",       "WARN4",  "ERROR",  "ERROR2", "ERROR3",
                                             "ERROR4",      "FATAL",  "FATAL2", "FATAL3", "FATAL4"};
    struct view_record_log log = {.severity = 0};
    struct text time = {NULL, 0}, observed = {NULL, 0}, number = {NULL, 0};
    const struct member members[] = {
        {"timeUnixNano", &time}, {"observedTimeUnixNano", &observed}, {"severityNumber", &number},
        {"body", &log.body},     {"severityText", &log.level},        {"traceId", &log.trace},
        {"spanId", &log.span},   {"attributes", &log.attributes},
    };

    if (parts->line)
        return log_line(parts->record);
    take_members(parts->record, members, COUNT(members));
    log.trace = json_walk_string(log.trace);
    log.span = json_walk_string(log.span);
    log.name = otlp_plain_get(otlp_plain_get(parts->scope, "scope"), "name");
    log.request = view_record_attribute(log.attributes, "request_id");
    log.severity =
        (unsigned)otlp_plain_enum(number, "SEVERITY_NUMBER_", severities, COUNT(severities));
    log.time_ns = otlp_plain_uint(time);
    if (log.time_ns == 0)
        log.time_ns = otlp_plain_uint(observed);
    return log;
}

struct text view_record_attribute(struct text attributes, const char *key)
{
    struct text element, found = {NULL, 0};
    const char *at = NULL;

    while (json_walk_next(attributes, &at, NULL, &element)) {
        if (json_walk_is(json_walk_string(json_walk_get(element, "key")), key))
            found = otlp_plain_get(json_walk_get(element, "value"), "stringValue");
    }
    return found;
}

/* --- Texts --- */

/*
 * One character of a string's content: those whose escapes only JSON needs are unescaped. Returns
 * the bytes that were written to `out`, at least one.
 */
static size_t next_character(const char **at, const char *end, char out[PRINTABLE_ESCAPE])
{
    size_t sequence;

    if (**at == '\\' && end - *at > 1 && strchr("\"\\/", (*at)[1]) != NULL) {
        out[0] = (*at)[1];
        *at += 2;
        return 1;
    }
    sequence = utf8_sequence(*at, end);
    if (sequence == 0)
        sequence = 1;
    *at += sequence;
    return printable_copy(out, PRINTABLE_ESCAPE, *at - sequence, sequence);
}

static const char *cut_text(struct arena *arena, struct text text, size_t max)
{
    const char *at = text.at, *const end = text.at + text.len;
    char shown[VIEW_RECORD_TEXT_MAX + MARK_MAX];
    size_t len = 0;
    char *copy;

    if (max > VIEW_RECORD_TEXT_MAX)
        max = VIEW_RECORD_TEXT_MAX;
    while (at < end) {
        char character[PRINTABLE_ESCAPE];
        const char *const from = at;
        const size_t size = next_character(&at, end, character);

        if (len + size > max) {
            at = from;
            break;
        }
        memcpy(shown + len, character, size);
        len += size;
    }
    if (at < end)
        len += (size_t)snprintf(shown + len, MARK_MAX, "...(%zu bytes)", text.len);
    copy = arena_take(arena, len + 1);
    if (copy != NULL)
        memcpy(copy, shown, len);
    return copy;
}

const char *view_record_text(struct arena *arena, struct text json, size_t max)
{
    const struct text string = json_walk_string(json);

    return cut_text(arena, string.at != NULL ? string : json, max);
}

const char *view_record_any(struct arena *arena, struct text any, size_t max)
{
    const struct text string = json_walk_string(otlp_plain_get(any, "stringValue"));
    char plain[COMPOUND_MAX];
    struct json_writer w;

    if (string.at != NULL)
        return cut_text(arena, string, max);
    json_writer_init(&w, plain, sizeof(plain));
    otlp_plain_any(&w, any);
    if (w.overflow)
        return cut_text(arena, any, max);
    return view_record_text(arena, (struct text){plain, w.len}, max);
}

/* The next name and value. */
static bool next_pair(struct text attributes, bool plain, const char **at, struct text *name,
                      struct text *value)
{
    static const char *const fields[] = {"asctime",  "levelname", "name",       "message",
                                         "trace_id", "span_id",   "request_id", "resource"};
    struct text element;

    while (!plain && json_walk_next(attributes, at, NULL, &element)) {
        *name = json_walk_get(element, "key");
        *value = json_walk_get(element, "value");
        if (json_walk_string(*name).at != NULL)
            return true;
    }
    while (plain && json_walk_next(attributes, at, name, value)) {
        bool field = false;

        for (size_t i = 0; i < COUNT(fields); i++)
            field = field || json_walk_is(*name, fields[i]);
        if (!field)
            return true;
    }
    return false;
}

const struct view_pair *view_record_pairs(struct arena *arena, struct text attributes, bool plain,
                                          size_t most, size_t max, size_t *count, size_t *all)
{
    struct view_pair pairs[PAIRS_MAX];
    struct view_pair *copy;
    const char *at = NULL;
    struct text name, value;

    *count = *all = 0;
    while (next_pair(attributes, plain, &at, &name, &value)) {
        struct view_pair *const pair = &pairs[*count];

        (*all)++;
        if (*count == most || *count == PAIRS_MAX)
            continue;
        pair->name = view_record_text(arena, name, max);
        pair->value =
            plain ? view_record_text(arena, value, max) : view_record_any(arena, value, max);
        if (pair->name != NULL && pair->value != NULL)
            (*count)++;
    }
    copy = arena_take(arena, *count * sizeof(*copy) + 1);
    if (copy == NULL)
        *count = 0;
    else
        memcpy(copy, pairs, *count * sizeof(*copy));
    return copy;
}
