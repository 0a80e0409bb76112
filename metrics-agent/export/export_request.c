#include "metrics-agent/export/export_request.h"

#include "lib/spool/writer.h"
#include "metrics-agent/export/otlp_protobuf.h"
#include "metrics-agent/export/otlp_traces.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

int export_request_open(struct export_request *r, enum spool_signal signal,
                        enum agent_protocol protocol, const struct resource *resource,
                        size_t window)
{
    *r = (struct export_request){.signal = signal, .protocol = protocol, .resource = resource};
    r->json_cap = window + 2 * RESOURCE_JSON_MAX;
    if (signal == SPOOL_LOGS)
        r->json_cap = (size_t)SPOOL_RECORD_MAX * OTLP_LOGS_GROWTH + 2 * RESOURCE_JSON_MAX;
    /* Pages that no request has needed yet take no memory. */
    r->json = malloc(r->json_cap);
    if (protocol == AGENT_PROTOCOL_PROTOBUF)
        r->wire = malloc(r->json_cap * OTLP_PROTOBUF_GROWTH);
    if (r->json != NULL && (protocol != AGENT_PROTOCOL_PROTOBUF || r->wire != NULL))
        return 0;
    export_request_close(r);
    return -1;
}

void export_request_close(struct export_request *r)
{
    free(r->json);
    free(r->wire);
    r->json = NULL;
    r->wire = NULL;
}

/* The JSON as it is to be sent. */
static int finish(struct export_request *r, size_t len, struct export_request_body *body)
{
    struct otlp_fault fault;

    *body = (struct export_request_body){r->json, len};
    if (r->protocol == AGENT_PROTOCOL_JSON)
        return 0;
    body->bytes = (const char *)r->wire;
    if (otlp_protobuf_encode(r->wire, r->json_cap * OTLP_PROTOBUF_GROWTH, &body->len,
                             otlp_schema_request(r->signal), (struct text){r->json, len},
                             &fault) == 0)
        return 0;
    (void)snprintf(r->wrong, sizeof r->wrong, "%s%s%s", fault.member,
                   fault.member[0] != '\0' ? ": " : "", fault.what);
    return -1;
}

int export_request_make(struct export_request *r, const struct otlp_line *lines, size_t count,
                        struct export_request_body *body, size_t *bad)
{
    size_t len;

    *bad = count;
    r->wrong[0] = '\0';
    len = r->signal == SPOOL_TRACES
              ? otlp_traces_encode(r->json, r->json_cap, lines, count)
              : otlp_logs_encode(r->json, r->json_cap, lines, count, r->resource, bad);
    if (len == 0)
        return -1;
    return finish(r, len, body);
}

void export_request_make_empty(struct export_request *r, struct export_request_body *body)
{
    const int len = snprintf(r->json, r->json_cap, "{\"%s\":[]}",
                             r->signal == SPOOL_TRACES ? "resourceSpans" : "resourceLogs");

    if (finish(r, (size_t)len, body) != 0)
        assert(!"an empty request can be encoded");
}
