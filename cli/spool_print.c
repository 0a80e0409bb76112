#include "cli/spool_print.h"

#include "lib/base/clock.h"
#include "lib/base/printable.h"
#include "view/otlp_plain.h"

#include <stdlib.h>
#include <string.h>

#define DIM    "\033[2m"
#define BOLD   "\033[1m"
#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define GREEN  "\033[32m"
#define PLAIN  "\033[0m"

/* Attributes that a span's line begins with; the others follow in their own order. */
static const char *const first_attributes[] = {"microtrace.request_id", "http.response.status_code",
                                               "url.path", "error.type"};
enum { FIRST_ATTRIBUTES = sizeof(first_attributes) / sizeof(first_attributes[0]) };

struct span_text {
    struct text whole, trace, attributes;
};

/* The next span of a record: itself, or those of an element that can't be taken apart. */
struct span_walk {
    struct text record, resources, scopes, spans;
    const char *resource_at, *scope_at, *span_at;
    bool begun;
};

static void describe(struct span_text *span, struct text whole)
{
    span->whole = whole;
    span->trace = json_walk_string(otlp_plain_get(whole, "traceId"));
    span->attributes = otlp_plain_get(whole, "attributes");
}

static bool next_span(struct span_walk *walk, struct span_text *span)
{
    struct text element;

    if (!walk->begun) {
        walk->begun = true;
        walk->resources = otlp_plain_get(walk->record, "resourceSpans");
        walk->scopes = otlp_plain_get(walk->record, "scopeSpans");
        if (walk->resources.at == NULL && walk->scopes.at == NULL) {
            describe(span, walk->record);
            return true;
        }
    }
    for (;;) {
        if (json_walk_next(walk->spans, &walk->span_at, NULL, &span->whole)) {
            describe(span, span->whole);
            return true;
        }
        if (json_walk_next(walk->scopes, &walk->scope_at, NULL, &element)) {
            walk->spans = otlp_plain_get(element, "spans");
            walk->span_at = NULL;
        } else if (json_walk_next(walk->resources, &walk->resource_at, NULL, &element)) {
            walk->scopes = otlp_plain_get(element, "scopeSpans");
            walk->scope_at = NULL;
        } else {
            return false;
        }
    }
}

/* The text of an AnyValue: what stands in it, whatever its kind. */
static struct text any_value(struct text value)
{
    struct text kind, content = {NULL, 0};
    const char *at = NULL;

    if (!json_walk_next(value, &at, &kind, &content))
        return (struct text){NULL, 0};
    return json_walk_string(content).at != NULL ? json_walk_string(content) : content;
}

static struct text attribute(struct text attributes, const char *key)
{
    struct text element;
    const char *at = NULL;

    while (json_walk_next(attributes, &at, NULL, &element)) {
        if (json_walk_is(json_walk_string(json_walk_get(element, "key")), key))
            return any_value(json_walk_get(element, "value"));
    }
    return (struct text){NULL, 0};
}

static bool known_trace(const struct spool_print_filter *filter, struct text trace)
{
    const size_t count =
        filter->learned < SPOOL_PRINT_TRACES_MAX ? filter->learned : SPOOL_PRINT_TRACES_MAX;

    if (trace.len != SPOOL_PRINT_TRACE_ID)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(filter->traces[i], trace.at, SPOOL_PRINT_TRACE_ID) == 0)
            return true;
    }
    return false;
}

static bool span_passes(const struct spool_print_filter *filter, const struct span_text *span)
{
    if (filter->trace != NULL && !json_walk_is(span->trace, filter->trace))
        return false;
    return filter->request == NULL || known_trace(filter, span->trace) ||
           json_walk_is(attribute(span->attributes, "microtrace.request_id"), filter->request);
}

/* Whether this is the server span of the request, of a trace that was not known. */
static bool learn(struct spool_print_filter *filter, const struct span_text *span)
{
    if (filter->request == NULL || span->trace.len != SPOOL_PRINT_TRACE_ID ||
        known_trace(filter, span->trace) ||
        !json_walk_is(attribute(span->attributes, "microtrace.request_id"), filter->request))
        return false;
    memcpy(filter->traces[filter->learned++ % SPOOL_PRINT_TRACES_MAX], span->trace.at,
           SPOOL_PRINT_TRACE_ID);
    return true;
}

static enum spool_print_match match_spans(struct spool_print_filter *filter, struct text record)
{
    enum spool_print_match match = SPOOL_PRINT_NO;
    struct span_walk walk = {.record = record};
    struct span_text span;
    bool learned = false;

    while (next_span(&walk, &span)) {
        learned = learn(filter, &span) || learned;
        if (span_passes(filter, &span))
            match = SPOOL_PRINT_YES;
    }
    return learned && match == SPOOL_PRINT_YES ? SPOOL_PRINT_LEARNED : match;
}

static bool log_passes(const struct spool_print_filter *filter, struct text line)
{
    if (filter->trace != NULL &&
        !json_walk_is(json_walk_string(json_walk_get(line, "trace_id")), filter->trace))
        return false;
    return filter->request == NULL ||
           json_walk_is(json_walk_string(json_walk_get(line, "request_id")), filter->request);
}

enum spool_print_match spool_print_match(struct spool_print_filter *filter,
                                         enum spool_signal signal, struct text record)
{
    if (filter->trace == NULL && filter->request == NULL)
        return SPOOL_PRINT_YES;
    if (signal == SPOOL_TRACES)
        return match_spans(filter, record);
    return log_passes(filter, record) ? SPOOL_PRINT_YES : SPOOL_PRINT_NO;
}

/* A string's content as it stands in JSON; what JSON lets through and a terminal obeys is filtered.
 */
static void put(FILE *to, struct text text)
{
    printable_write(to, text.at, text.len);
}

