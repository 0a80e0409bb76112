#include "metrics-agent/export/otlp_logs.h"

#include "lib/base/decimal.h"
#include "lib/base/json_walk.h"
#include "metrics-agent/export/otlp_log_line.h"
#include "metrics-agent/export/otlp_log_value.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
    SOURCES_MAX = 64, /* that a batch groups by; records of further ones stand alone */
    SOURCE_NONE,      /* not a log line of our form */
};

struct member {
    struct text key;   /* without its quotes */
    struct text value; /* the whole value */
};

/* Takes the next member of an object; *at is NULL to begin. */
static bool next_member(struct text object, const char **at, struct member *member)
{
    return json_walk_next(object, at, &member->key, &member->value);
}

/* OpenTelemetry log data model, "Severity fields". */
static unsigned severity(struct text level)
{
    static const struct {
        const char *name;
        unsigned number;
    } levels[] = {{"INFO", 9}, {"WARNING", 13}, {"ERROR", 17}, {"DEBUG", 5}, {"CRITICAL", 21}};
    size_t i;

    for (i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (text_is(level, levels[i].name))
            return levels[i].number;
    }
    return 0;
}

/* `plain`: there is no escape in it. */
static int put_attribute(struct json_writer *body, const struct member *member, bool plain)
{
    PUT(body, "{\"key\":\"");
    otlp_log_value_text(body, member->key, plain);
    PUT(body, "\",\"value\":");
    if (otlp_log_value_put(body, member->value, plain) != 0)
        return -1;
    PUT(body, "}");
    return 0;
}

