/*
 * What the emitting commands share: the instance that they write to, the trace that they are part
 * of, and the KEY=VALUE pairs of their command lines.
 *
 * They fail no script. Whatever is wrong with the instance costs one line on standard error and, as
 * far as that can be counted, a count; only a command line that can't be used ends with
 * COMMAND_USAGE.
 */
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EMIT_PAIRS_MAX = 128, /* of one option */
    EMIT_NAME_MAX = 1024, /* bytes of a span's name and its NUL */
    EMIT_ATTRIBUTES_SIZE = 96 * 1024,
};

/* KEY=VALUE arguments, each key once: the last one counts. */
struct emit_pairs {
    size_t count;
    struct emit_pair {
        char *key;         /* allocated for the life of the process */
        const char *value; /* borrowed from the command line */
    } at[EMIT_PAIRS_MAX];
};

/* For a row of CONFIG_OTHER: adds one to the struct emit_pairs at `member`. */
int emit_pairs_parse(void *member, const char *text);

#define EMIT_PAIRS_TAKE "KEY=VALUE, at most 128 of them"

/* The value of `key`, or NULL. */
const char *emit_pairs_find(const struct emit_pairs *pairs, const char *key);

struct emit {
    struct telemetry_settings settings;
    unsigned propagators; /* OTEL_PROPAGATORS */
    struct resource_service service;
    struct telemetry *telemetry; /* NULL until emit_open */
};

/*
 * For `state` of an options table: chooses the instance. One that is not there is said, and is no
 * failure.
 */
int emit_choose(const char *state);

/*
 * Reads the settings of the chosen instance. A value that can't be used is said on standard error,
 * and its default holds.
 */
void emit_settings(struct emit *emit);

/* The same, and opens the telemetry. Without memory `telemetry` stays NULL, which is said. */
void emit_open(struct emit *emit);

/* Writes what was gathered so far, for a process that goes on. A loss is said once. */
void emit_flush(struct emit *emit);

/* Writes what was gathered. What could not be written was counted and said. */
void emit_close(struct emit *emit);

/*
 * The span that this process is a part of, by TRACEPARENT and the other variables that
 * OTEL_PROPAGATORS names (OpenTelemetry specification, "Environment Variables as Context
 * Propagation Carriers"). Returns whether there is one; *parent is for telemetry_span_begin either
 * way.
 */
bool emit_parent(const struct emit *emit, struct trace_context *parent);

/* The request that a CGI script answers, by HTTP_X_REQUEST_ID; NULL if there is none. */
const char *emit_request_id(void);

/* Copies a name from the command line, without control characters, cut to `size` with its NUL. */
void emit_name(char *out, size_t size, const char *name);

/* A span's attributes, as OTLP has them. */
struct emit_attributes {
    const struct emit_pairs *pairs; /* keys that the command line has win */
    struct json_writer writer;
    unsigned dropped;
    char json[EMIT_ATTRIBUTES_SIZE];
};

/* Begins with the pairs, as strings. */
void emit_attributes_init(struct emit_attributes *attributes, const struct emit_pairs *pairs);

void emit_attributes_add(struct emit_attributes *attributes, struct attribute attribute);

/* An array of strings, NULL-terminated; those at its end that do not fit are left out. */
void emit_attributes_add_strings(struct emit_attributes *attributes, const char *key,
                                 char *const *values);

/* Gives the span these attributes, which outlive it. */
void emit_attributes_put(const struct emit_attributes *attributes, struct span *span);

#endif