static void put_pair(FILE *to, struct text key, struct text value, bool colours)
{
    const bool quote = value.len == 0 || memchr(value.at, ' ', value.len) != NULL;

    (void)fprintf(to, " %s", colours ? DIM : "");
    put(to, key);
    (void)fprintf(to, "=%s%s", colours ? PLAIN : "", quote ? "\"" : "");
    put(to, value);
    if (quote)
        (void)fputc('"', to);
}

static void put_id(FILE *to, const char *key, struct text id, bool colours)
{
    if (id.len > 0)
        put_pair(to, (struct text){key, strlen(key)}, id, colours);
}

static void put_attributes(FILE *to, struct text attributes, bool colours)
{
    struct text element;
    const char *at = NULL;

    for (size_t i = 0; i < FIRST_ATTRIBUTES; i++) {
        const struct text value = attribute(attributes, first_attributes[i]);

        if (value.at != NULL)
            put_pair(to, (struct text){first_attributes[i], strlen(first_attributes[i])}, value,
                     colours);
    }
    while (json_walk_next(attributes, &at, NULL, &element)) {
        const struct text key = json_walk_string(json_walk_get(element, "key"));
        const struct text value = any_value(json_walk_get(element, "value"));
        bool shown = key.at == NULL || value.at == NULL;

        for (size_t i = 0; i < FIRST_ATTRIBUTES; i++)
            shown = shown || json_walk_is(key, first_attributes[i]);
        if (!shown)
            put_pair(to, key, value, colours);
    }
}

static const char *kind_text(struct text kind)
{
    static const char *const names[] = {"", "internal", "server", "client", "producer", "consumer"};
    const unsigned long number = kind.at != NULL ? strtoul(kind.at, NULL, 10) : 0;

    return number < sizeof(names) / sizeof(names[0]) ? names[number] : "";
}

static void print_span(FILE *to, const struct span_text *span, bool colours)
{
    const uint64_t begin = otlp_plain_uint(otlp_plain_get(span->whole, "startTimeUnixNano"));
    const uint64_t end = otlp_plain_uint(otlp_plain_get(span->whole, "endTimeUnixNano"));
    const struct text status = otlp_plain_get(span->whole, "status");
    const struct text code = otlp_plain_get(status, "code");
    const bool error = json_walk_is(code, "2"), ok = json_walk_is(code, "1");
    char when[CLOCK_ISO8601_SIZE];

    clock_iso8601(when, begin);
    (void)fprintf(to, "%s %9.3f ms %s", when, end > begin ? (double)(end - begin) / 1e6 : 0.0,
                  colours ? BOLD : "");
    put(to, json_walk_string(otlp_plain_get(span->whole, "name")));
    (void)fprintf(to, "%s %s %s%s%s", colours ? PLAIN : "",
                  kind_text(otlp_plain_get(span->whole, "kind")),
                  !colours ? ""
                  : error  ? RED
                           : GREEN,
                  error ? "error"
                  : ok  ? "ok"
                        : "unset",
                  colours ? PLAIN : "");
    put_id(to, "trace", span->trace, colours);
    put_id(to, "span", json_walk_string(otlp_plain_get(span->whole, "spanId")), colours);
    put_id(to, "parent", json_walk_string(otlp_plain_get(span->whole, "parentSpanId")), colours);
    put_id(to, "message", json_walk_string(otlp_plain_get(status, "message")), colours);
    put_attributes(to, span->attributes, colours);
    (void)fputc('\n', to);
}

static const char *level_colour(struct text level)
{
    if (json_walk_is(level, "ERROR") || json_walk_is(level, "CRITICAL"))
        return RED;
    return json_walk_is(level, "WARNING") ? YELLOW : json_walk_is(level, "INFO") ? GREEN : DIM;
}

static void print_log(FILE *to, struct text line, bool colours)
{
    static const char *const head[] = {"asctime", "levelname", "name", "message"};
    struct text key, value, service;
    const char *at = NULL;

    for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
        const struct text text = json_walk_string(json_walk_get(line, head[i]));
        const char *colour = i == 1 ? level_colour(text) : i == 3 ? BOLD : "";

        (void)fprintf(to, "%s%s", i > 0 ? " " : "", colours ? colour : "");
        put(to, text);
        (void)fprintf(to, "%s", colours && colour[0] != '\0' ? PLAIN : "");
    }
    while (json_walk_next(line, &at, &key, &value)) {
        bool shown = false;

        for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++)
            shown = shown || json_walk_is(key, head[i]);
        /* Of its resource a line shows the service: the rest is the same in all of a program. */
        service = json_walk_is(key, "resource")
                      ? json_walk_string(json_walk_get(value, "service.name"))
                      : (struct text){NULL, 0};
        if (service.at != NULL) {
            key = (struct text){"service", sizeof("service") - 1};
            value = service;
        }
        if (json_walk_string(value).at != NULL)
            value = json_walk_string(value);
        /* The ids are empty where there is none. */
        if (!shown && value.len > 0)
            put_pair(to, key, value, colours);
    }
    (void)fputc('\n', to);
}

void spool_print_json(FILE *to, struct text record, bool terminal)
{
    if (terminal)
        printable_write(to, record.at, record.len);
    else
        (void)fwrite(record.at, 1, record.len, to);
    (void)fputc('\n', to);
}

void spool_print_record(FILE *to, const struct spool_print_filter *filter, enum spool_signal signal,
                        struct text record, bool colours)
{
    struct span_walk walk = {.record = record};
    struct span_text span;

    if (signal == SPOOL_LOGS) {
        print_log(to, record, colours);
        return;
    }
    while (next_span(&walk, &span)) {
        if (span_passes(filter, &span))
            print_span(to, &span, colours);
    }
}