static bool same(struct text a, struct text b)
{
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

/* The writer's description of itself, a flat object; `resource` of another shape is an attribute.
 */
static bool is_resource(const struct member *member)
{
    const char *at = NULL;
    struct member inner;

    if (!text_is(member->key, "resource") || member->value.at[0] != '{')
        return false;
    while (next_member(member->value, &at, &inner)) {
        if (inner.value.at[0] == '{' || inner.value.at[0] == '[')
            return false;
    }
    return json_walk_ended(member->value, at);
}

/*
 * The comma before the line's last member if that is `resource` with the same bytes as `known`,
 * else NULL. So it is for all that one program wrote, and it saves a walk through the line. What
 * ends in `,"resource":{...}}` has that member at its top: the last bracket closes the line's
 * object, the one before the resource.
 */
static const char *known_resource(const struct otlp_record *line, struct text known)
{
    static const char key[] = ",\"resource\":";
    const size_t len = sizeof(key) - 1 + known.len + 1;
    const char *at;

    if (known.len == 0 || line->length <= len)
        return NULL;
    at = line->text + line->length - len;
    return memcmp(at, key, sizeof(key) - 1) == 0 &&
                   memcmp(at + sizeof(key) - 1, known.at, known.len) == 0
               ? at
               : NULL;
}

static void put_time(struct json_writer *body, uint64_t unix_ns)
{
    char digits[DECIMAL_INT_SIZE];
    const size_t len = decimal_uint(digits, unix_ns);

    PUT(body, ",\"timeUnixNano\":\"");
    json_writer_bytes(body, digits, len);
    PUT(body, "\",\"observedTimeUnixNano\":\"");
    json_writer_bytes(body, digits, len);
    PUT(body, "\"");
}

static void put_severity(struct json_writer *body, unsigned number)
{
    char digits[DECIMAL_INT_SIZE];

    PUT(body, ",\"severityNumber\":");
    json_writer_bytes(body, digits, decimal_uint(digits, number));
}

static void put_fields(struct json_writer *body, const struct otlp_log_fields *fields, bool plain)
{
    if (fields->unix_ns != 0)
        put_time(body, fields->unix_ns);
    if (fields->level.len > 0) {
        put_severity(body, severity(fields->level));
        PUT(body, ",\"severityText\":\"");
        otlp_log_value_text(body, fields->level, plain);
        PUT(body, "\"");
    }
    if (fields->trace.len > 0) {
        PUT(body, ",\"traceId\":\"");
        json_writer_bytes(body, fields->trace.at, fields->trace.len);
        PUT(body, "\"");
    }
    if (fields->span.len > 0) {
        PUT(body, ",\"spanId\":\"");
        json_writer_bytes(body, fields->span.at, fields->span.len);
        PUT(body, "\"");
    }
}

/* The members from `at` on that no field takes; NULL for all. Returns 0, or -1 as put_record. */
static int put_attributes(struct json_writer *body, const struct otlp_record *line, const char *at,
                          struct otlp_log_fields *fields, struct text resource, bool plain)
{
    const struct text whole = {line->text, line->length};
    const char *const last = known_resource(line, resource);
    struct member member;

    while ((last == NULL || at != last) && next_member(whole, &at, &member)) {
        if (otlp_log_line_field(fields, member.key, member.value) ||
            (text_is(member.key, "resource") && same(member.value, resource)))
            continue;
        if (body->comma)
            PUT(body, ",");
        body->comma = true;
        if (put_attribute(body, &member, plain) != 0)
            return -1;
    }
    return (last != NULL && at == last) || json_walk_ended(whole, at) ? 0 : -1;
}

/*
 * `resource` is the line's own, which the record does not repeat; empty for none. Returns 0, or -1
 * where the line's members can't be told apart.
 */
static int put_record(struct json_writer *body, const struct otlp_record *line,
                      struct text resource)
{
    const bool plain = memchr(line->text, '\\', line->length) == NULL;
    const bool comma = body->comma;
    struct otlp_log_fields fields = {.unix_ns = 0};
    struct member id = {.key = {"request_id", sizeof("request_id") - 1}};
    const struct text whole = {line->text, line->length};
    const char *const at = otlp_log_line_head(whole, &fields, &id.value);
    int result;

    if (!plain && !otlp_log_value_escapes(whole))
        return -1;
    PUT(body, "{\"attributes\":[");
    body->comma = at != NULL && id.value.len > sizeof("\"\"") - 1;
    if (body->comma && put_attribute(body, &id, plain) != 0)
        return -1;
    result = put_attributes(body, line, at, &fields, resource, plain);
    body->comma = comma;
    if (result != 0)
        return -1;
    PUT(body, "]");
    put_fields(body, &fields, plain);
    if (fields.message.at != NULL) {
        PUT(body, ",\"body\":");
        if (otlp_log_value_put(body, fields.message, plain) != 0)
            return -1;
    }
    PUT(body, "}");
    return 0;
}

/* Who speaks in a line: records with the same of both stand together. */
struct source {
    struct text resource; /* the object that is the member `resource`; empty for none */
    struct text scope;    /* the logger's name, without its quotes */
};

static bool same_source(const struct source *a, const struct source *b)
{
    return same(a->resource, b->resource) && same(a->scope, b->scope);
}

/* Sources of a batch, and of each line which one it has. */
struct sources {
    struct source list[SOURCES_MAX];
    size_t count;
    uint8_t of[OTLP_LOGS_LINES_MAX]; /* SOURCES_MAX: of none in the list */
};

/* The resource of `line`, if it is its last member and one of those in the list; else empty. */
static struct text resource_in(const struct sources *sources, const struct otlp_record *line)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (known_resource(line, sources->list[i].resource) != NULL)
            return sources->list[i].resource;
    }
    return (struct text){"", 0};
}

static struct source source_of(const struct sources *sources, const struct otlp_record *line)
{
    static const char key[] = "\"resource\"";
    const struct text whole = {line->text, line->length};
    struct source source = {resource_in(sources, line), {"", 0}};
    const bool known =
        source.resource.len > 0 || memmem(line->text, line->length, key, sizeof(key) - 1) == NULL;
    struct member member;
    const char *at = NULL;

    if (known && otlp_log_line_speaker(whole, &source.scope))
        return source;
    while (next_member(whole, &at, &member)) {
        if (text_is(member.key, "name") && otlp_log_value_is_string(member.value)) {
            source.scope = otlp_log_value_unquoted(member.value);
            if (known)
                break;
        } else if (is_resource(&member)) {
            source.resource = member.value;
        }
    }
    return source;
}

static void collect_sources(struct sources *sources, const struct otlp_record *lines, size_t count)
{
    size_t i, k;

    sources->count = 0;
    for (i = 0; i < count; i++) {
        struct source source;

        sources->of[i] = SOURCE_NONE;
        if (!lines[i].is_line)
            continue;
        source = source_of(sources, &lines[i]);
        for (k = 0; k < sources->count && !same_source(&sources->list[k], &source); k++)
            continue;
        if (k == sources->count && k < SOURCES_MAX)
            sources->list[sources->count++] = source;
        sources->of[i] = (uint8_t)k;
    }
}

