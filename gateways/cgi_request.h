/*
 * One request from its variables to its answer: the script is found, started and watched, its
 * output goes out while it comes, and what happened is written before the answer ends.
 */
#ifndef GATEWAYS_CGI_REQUEST_H
#define GATEWAYS_CGI_REQUEST_H

#include "gateways/cgi_environment.h"
#include "gateways/cgi_error.h"
#include "gateways/cgi_front.h"
#include "gateways/cgi_head.h"
#include "gateways/cgi_process.h"
#include "gateways/cgi_script.h"
#include "gateways/cgi_settings.h"
#include "gateways/head_line.h"
#include "gateways/stderr_lines.h"
#include "http/observer.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a process that serves one request at a time; allocated once. */
struct cgi_request {
    const struct cgi_settings *settings;
    const struct cgi_options *options;
    struct telemetry *telemetry;
    struct observer *observer;
    cgi_process_group *group;          /* where the script's group is told; or NULL */
    const volatile sig_atomic_t *stop; /* set: the request is to be given up; or NULL */
    struct cgi_front front;

    struct request request;
    struct observed observed;
    struct cgi_script script;
    struct cgi_process process;
    struct stderr_lines err;
    char err_line[STDERR_LINES_LENGTH_MAX + 1];

    enum cgi_error_kind error;
    int status;            /* of the answer; 0: none has begun */
    bool told;             /* span, log line and metrics are written */
    bool left_open;        /* another process has kept the script's stdout */
    size_t head_size;      /* bytes in `head` */
    uint64_t left;         /* bytes until the client has all of it; CGI_REQUEST_LEFT_UNKNOWN */
    bool is_complete;      /* the script has no more to answer */
    bool is_whole;         /* by its Content-Length */
    uint64_t body_bytes;   /* of the answer, as the script has written it */
    int64_t first_byte_ns; /* since the request's begin; negative: none came */
    uint64_t progress_ms;  /* when something moved last, monotonic */
    uint64_t complete_ms, exit_ms;
    uint64_t release_ms; /* when the newest piece goes out, if nothing happens before */

    char head[CGI_HEAD_MAX];
    char piece[CGI_FRONT_PIECE_MAX];
    char answer[CGI_HEAD_MAX + HEAD_LINE_ADDED_MAX];
    struct cgi_environment environment;
};

#define CGI_REQUEST_LEFT_UNKNOWN UINT64_MAX

/*
 * Serves the request that `front` has the variables of. `path` is the script's where the command
 * line names it, or NULL. The connection is left to the caller.
 */
void cgi_request_serve(struct cgi_request *r, const char *path);

/* Whether the web server has been told the request's end; an answer that was cut has none. */
bool cgi_request_is_ended(const struct cgi_request *r);

/* For cgi_relay.c: notes a failure, and answers it if no answer has begun. */
void cgi_request_fail(struct cgi_request *r, enum cgi_error_kind error);

/* Writes what happened, once. */
void cgi_request_tell(struct cgi_request *r);

#endif
