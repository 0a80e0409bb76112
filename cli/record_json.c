#include "cli/record_json.h"

#include "lib/base/clock.h"
#include "lib/base/json_walk.h"
#include "lib/base/log_level.h"
#include "view/otlp_plain.h"

#include <string.h>

static const char *const kinds[] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                    "CLIENT",      "PRODUCER", "CONSUMER"};
static const char *const kind_words[] = {"",       "internal", "server",
                                         "client", "producer", "consumer"};
static const char *const statuses[] = {"UNSET", "OK", "ERROR"};
static const char *const status_words[] = {"unset", "ok", "error"};
static const char *const severities[] = {
    "UNSPECIFIED", "TRACE",  "TRACE2", "TRACE3", "TRACE4", "DEBUG",  "DEBUG2", "DEBUG3", "DEBUG4",
    "INFO",        "INFO2",  "INFO3",  "INFO4",  "WARN",   "WARN2",  "WARN3",  "WARN4",  "ERROR",
    "ERROR2",      "ERROR3", "ERROR4", "FATAL",  "FATAL2", "FATAL3", "FATAL4"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- Around the records --- */

/* Scope and resource, the last members of a record. */
static void write_tail(struct json_writer *w, enum spool_signal signal, struct text resource,
                       struct text scope)
{
    const struct text name = otlp_plain_get(otlp_plain_get(scope, "scope"), "name");

    if (signal == SPOOL_TRACES && name.at != NULL) {
        json_writer_key(w, "scope");
        otlp_plain_write(w, name);
    }
    json_writer_key(w, "resource");
    json_writer_begin_object(w);
    otlp_plain_attributes(w, otlp_plain_get(otlp_plain_get(resource, "resource"), "attributes"));
    json_writer_end_object(w);
}

/* Most records have around them what the one before has. Returns false if there is no room. */
static bool learn_around(struct record_json *json, const struct record_parts *parts)
{
    struct json_writer w;

    if (parts->same && json->known)
        return true;
    json_writer_init(&w, json->tail, sizeof(json->tail));
    write_tail(&w, json->signal, parts->resource, parts->scope);
    json->tail_len = w.len;
    json->known = !w.overflow;
    return json->known;
}

/* --- Records --- */

/* Ends a record's object by what is around it. */
static struct text end_record(struct record_json *json, struct json_writer *w)
{
    if (w->comma)
        json_writer_bytes(w, ",", 1);
    json_writer_bytes(w, json->tail, json->tail_len);
    json_writer_bytes(w, "}", 1);
    return w->overflow ? (struct text){NULL, 0} : (struct text){json->out, w->len};
}

static void write_time(struct json_writer *w, const char *key, uint64_t ns)
{
    char when[CLOCK_ISO8601_SIZE];

    clock_iso8601(when, ns);
    json_writer_key_string(w, key, when);
}

/* A string, unless it is empty or missing. */
static void write_text(struct json_writer *w, const char *key, struct text value)
{
    if (value.at == NULL || json_walk_string(value).len == 0)
        return;
    json_writer_key(w, key);
    otlp_plain_write(w, value);
}

static void write_id(struct json_writer *w, const char *key, struct text value)
{
    if (json_walk_string(value).len == 0)
        return;
    json_writer_key(w, key);
    otlp_plain_id(w, value);
}

static void write_attributes(struct json_writer *w, struct text attributes)
{
    json_writer_key(w, "attributes");
    json_writer_begin_object(w);
    otlp_plain_attributes(w, attributes);
    json_writer_end_object(w);
}

static void write_events(struct json_writer *w, struct text events)
{
    const char *at = NULL;
    struct text event;

    if (events.at == NULL)
        return;
    json_writer_key(w, "events");
    json_writer_begin_array(w);
    while (json_walk_next(events, &at, NULL, &event)) {
        json_writer_begin_object(w);
        write_text(w, "name", otlp_plain_get(event, "name"));
        write_time(w, "time", otlp_plain_uint(otlp_plain_get(event, "timeUnixNano")));
        write_attributes(w, otlp_plain_get(event, "attributes"));
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static void write_links(struct json_writer *w, struct text links)
{
    const char *at = NULL;
    struct text link;

    if (links.at == NULL)
        return;
    json_writer_key(w, "links");
    json_writer_begin_array(w);
    while (json_walk_next(links, &at, NULL, &link)) {
        json_writer_begin_object(w);
        write_id(w, "trace_id", otlp_plain_get(link, "traceId"));
        write_id(w, "span_id", otlp_plain_get(link, "spanId"));
        write_attributes(w, otlp_plain_get(link, "attributes"));
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

static struct text plain_span(struct record_json *json, struct text span)
{
    enum {
        NAME,
        KIND,
        TRACE,
        SPAN,
        PARENT,
        STATE,
        START,
        END,
        STATUS,
        ATTRIBUTES,
        EVENTS,
        LINKS,
        MEMBERS
    };
    static const char *const names[MEMBERS] = {"name",
                                               "kind",
                                               "traceId",
                                               "spanId",
                                               "parentSpanId",
                                               "traceState",
                                               "startTimeUnixNano",
                                               "endTimeUnixNano",
                                               "status",
                                               "attributes",
                                               "events",
                                               "links"};
    struct text members[MEMBERS] = {{NULL, 0}}, key, value;
    const char *at = NULL;
    struct json_writer w;
    uint64_t start, end;
    size_t number;

    while (json_walk_next(span, &at, &key, &value)) {
        for (int i = 0; i < MEMBERS; i++) {
            if (!json_walk_is_member(key, names[i]))
                continue;
            if (!json_walk_is(value, "null"))
                members[i] = value;
            break;
        }
    }
    start = otlp_plain_uint(members[START]);
    end = otlp_plain_uint(members[END]);
    json_writer_init(&w, json->out, sizeof(json->out));
    json_writer_begin_object(&w);
    json_writer_key(&w, "name");
    if (members[NAME].at != NULL)
        otlp_plain_write(&w, members[NAME]);
    else
        json_writer_string(&w, "");
    number = otlp_plain_enum(members[KIND], "SPAN_KIND_", kinds, COUNT(kinds));
    if (number > 0)
        json_writer_key_string(&w, "kind", kind_words[number]);
    write_id(&w, "trace_id", members[TRACE]);
    write_id(&w, "span_id", members[SPAN]);
    write_id(&w, "parent_span_id", members[PARENT]);
    write_text(&w, "trace_state", members[STATE]);
    write_time(&w, "start", start);
    json_writer_key_double(&w, "duration_ms", end > start ? (double)(end - start) / 1e6 : 0);
    number = otlp_plain_enum(otlp_plain_get(members[STATUS], "code"), "STATUS_CODE_", statuses,
                             COUNT(statuses));
    json_writer_key_string(&w, "status", status_words[number]);
    write_text(&w, "status_message", otlp_plain_get(members[STATUS], "message"));
    write_attributes(&w, members[ATTRIBUTES]);
    write_events(&w, members[EVENTS]);
    write_links(&w, members[LINKS]);
    return end_record(json, &w);
}

/* As the log lines' levels: what the record says if that is one, else by its number. */
static void write_level(struct json_writer *w, struct text log)
{
    static const enum log_level levels[] = {LOG_LEVEL_DEBUG,   LOG_LEVEL_DEBUG, LOG_LEVEL_INFO,
                                            LOG_LEVEL_WARNING, LOG_LEVEL_ERROR, LOG_LEVEL_CRITICAL};
    const size_t number = otlp_plain_enum(otlp_plain_get(log, "severityNumber"), "SEVERITY_NUMBER_",
                                          severities, COUNT(severities));

    if (number > 0) {
        json_writer_key_string(w, "levelname", log_level_name(levels[(number - 1) / 4]));
        return;
    }
    write_text(w, "levelname", otlp_plain_get(log, "severityText"));
}

static struct text plain_log(struct record_json *json, struct text log, struct text scope)
{
    const struct text body = otlp_plain_get(log, "body");
    const struct text logger = otlp_plain_get(otlp_plain_get(scope, "scope"), "name");
    uint64_t ns = otlp_plain_uint(otlp_plain_get(log, "timeUnixNano"));
    struct json_writer w;

    if (ns == 0)
        ns = otlp_plain_uint(otlp_plain_get(log, "observedTimeUnixNano"));
    json_writer_init(&w, json->out, sizeof(json->out));
    json_writer_begin_object(&w);
    write_time(&w, "asctime", ns);
    write_level(&w, log);
    write_text(&w, "name", logger);
    json_writer_key(&w, "message");
    otlp_plain_any(&w, body);
    write_id(&w, "trace_id", otlp_plain_get(log, "traceId"));
    write_id(&w, "span_id", otlp_plain_get(log, "spanId"));
    otlp_plain_attributes(&w, otlp_plain_get(log, "attributes"));
    return end_record(json, &w);
}

static bool take_record(void *context, const struct record_parts *parts)
{
    struct record_json *const json = context;
    struct text plain = parts->record;

    if (!parts->line) {
        if (!learn_around(json, parts))
            return false;
        plain = json->signal == SPOOL_TRACES ? plain_span(json, parts->record)
                                             : plain_log(json, parts->record, parts->scope);
    }
    if (plain.at == NULL)
        return false;
    json->take(json->context, plain);
    return true;
}

bool record_json_each(struct record_json *json, enum spool_signal signal,
                      const struct spool_lines *batch, const char *window, size_t i,
                      record_json_take *take, void *context)
{
    json->known = json->known && json->signal == signal;
    json->signal = signal;
    json->take = take;
    json->context = context;
    return record_walk_each(&json->walk, signal, batch, window, i, take_record, json);
}
