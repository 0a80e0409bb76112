#include "metrics-agent/agent_settings.h"

#include "lib/base/shown_url.h"
#include "lib/base/text.h"
#include "metrics-agent/header_file.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char *const compressions[] = {"none", "gzip", NULL};
static const char *const protocols[] = {"http/json", "http/protobuf", NULL};
static const char *const exporters[] = {"otlp", "none", NULL};
static const char *const pages[] = {"local", "on", "off", NULL};

static const struct config_setting own_rows[] = {
    {.name = "MICROTRACE_SPOOL_SEGMENT_BYTES",
     .type = CONFIG_UINT,
     .unit = CONFIG_UNIT_BYTES,
     .offset = offsetof(struct agent_settings, segment_bytes),
     .min = 4096,
     .max = 1e12,
     .fallback = "16777216",
     .help = "Size at which a spool file is sealed and the next one begun."},
    {.name = "MICROTRACE_SPOOL_KEEP_BYTES",
     .type = CONFIG_UINT,
     .unit = CONFIG_UNIT_BYTES,
     .offset = offsetof(struct agent_settings, keep_bytes),
     .max = 1e15,
     .fallback = "67108864",
     .help = "How much is kept of delivered records, for microtrace view and the like; the "
             "oldest go first."},
    {.name = "MICROTRACE_AGENT_LISTEN",
     .type = CONFIG_HOST_PORT,
     .offset = offsetof(struct agent_settings, listen),
     .fallback = "127.0.0.1:9464",
     .help = "Where /metrics, /healthz and the page are served."},
    {.name = "MICROTRACE_AGENT_PAGE",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct agent_settings, page),
     .fallback = "local",
     .choices = pages,
     .help = "Whether the agent serves its page at /: local only where it listens on a loopback "
             "address."},
    {.name = "OTEL_TRACES_EXPORTER",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct agent_settings, exporter[SPOOL_TRACES]),
     .fallback = "otlp",
     .choices = exporters,
     .otel = true,
     .help = "Whether spans are sent."},
    {.name = "OTEL_LOGS_EXPORTER",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct agent_settings, exporter[SPOOL_LOGS]),
     .fallback = "otlp",
     .choices = exporters,
     .otel = true,
     .help = "Whether log records are sent."},
    {.name = "OTEL_METRICS_EXPORTER",
     .type = CONFIG_CHOICE,
     .offset = offsetof(struct agent_settings, exporter[SPOOL_METRICS]),
     .fallback = "otlp",
     .choices = exporters,
     .otel = true,
     .help = "Whether metrics of other programs (NAME.metrics.jsonl) are sent."},
};

/* The same nine variables for all signals and, with TRACES_, LOGS_ or METRICS_ in the name, for
 * one.
 */
#define EXPORT_ROW(variable, kind, member)                                                         \
    .name = "OTEL_EXPORTER_OTLP_" variable, .type = kind,                                          \
    .offset = offsetof(struct agent_export, member), .otel = true
#define EXPORT_ROWS(signal, endpoint_help)                                                         \
    {                                                                                              \
        {EXPORT_ROW(signal "ENDPOINT", CONFIG_STRING, endpoint), .help = endpoint_help},           \
            {EXPORT_ROW(signal "HEADERS", CONFIG_STRING, headers),                                 \
             .help = "Headers of each request: NAME=VALUE,... with percent-encoding."},            \
            {EXPORT_ROW(signal "HEADERS_FILE", CONFIG_STRING, headers_file),                       \
             .help = "File with these headers, in place of the variable; read again when it "      \
                     "changes."},                                                                  \
            {EXPORT_ROW(signal "TIMEOUT", CONFIG_UINT, timeout_ms), .unit = CONFIG_UNIT_MS,        \
             .max = TIMEOUT_MAX_MS, .fallback = "10000",                                           \
             .help = "How long one request may take; 0 for no limit."},                            \
            {EXPORT_ROW(signal "COMPRESSION", CONFIG_CHOICE, compression), .fallback = "none",     \
             .choices = compressions, .help = "Compression of request bodies."},                   \
            {EXPORT_ROW(signal "PROTOCOL", CONFIG_CHOICE, protocol), .fallback = "http/json",      \
             .choices = protocols, .help = "Encoding of request bodies.",                          \
             .advice = " (for a collector's gRPC port 4317 write http/protobuf and the endpoint "  \
                       "of its HTTP port, 4318)"},                                                 \
            {EXPORT_ROW(signal "CERTIFICATE", CONFIG_STRING, certificate),                         \
             .help = "PEM file of the CAs that the endpoint is trusted by."},                      \
            {EXPORT_ROW(signal "CLIENT_CERTIFICATE", CONFIG_STRING, client_certificate),           \
             .help = "PEM file of our certificate."},                                              \
            {EXPORT_ROW(signal "CLIENT_KEY", CONFIG_STRING, client_key),                           \
             .help = "PEM file of our certificate's key."},                                        \
    }

