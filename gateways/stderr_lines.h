/*
 * What a program writes on stderr: a log line for each of its lines, tied to the request's span,
 * and a copy for whoever read it before us.
 */
#ifndef GATEWAYS_STDERR_LINES_H
#define GATEWAYS_STDERR_LINES_H

#include "lib/telemetry.h"

#include <stddef.h>
#include <stdint.h>

enum {
    STDERR_LINES_LENGTH_MAX = 4096, /* bytes of a line that are kept; the rest is cut and counted */
    STDERR_LINES_MAX = 1000,        /* log lines of one request; further ones are counted */
};

/* The caller sets the first part; all of that is borrowed until stderr_lines_end. */
struct stderr_lines {
    struct telemetry *telemetry;
    const struct log_context *context;
    const char *logger;
    char *line; /* room for STDERR_LINES_LENGTH_MAX + 1 bytes */
    /*
     * Gets each line, at most STDERR_LINES_LENGTH_MAX bytes and a newline. NULL where the lines
     * have another way there; then empty ones are passed over.
     */
    void (*copy)(void *to, const char *line, size_t length);
    void *to;

    size_t length;    /* of `line` */
    uint64_t cut;     /* bytes of this line that were not kept */
    uint64_t lines;   /* that the program has written */
    uint64_t cut_all; /* bytes of all lines that were not kept */
};

/* Takes what the program has written. */
void stderr_lines_take(struct stderr_lines *err, const char *bytes, size_t size);

/* The last line may lack its newline. */
void stderr_lines_end(struct stderr_lines *err);

/* Log lines that were not made, because there were too many. */
uint64_t stderr_lines_dropped(const struct stderr_lines *err);

#endif
