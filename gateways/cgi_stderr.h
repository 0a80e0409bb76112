/*
 * What a script writes on stderr: a log line for each of its lines, tied to the request's span, and
 * a copy for whoever read it before us.
 */
#ifndef GATEWAYS_CGI_STDERR_H
#define GATEWAYS_CGI_STDERR_H

#include "lib/telemetry.h"

#include <stddef.h>
#include <stdint.h>

enum {
    CGI_STDERR_LINE_MAX = 4096,  /* bytes of a line that are kept; the rest is cut and counted */
    CGI_STDERR_LINES_MAX = 1000, /* log lines of one request; further ones are counted */
};

struct cgi_stderr {
    struct telemetry *telemetry;
    const struct log_context *context;
    /* Gets each line, at most CGI_STDERR_LINE_MAX bytes and a newline. */
    void (*copy)(void *to, const char *line, size_t length);
    void *to;
    size_t length;    /* of `line` */
    uint64_t cut;     /* bytes of this line that were not kept */
    uint64_t lines;   /* that the script has written */
    uint64_t cut_all; /* bytes of all lines that were not kept */
    char line[CGI_STDERR_LINE_MAX + 1];
};

/* Begins with a request. All is borrowed until cgi_stderr_end. */
void cgi_stderr_begin(struct cgi_stderr *err, struct telemetry *telemetry,
                      const struct log_context *context,
                      void (*copy)(void *to, const char *line, size_t length), void *to);

/* Takes what the script has written. */
void cgi_stderr_take(struct cgi_stderr *err, const char *bytes, size_t size);

/* The last line may lack its newline. */
void cgi_stderr_end(struct cgi_stderr *err);

/* Log lines that were not made, because there were too many. */
uint64_t cgi_stderr_dropped(const struct cgi_stderr *err);

#endif