enum { EXPORT_ROW_COUNT = 9, HEADERS_ROW = 1, HEADERS_FILE_ROW, TIMEOUT_TEXT_MAX = 24 };

/* OpenTelemetry, "Environment Variable Specification", Timeout: also what 0, no limit, becomes. */
enum { TIMEOUT_MAX_MS = INT32_MAX };

static const struct config_setting base_rows[EXPORT_ROW_COUNT] =
    EXPORT_ROWS("", "Base URL of the endpoint; /v1/traces, /v1/logs, /v1/metrics are appended.");
static const struct config_setting traces_rows[EXPORT_ROW_COUNT] =
    EXPORT_ROWS("TRACES_", "URL that spans are sent to, as it is.");
static const struct config_setting logs_rows[EXPORT_ROW_COUNT] =
    EXPORT_ROWS("LOGS_", "URL that log records are sent to, as it is.");
static const struct config_setting metrics_rows[EXPORT_ROW_COUNT] =
    EXPORT_ROWS("METRICS_", "URL that metrics of other programs are sent to, as it is.");

static const struct config_setting *const signal_rows[SPOOL_SIGNALS] = {
    [SPOOL_TRACES] = traces_rows, [SPOOL_LOGS] = logs_rows, [SPOOL_METRICS] = metrics_rows};

static const struct config_table own_table = {own_rows, COUNT(own_rows)},
                                 base_table = {base_rows, EXPORT_ROW_COUNT},
                                 traces_table = {traces_rows, EXPORT_ROW_COUNT},
                                 logs_table = {logs_rows, EXPORT_ROW_COUNT},
                                 metrics_table = {metrics_rows, EXPORT_ROW_COUNT};

const struct config_table *const agent_settings_tables[] = {
    &telemetry_settings_table,
    &own_table,
    &base_table,
    &traces_table,
    &logs_table,
    &metrics_table,
    NULL,
};

/*
 * What is wrong with an endpoint, and what to write. Without its scheme "localhost:4318" would be
 * taken for the scheme "localhost".
 */
static const char *endpoint_problem(const char *endpoint)
{
    const char *const scheme_end = strstr(endpoint, "://");

    if (strncasecmp(endpoint, "http://", 7) != 0 && strncasecmp(endpoint, "https://", 8) != 0)
        return scheme_end == NULL ? "has no scheme; write http:// or https:// before the host"
                                  : "has a scheme that OTLP/HTTP does not use; write http:// or "
                                    "https://";
    if (strchr("/?#", scheme_end[3]) != NULL)
        return "has no host; write http://HOST:4318";
    return NULL;
}

/*
 * The URL for a signal: `own` as it is, or `base` with /v1/<signal> appended to its path, "" if
 * neither is set. Returns 0, or -1 and in *why a static text that says what is wrong with the URL
 * and what to write ("has no scheme; write ...").
 */
static int join_url(char url[AGENT_SETTINGS_URL_MAX], const char *base, const char *own,
                    enum spool_signal signal, const char **why)
{
    const char *const source = own != NULL ? own : base;
    size_t path;
    int n;

    url[0] = '\0';
    if (source == NULL)
        return 0;
    *why = endpoint_problem(source);
    if (*why != NULL)
        return -1;
    if (own != NULL) {
        n = snprintf(url, AGENT_SETTINGS_URL_MAX, "%s", own);
    } else {
        /* The path is appended to the path: a query stays behind it, a fragment is never sent. */
        path = strcspn(base, "?#");
        n = snprintf(url, AGENT_SETTINGS_URL_MAX, "%.*s%sv1/%s%.*s", (int)path, base,
                     base[path - 1] == '/' ? "" : "/", spool_signal_names[signal],
                     base[path] == '?' ? (int)strcspn(base + path, "#") : 0, base + path);
    }
    if (n >= AGENT_SETTINGS_URL_MAX) {
        url[0] = '\0';
        *why = "is too long";
        return -1;
    }
    return 0;
}

