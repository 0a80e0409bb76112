/*
 * The body of one request, in the encoding that the signal is exported in. Owns the buffers.
 */
#ifndef METRICS_AGENT_EXPORT_EXPORT_REQUEST_H
#define METRICS_AGENT_EXPORT_EXPORT_REQUEST_H

#include "lib/telemetry.h"
#include "lib/trace/resource.h"
#include "metrics-agent/agent_settings.h"
#include "metrics-agent/export/otlp_logs.h"
#include "metrics-agent/export/otlp_protobuf.h"

#include <stddef.h>

enum { EXPORT_REQUEST_WRONG_MAX = 80 };

struct export_request {
    enum spool_signal signal;
    enum agent_protocol protocol;
    const struct resource *resource;
    char *json;                           /* NULL while closed */
    unsigned char *wire;                  /* NULL but for protobuf */
    size_t cap;                           /* bytes of each */
    size_t usual;                         /* what they have but for a record that needs more */
    char wrong[EXPORT_REQUEST_WRONG_MAX]; /* why the last request has no protobuf; "" if it has */
};

/* A body, borrowed until the next one is made. */
struct export_request_body {
    const char *bytes;
    size_t len;
};

/*
 * Prepares for requests of records of `usual` bytes. Returns 0, or -1 if memory runs out.
 * `resource` is borrowed.
 */
int export_request_open(struct export_request *request, enum spool_signal signal,
                        enum agent_protocol protocol, const struct resource *resource,
                        size_t usual);

void export_request_close(struct export_request *request);

/*
 * Makes a request of all `count` records (at most OTLP_LOGS_LINES_MAX). A single one may be as long
 * as SPOOL_LINES_RECORD_MAX. Returns 0; or -1 if they can't be in one request: then *bad is the
 * index of the record at fault, or `count` if that is not known.
 */
int export_request_make(struct export_request *request, const struct otlp_record *records,
                        size_t count, struct export_request_body *body, size_t *bad);

/*
 * One record as the JSON of a request of its own, which is a line of OTLP's JSON as well, whatever
 * the protocol. A log line of our own form stays as it is. Returns its bytes, borrowed like a body.
 */
struct text export_request_alone(struct export_request *request, const struct otlp_record *record);

/* Makes a request without records. */
void export_request_make_empty(struct export_request *request, struct export_request_body *body);

#endif
