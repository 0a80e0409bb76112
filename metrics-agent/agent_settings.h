/*
 * The agent's settings: the instance's own (MICROTRACE_*) and where to send what (OTEL_*, by the
 * OpenTelemetry specification, "OTLP Exporter" and "SDK environment variables").
 */
#ifndef METRICS_AGENT_AGENT_SETTINGS_H
#define METRICS_AGENT_AGENT_SETTINGS_H

#include "lib/base/config.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    AGENT_SETTINGS_URL_MAX = 2048,
    AGENT_SETTINGS_HEADERS_MAX = 32,
    AGENT_SETTINGS_HEADER_MAX = 4096, /* "Name: value" and its NUL */
};

enum agent_compression { AGENT_COMPRESSION_NONE, AGENT_COMPRESSION_GZIP };
/* Where / is served: if only this machine can reach it, always, never. */
enum agent_page { AGENT_PAGE_LOCAL, AGENT_PAGE_ON, AGENT_PAGE_OFF };
enum agent_protocol { AGENT_PROTOCOL_JSON, AGENT_PROTOCOL_PROTOBUF };

/* How one signal is exported. */
struct agent_export {
    const char *endpoint;             /* as in the environment; `url` is what counts */
    const char *headers;              /* the same; see agent_settings_header */
    const char *headers_file;         /* a file in place of `headers` (header_file.h), or NULL */
    const char *headers_variable;     /* the variable that named it */
    uint64_t timeout_ms;              /* of one request */
    int compression;                  /* enum agent_compression */
    int protocol;                     /* enum agent_protocol */
    const char *certificate;          /* PEM file of the CAs to trust, or NULL for the system's */
    const char *client_certificate;   /* PEM file, or NULL */
    const char *client_key;           /* PEM file, or NULL */
    char url[AGENT_SETTINGS_URL_MAX]; /* "" if nothing is sent */
};

struct agent_settings {
    struct telemetry_settings telemetry;
    uint64_t segment_bytes;      /* MICROTRACE_SPOOL_SEGMENT_BYTES */
    uint64_t keep_bytes;         /* MICROTRACE_SPOOL_KEEP_BYTES */
    const char *listen;          /* MICROTRACE_AGENT_LISTEN */
    int page;                    /* MICROTRACE_AGENT_PAGE: enum agent_page */
    int exporter[SPOOL_SIGNALS]; /* OTEL_TRACES_EXPORTER, ...: 0 otlp, 1 none */
    struct agent_export export[SPOOL_SIGNALS];
};

/*
 * Reads everything from the environment, whose strings `settings` borrows. OTEL_* values that can't
 * be used are told to `warn`. Returns 0, or -1 with a message in `error`.
 */
int agent_settings_load(struct agent_settings *settings, void (*warn)(const char *message),
                        char error[CONFIG_ERROR_MAX]);

/* The tables that it reads, for --help; NULL-terminated. */
extern const struct config_table *const agent_settings_tables[];

/*
 * Takes the next member of a list of headers in W3C Baggage encoding ("name=value,...", values
 * percent-encoded) and writes it as "Name: value" into `header`. *at is moved on. Returns 1, 0 at
 * the end, or -1 for a member that can't be used.
 */
int agent_settings_header(const char **at, char header[AGENT_SETTINGS_HEADER_MAX]);

/* Tells `warn` of members of `list`, which came from `variable`, that can't be used. */
void agent_settings_check_headers(const char *list, const char *variable,
                                  void (*warn)(const char *message));

/*
 * For a signal that is not sent: why not. Returns whether a setting asks for that; else there is no
 * endpoint that can be used.
 */
bool agent_settings_nowhere(const struct agent_settings *settings, enum spool_signal signal,
                            char why[CONFIG_ERROR_MAX]);

/* The variables that name the signal's own endpoint, and whether it is sent at all. */
const char *agent_settings_endpoint_name(enum spool_signal signal);
const char *agent_settings_exporter_name(enum spool_signal signal);

#endif