const char *agent_settings_endpoint_name(enum spool_signal signal)
{
    return signal_rows[signal]->name;
}

const char *agent_settings_exporter_name(enum spool_signal signal)
{
    static const char *const names[SPOOL_SIGNALS] = {"OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER",
                                                     "OTEL_METRICS_EXPORTER"};

    return names[signal];
}

bool agent_settings_nowhere(const struct agent_settings *settings, enum spool_signal signal,
                            char why[CONFIG_ERROR_MAX])
{
    const bool disabled = settings->telemetry.sdk_disabled;
    const bool none = settings->exporter[signal] != 0;

    if (disabled)
        (void)snprintf(why, CONFIG_ERROR_MAX, "OTEL_SDK_DISABLED is true");
    else if (none)
        (void)snprintf(why, CONFIG_ERROR_MAX, "%s is none", agent_settings_exporter_name(signal));
    else
        (void)snprintf(why, CONFIG_ERROR_MAX, "no endpoint is set (OTEL_EXPORTER_OTLP_ENDPOINT)");
    return disabled || none;
}

static bool token_char(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Writes one member, [at, end) without surrounding blanks, as a header. */
static int write_header(const char *at, const char *end, char *header)
{
    const char *equals = memchr(at, '=', (size_t)(end - at)), *p;
    const char *name_end = equals, *value;
    size_t len = 0;

    if (equals == NULL)
        return -1;
    while (name_end > at && (name_end[-1] == ' ' || name_end[-1] == '\t'))
        name_end--;
    if (name_end == at || end - at > AGENT_SETTINGS_HEADER_MAX - 3)
        return -1;
    for (p = at; p < name_end; p++) {
        if (!token_char(*p))
            return -1;
        header[len++] = *p;
    }
    header[len++] = ':';
    header[len++] = ' ';
    for (value = equals + 1; value < end && (*value == ' ' || *value == '\t'); value++)
        continue;
    for (; value < end; value++) {
        int byte = (unsigned char)*value;

        if (*value == '%') {
            byte = end - value < 3 ? -1 : text_hex_byte(value + 1);
            if (byte < 0)
                return -1;
            value += 2;
        }
        /* A line break would smuggle in a header of its own. */
        if (byte < 0x20 || byte == 0x7f)
            return -1;
        header[len++] = (char)byte;
    }
    /* libcurl takes "Name:" as a wish to leave it out, and "Name;" for one with an empty value. */
    if (len == (size_t)(name_end - at) + 2) {
        len--;
        header[len - 1] = ';';
    }
    header[len] = '\0';
    return 0;
}

int agent_settings_header(const char **at, char header[AGENT_SETTINGS_HEADER_MAX])
{
    const char *start = *at, *end;

    while (*start == ',' || *start == ' ' || *start == '\t')
        start++;
    if (*start == '\0') {
        *at = start;
        return 0;
    }
    *at = end = start + strcspn(start, ",");
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return write_header(start, end, header) == 0 ? 1 : -1;
}

/* Reads the signal's rows; what they leave unset is what holds for all signals. */
static int load_signal(const struct config_setting *rows, const struct agent_export *base,
                       struct agent_export *into, void (*warn)(const char *message),
                       char error[CONFIG_ERROR_MAX])
{
    struct config_setting own[EXPORT_ROW_COUNT];
    char timeout[TIMEOUT_TEXT_MAX];
    size_t i;

    (void)snprintf(timeout, sizeof timeout, "%llu", (unsigned long long)base->timeout_ms);
    for (i = 0; i < EXPORT_ROW_COUNT; i++) {
        const void *member = (const char *)base + rows[i].offset;

        own[i] = rows[i];
        if (own[i].type == CONFIG_UINT)
            own[i].fallback = timeout;
        else if (own[i].type == CONFIG_CHOICE)
            own[i].fallback = own[i].choices[*(const int *)member];
        else if (own[i].offset != offsetof(struct agent_export, endpoint))
            own[i].fallback = *(const char *const *)member;
    }
    if (config_load(own, EXPORT_ROW_COUNT, into, warn, error) != 0)
        return -1;
    if (into->timeout_ms == 0)
        into->timeout_ms = TIMEOUT_MAX_MS;
    return 0;
}

void agent_settings_check_headers(const char *list, const char *variable,
                                  void (*warn)(const char *message))
{
    char header[AGENT_SETTINGS_HEADER_MAX], line[CONFIG_ERROR_MAX];
    int found, count = 0;

    if (list == NULL)
        return;
    while ((found = agent_settings_header(&list, header)) != 0) {
        if (found > 0 && ++count <= AGENT_SETTINGS_HEADERS_MAX)
            continue;
        (void)snprintf(line, sizeof line,
                       "%s: a member can't be used (NAME=VALUE,... with percent-encoding, at most "
                       "%d); it is left out",
                       variable, AGENT_SETTINGS_HEADERS_MAX);
        warn(line);
    }
}

/* Of one level, a signal's own or the general one, the file counts and not the list. */
static void check_own_headers(const char *list, const char *path, const struct config_setting *rows,
                              void (*warn)(const char *message))
{
    struct header_file file = {.path = path, .variable = rows[HEADERS_FILE_ROW].name};
    char line[CONFIG_ERROR_MAX];

    if (path == NULL) {
        agent_settings_check_headers(list, rows[HEADERS_ROW].name, warn);
        return;
    }
    if (list != NULL) {
        (void)snprintf(line, sizeof line, "%s has no effect: %s is set", rows[HEADERS_ROW].name,
                       file.variable);
        warn(line);
    }
    (void)header_file_look(&file, warn);
    agent_settings_check_headers(file.text, file.variable, warn);
}

static void set_headers(struct agent_export *export, const struct agent_export *base,
                        const struct config_setting *rows, void (*warn)(const char *message))
{
    const char *const list = export->headers != base->headers ? export->headers : NULL;
    const char *const path =
        export->headers_file != base->headers_file ? export->headers_file : NULL;

    if (list == NULL && path == NULL) {
        export->headers_variable = base_rows[HEADERS_FILE_ROW].name;
        return;
    }
    export->headers_file = path;
    export->headers_variable = rows[HEADERS_FILE_ROW].name;
    check_own_headers(list, path, rows, warn);
}

static void set_url(struct agent_settings *settings, const struct agent_export *base,
                    enum spool_signal signal, void (*warn)(const char *message))
{
    struct agent_export *export = &settings->export[signal];
    const char *why = "", *before = "";
    char line[CONFIG_ERROR_MAX], shown[AGENT_SETTINGS_URL_MAX];

    export->url[0] = '\0';
    if (settings->telemetry.sdk_disabled || settings->exporter[signal] != 0)
        return;
    if (join_url(export->url, base->endpoint, export->endpoint, signal, &why) == 0)
        return;
    /* The variable of all signals is named once, for the first that has need of it. */
    if (export->endpoint == NULL && signal != SPOOL_TRACES &&
        settings->export[SPOOL_TRACES].endpoint == NULL && settings->exporter[SPOOL_TRACES] == 0 &&
        join_url(shown, base->endpoint, NULL, SPOOL_TRACES, &before) != 0)
        return;
    shown_url(shown, sizeof(shown), export->endpoint != NULL ? export->endpoint : base->endpoint);
    (void)snprintf(line, sizeof line, "%s: \"%.200s\" %s; it is treated as unset",
                   export->endpoint == NULL ? base_rows->name : signal_rows[signal]->name, shown,
                   why);
    warn(line);
    if (export->endpoint != NULL)
        (void)join_url(export->url, base->endpoint, NULL, signal, &why);
}

int agent_settings_load(struct agent_settings *settings, void (*warn)(const char *message),
                        char error[CONFIG_ERROR_MAX])
{
    struct agent_export base = {.endpoint = NULL};
    int i;

    memset(settings, 0, sizeof *settings);
    if (config_load(telemetry_settings_rows, telemetry_settings_count, &settings->telemetry, warn,
                    error) != 0 ||
        config_load(own_rows, COUNT(own_rows), settings, warn, error) != 0 ||
        config_load(base_rows, EXPORT_ROW_COUNT, &base, warn, error) != 0)
        return -1;
    for (i = 0; i < SPOOL_SIGNALS; i++) {
        if (load_signal(signal_rows[i], &base, &settings->export[i], warn, error) != 0)
            return -1;
        set_url(settings, &base, (enum spool_signal)i, warn);
        set_headers(&settings->export[i], &base, signal_rows[i], warn);
    }
    check_own_headers(base.headers, base.headers_file, base_rows, warn);
    return 0;
}