/* The resource as OTLP has it; lines that name none are taken for the agent's own service's. */
static int open_resource(struct json_writer *body, struct text resource, const struct resource *own)
{
    const char *at = NULL, *separator = "";
    struct member member;

    if (body->comma)
        PUT(body, ",");
    body->comma = true;
    PUT(body, "{\"resource\":");
    if (resource.len == 0) {
        json_writer_bytes(body, own->json, own->length);
    } else {
        PUT(body, "{\"attributes\":[");
        while (next_member(resource, &at, &member)) {
            json_writer_bytes(body, separator, strlen(separator));
            if (put_attribute(body, &member, false) != 0)
                return -1;
            separator = ",";
        }
        PUT(body, "]}");
    }
    PUT(body, ",\"scopeLogs\":[");
    return 0;
}

static void open_scope(struct json_writer *body, struct text name, bool first)
{
    if (!first)
        PUT(body, ",");
    PUT(body, "{\"scope\":{\"name\":\"");
    otlp_log_value_text(body, name, false);
    PUT(body, "\"},\"logRecords\":[");
}

/* A batch on its way into a body. */
struct batch {
    struct json_writer body;
    const struct otlp_record *lines;
    size_t count;
    const struct resource *own;
    struct sources sources;
    size_t bad; /* the line that can't be encoded; `count` for none */
};

/* All records of source number `which`. */
static int put_scope(struct batch *batch, size_t which, bool first)
{
    const char *separator = "";
    size_t i;

    open_scope(&batch->body, batch->sources.list[which].scope, first);
    for (i = 0; i < batch->count && !batch->body.overflow; i++) {
        if (batch->sources.of[i] != which)
            continue;
        json_writer_bytes(&batch->body, separator, strlen(separator));
        separator = ",";
        if (put_record(&batch->body, &batch->lines[i], batch->sources.list[which].resource) != 0) {
            batch->bad = i;
            return -1;
        }
    }
    PUT(&batch->body, "]}");
    return 0;
}

/* The sources that share the resource of number `first`, which is the first that has it. */
static int put_resource(struct batch *batch, size_t first)
{
    const struct sources *const sources = &batch->sources;
    const struct text resource = sources->list[first].resource;

    if (open_resource(&batch->body, resource, batch->own) != 0) {
        for (batch->bad = 0; sources->of[batch->bad] != first; batch->bad++)
            continue;
        return -1;
    }
    for (size_t which = first; which < sources->count; which++) {
        if (same(sources->list[which].resource, resource) &&
            put_scope(batch, which, which == first) != 0)
            return -1;
    }
    PUT(&batch->body, "]}");
    return 0;
}

static bool has_elder(const struct sources *sources, size_t which)
{
    size_t i;

    for (i = 0; i < which; i++) {
        if (same(sources->list[i].resource, sources->list[which].resource))
            return true;
    }
    return false;
}

/* A record whose source found no room in the list stands alone. */
static int put_alone(struct batch *batch, size_t i)
{
    const struct source source = source_of(&batch->sources, &batch->lines[i]);

    batch->bad = i;
    if (open_resource(&batch->body, source.resource, batch->own) != 0)
        return -1;
    open_scope(&batch->body, source.scope, true);
    if (put_record(&batch->body, &batch->lines[i], source.resource) != 0)
        return -1;
    PUT(&batch->body, "]}]}");
    batch->bad = batch->count;
    return 0;
}

static int put_batch(struct batch *batch)
{
    size_t i;

    collect_sources(&batch->sources, batch->lines, batch->count);
    PUT(&batch->body, "{\"resourceLogs\":[");
    for (i = 0; i < batch->sources.count; i++) {
        if (!has_elder(&batch->sources, i) && put_resource(batch, i) != 0)
            return -1;
    }
    for (i = 0; i < batch->count && !batch->body.overflow; i++) {
        if (batch->sources.of[i] == SOURCES_MAX && put_alone(batch, i) != 0)
            return -1;
    }
    PUT(&batch->body, "]}");
    return batch->body.overflow ? -1 : 0;
}

size_t otlp_logs_encode(char *out, size_t cap, const struct otlp_record *lines, size_t count,
                        const struct resource *resource, size_t *bad)
{
    struct batch batch = {.body = {.buf = out, .cap = cap},
                          .lines = lines,
                          .count = count,
                          .own = resource,
                          .bad = count};
    int result;

    assert(count <= OTLP_LOGS_LINES_MAX);
    result = put_batch(&batch);
    *bad = batch.bad;
    return result == 0 ? batch.body.len : 0;
}
