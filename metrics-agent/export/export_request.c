#include "metrics-agent/export/export_request.h"

#include "lib/spool/lines.h"
#include "metrics-agent/export/otlp_protobuf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Pages that no request has needed yet take no memory. Returns 0, or -1 with what was there. */
static int resize(struct export_request *r, size_t cap)
{
    char *const json = malloc(cap);
    unsigned char *const wire =
        r->protocol == AGENT_PROTOCOL_PROTOBUF ? malloc(cap * OTLP_PROTOBUF_GROWTH) : NULL;

    if (json == NULL || (r->protocol == AGENT_PROTOCOL_PROTOBUF && wire == NULL)) {
        free(json);
        free(wire);
        return -1;
    }
    free(r->json);
    free(r->wire);
    r->json = json;
    r->wire = wire;
    r->cap = cap;
    return 0;
}

int export_request_open(struct export_request *r, enum spool_signal signal,
                        enum agent_protocol protocol, const struct resource *resource, size_t usual)
{
    *r = (struct export_request){.signal = signal, .protocol = protocol, .resource = resource};
    r->usual = usual + 2 * RESOURCE_JSON_MAX;
    if (signal == SPOOL_LOGS)
        r->usual = usual * OTLP_LOGS_GROWTH + 2 * RESOURCE_JSON_MAX;
    return resize(r, r->usual);
}

void export_request_close(struct export_request *r)
{
    free(r->json);
    free(r->wire);
    r->json = NULL;
    r->wire = NULL;
}

/* Room for one record of this length. Without the memory the request will not fit, and says so. */
static void make_room(struct export_request *r, const struct otlp_record *record)
{
    const size_t growth = record->is_line ? OTLP_LOGS_GROWTH : 1;
    size_t need = record->length * growth + 2 * RESOURCE_JSON_MAX;

    for (int i = 0; record->head != NULL && i < 2; i++)
        need += record->head->resource[i].len + record->head->scope[i].len;
    if (need > r->cap)
        (void)resize(r, need);
}

/* The JSON as it is to be sent. */
static int finish(struct export_request *r, size_t len, struct export_request_body *body)
{
    struct otlp_fault fault;

    r->wrong[0] = '\0';
    *body = (struct export_request_body){r->json, len};
    if (r->protocol == AGENT_PROTOCOL_JSON)
        return 0;
    body->bytes = (const char *)r->wire;
    if (otlp_protobuf_encode(r->wire, r->cap * OTLP_PROTOBUF_GROWTH, &body->len,
                             otlp_schema_request(r->signal), (struct text){r->json, len},
                             &fault) == 0)
        return 0;
    (void)snprintf(r->wrong, sizeof r->wrong, "%s%s%s", fault.member,
                   fault.member[0] != '\0' ? ": " : "", fault.what);
    return -1;
}

static bool any_lines(const struct otlp_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (records[i].is_line)
            return true;
    }
    return false;
}

int export_request_make(struct export_request *r, const struct otlp_record *records, size_t count,
                        struct export_request_body *body, size_t *bad)
{
    size_t len = 0;

    *bad = count;
    if (count == 1)
        make_room(r, records);
    else if (r->cap > r->usual)
        (void)resize(r, r->usual);
    if (any_lines(records, count)) {
        len = otlp_logs_encode(r->json, r->cap, records, count, r->resource, bad);
        if (len == 0)
            return -1;
    }
    len = otlp_splice(r->json, r->cap, len, r->signal, records, count);
    return len > 0 ? finish(r, len, body) : -1;
}

struct text export_request_alone(struct export_request *r, const struct otlp_record *record)
{
    size_t len = 0;

    if (!record->is_line) {
        make_room(r, record);
        len = otlp_splice(r->json, r->cap, 0, r->signal, record, 1);
    }
    return len > 0 ? (struct text){r->json, len} : (struct text){record->text, record->length};
}

void export_request_make_empty(struct export_request *r, struct export_request_body *body)
{
    const int len =
        snprintf(r->json, r->cap, "{\"%s\":[]}", spool_signal_words[r->signal].resources);

    if (finish(r, (size_t)len, body) != 0)
        assert(!"an empty request can be encoded");
}
