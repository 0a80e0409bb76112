/*
 * An answer: status, header fields and body, as a handler leaves it for the gateway.
 */
#ifndef FCGI_APP_REPLY_H
#define FCGI_APP_REPLY_H

#include "http/http_status.h"
#include "lib/base/json_writer.h"
#include "lib/trace/context.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    REPLY_HEAD_MAX = 2048, /* bytes of the header as a gateway sends it */
};

struct reply {
    const struct http_status *status;
    const char *content_type;
    const char *request_id;
    const struct trace_context *trace;   /* traceresponse: the server span; or NULL */
    const char *allow;                   /* Allow of a 405, or NULL */
    const char *content_security_policy; /* or NULL */
    unsigned retry_after_s;              /* Retry-After; 0 for none */
    bool head_only;          /* to a HEAD request: no body follows, but its length is sent */
    struct json_writer body; /* written into the program's reply buffer */
};

/* An empty 200 of application/json whose body is written to `buffer`. */
void reply_init(struct reply *reply, char *buffer, size_t capacity);

/* The bytes of body to be sent. */
size_t reply_body_length(const struct reply *reply);

/* Writes the CGI response header (RFC 3875 section 6.3) with its empty line; returns its length. */
size_t reply_write_head(const struct reply *reply, char out[REPLY_HEAD_MAX]);

#endif
