#include "lib/telemetry.h"

#include "lib/base/clock.h"
#include "lib/base/config_file.h"
#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/families.h"
#include "lib/keeping.h"
#include "lib/loss_notice.h"
#include "lib/metrics/words.h"
#include "lib/spool/lines.h"
#include "lib/spool/tiers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BUFFER_MAX = SPOOL_RECORD_MAX, /* bytes of one signal's lines between two appends */
    PROBLEM_MAX = 512,
    PROBE_EVERY_NS = 1000000000,
    NOTICE_MS = 10000, /* between two looks whether a loss is to be said again */
};

static int parse_keep(void *member, const char *value)
{
    return keep_parse(member, value);
}

#define ROW(variable, kind, member)                                                                \
    .name = variable, .type = kind, .offset = offsetof(struct telemetry_settings, member)

const struct config_setting telemetry_settings_rows[] = {
    {ROW("MICROTRACE_RUN_DIR", CONFIG_STRING, run_dir), .fallback = TELEMETRY_RUN_DIR,
     .help = "Directory of the metrics file and the sockets; best on tmpfs."},
    {ROW("MICROTRACE_SPOOL_DIR", CONFIG_STRING, spool_dir), .fallback = TELEMETRY_SPOOL_DIR,
     .help = "Directory of the spool files."},
    {ROW("MICROTRACE_CONFIG_FILE", CONFIG_STRING, config_file),
     .help = "A file with settings that the environment does not have. Unset: " CONFIG_FILE_PATH
             ", if MICROTRACE_RUN_DIR is unset too."},
    {ROW("MICROTRACE_SPOOL_MAX_BYTES", CONFIG_UINT, spool_max_bytes), .unit = CONFIG_UNIT_BYTES,
     .min = 65536, .max = 1e15, .fallback = "536870912",
     .help = "What the spool may hold, all signals together."},
    {ROW("MICROTRACE_SPOOL_MEMORY_BYTES", CONFIG_UINT, spool_memory_bytes),
     .unit = CONFIG_UNIT_BYTES, .max = 1e15, .fallback = "33554432",
     .help = "How much of it may be in memory, in MICROTRACE_RUN_DIR/spool; 0 for nothing."},
    {ROW("MICROTRACE_METRICS_MAX_SERIES", CONFIG_UINT, metrics_max_series), .min = 1,
     .max = METRICS_SERIES_LIMIT, .fallback = "8192",
     .help = "Room for series in a metrics file that this program creates."},
    {ROW("LOG_LEVEL", CONFIG_LEVEL, log_level), .fallback = "INFO",
     .help = "Lowest level of the log lines that are kept."},
    {ROW("MICROTRACE_LOG_STDERR", CONFIG_BOOL, log_stderr), .fallback = "false",
     .help = "Also print log lines on standard error."},
    {ROW("OTEL_SDK_DISABLED", CONFIG_BOOL, sdk_disabled), .fallback = "false", .otel = true,
     .help = "Record no spans and no logs; propagation and metrics stay."},
    {ROW("OTEL_SERVICE_NAME", CONFIG_STRING, service_name), .otel = true,
     .help = "The resource's service.name; the program's own name unless set."},
    {ROW("OTEL_RESOURCE_ATTRIBUTES", CONFIG_STRING, resource_attributes), .otel = true,
     .help = "More resource attributes: KEY=VALUE,... with percent-encoding."},
    {ROW("OTEL_TRACES_SAMPLER", CONFIG_STRING, traces_sampler), .otel = true,
     .fallback = "parentbased_always_on",
     .help = "always_on, always_off, traceidratio or parentbased_ of these."},
    {ROW("OTEL_TRACES_SAMPLER_ARG", CONFIG_STRING, traces_sampler_arg), .otel = true,
     .help = "The share of traces that a ratio sampler keeps, from 0 to 1."},
    {ROW("MICROTRACE_TRACES_KEEP", CONFIG_OTHER, traces_keep), .parse = parse_keep,
     .fallback = "all",
     .takes = "all, or a list with commas of error, slow:TIME (slow:100ms), ratio:SHARE "
              "(ratio:0.05) and remote, each once",
     .help = "Which sampled traces are written, decided when the request ends: the first "
             "rule that matches keeps a trace."},
};

#undef ROW

const size_t telemetry_settings_count =
    sizeof(telemetry_settings_rows) / sizeof(telemetry_settings_rows[0]);

const struct config_table telemetry_settings_table = {
    telemetry_settings_rows,
    sizeof(telemetry_settings_rows) / sizeof(telemetry_settings_rows[0]),
};

/* One signal's way into its spool. */
struct channel {
    struct spool_writer spool;
    enum spool_result result;  /* of the last flush */
    struct json_writer writer; /* over `buffer`: lines since the last flush */
    uint64_t records;          /* in these */
    char buffer[BUFFER_MAX];
};

struct telemetry {
    const struct telemetry_settings *settings;
    struct metrics *metrics;
    struct metrics_family *dropped;
    struct metrics_counter *stderr_dropped;
    const struct resource_service *service;
    struct resource resource;
    struct scope scope;
    struct sampler sampler;
    struct keeping keeping;
    struct channel channels[SPOOL_OWN_SIGNALS];
    bool line_open; /* the last line of the traces' buffer takes more spans */
    size_t printed_length;
    char printed[BUFFER_MAX]; /* log lines for stderr since the last flush */
    char problem[PROBLEM_MAX];
    uint64_t well_ns;   /* when a probe last found nothing wrong; 0 if the last one did */
    uint64_t notice_ns; /* no notice of a loss before this */
};

/* Forgets what was gathered for a signal. A line of spans can always be ended. */
static void empty(struct telemetry *t, enum spool_signal signal)
{
    struct channel *const channel = &t->channels[signal];
    const size_t tail = signal == SPOOL_TRACES ? SPAN_TAIL_SIZE : 0;

    json_writer_init(&channel->writer, channel->buffer, sizeof(channel->buffer) - tail);
    channel->records = 0;
    if (signal == SPOOL_TRACES)
        t->line_open = false;
}

/* The spans that follow go into another line: the buffer ends, or their resource or scope changes.
 */
static void end_line(struct telemetry *t)
{
    struct json_writer *const w = &t->channels[SPOOL_TRACES].writer;

    if (!t->line_open)
        return;
    w->cap += SPAN_TAIL_SIZE;
    span_write_tail(w);
    w->cap -= SPAN_TAIL_SIZE;
    t->line_open = false;
}

static const char *describe_self(struct telemetry *t)
{
    return resource_init(&t->resource, t->service, t->settings->service_name,
                         t->settings->resource_attributes, metrics_instance_id(t->metrics));
}

void telemetry_settings_check(const struct telemetry_settings *settings)
{
    static const struct resource_service any = {"", NULL, NULL};
    static struct resource resource;
    struct sampler sampler;

    config_warn(resource_init(&resource, &any, settings->service_name,
                              settings->resource_attributes, NULL));
    config_warn(sampler_init(&sampler, settings->traces_sampler, settings->traces_sampler_arg));
}

struct telemetry *telemetry_open(const struct telemetry_settings *settings,
                                 const struct resource_service *service)
{
    struct telemetry *const t = malloc(sizeof(*t));

    if (t == NULL)
        return NULL;
    t->settings = settings;
    t->service = service;
    t->printed_length = 0;
    t->well_ns = 0;
    t->notice_ns = 0;
    t->metrics = metrics_open(settings->run_dir, (uint32_t)settings->metrics_max_series);
    if (t->metrics == NULL) {
        free(t);
        return NULL;
    }
    t->dropped = metrics_declare(t->metrics, &families_table[FAMILY_SPOOL_DROPPED]);
    t->stderr_dropped =
        metrics_counter(metrics_declare(t->metrics, &families_table[FAMILY_STDERR_DROPPED]), NULL);
    config_warn(describe_self(t));
    scope_init(&t->scope, service->name, service->version, service->schema_url);
    config_warn(sampler_init(&t->sampler, settings->traces_sampler, settings->traces_sampler_arg));
    keeping_init(&t->keeping, &settings->traces_keep, t->metrics);
    for (size_t i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        struct channel *const channel = &t->channels[i];

        /* A writer sees only its own file, so each signal gets half of the limit. */
        if (spool_writer_init(&channel->spool, settings->spool_dir, spool_signal_names[i],
                              settings->spool_max_bytes / SPOOL_OWN_SIGNALS) != 0)
            config_warn("MICROTRACE_SPOOL_DIR is too long a path: no spans and logs are kept");
        if (settings->spool_memory_bytes > 0)
            spool_writer_set_memory(&channel->spool, settings->run_dir, spool_signal_names[i],
                                    settings->spool_memory_bytes / SPOOL_TIERS_ACTIVE_SHARE);
        channel->result = SPOOL_OK;
        empty(t, (enum spool_signal)i);
    }
    return t;
}

void telemetry_refresh(struct telemetry *t)
{
    if (!metrics_refresh(t->metrics))
        return;
    end_line(t);
    (void)describe_self(t);
}

struct metrics *telemetry_metrics(struct telemetry *t)
{
    return t->metrics;
}

void telemetry_set_scope(struct telemetry *t, const char *name, const char *version)
{
    end_line(t);
    scope_init(&t->scope, name, version, NULL);
}

void telemetry_span_begin(const struct telemetry *t, struct span *span, const char *name,
                          enum span_kind kind, const struct trace_context *parent, bool remote)
{
    span_begin(span, name, kind, parent, remote, t->settings->sdk_disabled ? NULL : &t->sampler);
    if (t->settings->sdk_disabled && parent != NULL && !ids_trace_is_zero(&parent->trace_id))
        span_pass_on(span, parent);
    if (span->recording)
        keeping_begin(&t->keeping, span);
}

static void count_dropped(struct telemetry *t, enum spool_signal signal, enum spool_result result,
                          uint64_t records)
{
    const char *const values[] = {spool_signal_names[signal], spool_reason(result)};

    metrics_add(metrics_counter(t->dropped, values), records);
}

/* One write for the lines of a request, and none that waits. */
static void flush_printed(struct telemetry *t)
{
    if (t->printed_length > 0)
        (void)message_write(STDERR_FILENO, t->printed, t->printed_length);
    t->printed_length = 0;
}

/* Messages of the whole process, not only log lines. */
static void count_not_printed(struct telemetry *t)
{
    const uint64_t lines = message_take_dropped();

    if (lines > 0)
        metrics_add(t->stderr_dropped, lines);
}

/* For the agent, which then need not read them to know how many they are. */
static void tally(const struct telemetry *t, enum spool_signal signal)
{
    const struct channel *const channel = &t->channels[signal];

    spool_tally_add(metrics_words_at(metrics_words(t->metrics), TELEMETRY_TALLIES(signal)),
                    channel->spool.inode, channel->writer.len, channel->records);
}

static int flush_channel(struct telemetry *t, enum spool_signal signal)
{
    struct channel *const channel = &t->channels[signal];
    unsigned lines;
    uint64_t lost;

    if (channel->writer.len == 0)
        return 0;
    if (signal == SPOOL_TRACES)
        end_line(t);
    channel->result =
        spool_writer_append(&channel->spool, channel->buffer, channel->writer.len, &lines);
    if (channel->result != SPOOL_OK) {
        lost = spool_lines_lost(signal, channel->buffer, channel->writer.len, channel->spool.wrote);
        if (lost > 0)
            count_dropped(t, signal, channel->result, lost);
    } else {
        tally(t, signal);
    }
    empty(t, signal);
    return channel->result == SPOOL_OK ? 0 : -1;
}

/* Only of what could not be written: the path of those who lose nothing has no look at a clock. */
static void say_losses(struct telemetry *t)
{
    const struct channel *failed = NULL;
    const char *const metrics = metrics_problem(t->metrics);

    for (size_t i = 0; i < SPOOL_OWN_SIGNALS && failed == NULL; i++) {
        if (t->channels[i].result != SPOOL_OK)
            failed = &t->channels[i];
    }
    if ((metrics == NULL && failed == NULL) || clock_monotonic_ns() < t->notice_ns)
        return;
    t->notice_ns = clock_monotonic_ns() + clock_ms_to_ns(NOTICE_MS);
    loss_notice_say(t->settings, metrics, failed != NULL ? &failed->spool : NULL,
                    failed != NULL ? failed->result : SPOOL_OK);
}

int telemetry_flush(struct telemetry *t)
{
    int result = 0;

    for (size_t i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        if (flush_channel(t, (enum spool_signal)i) != 0)
            result = -1;
    }
    say_losses(t);
    flush_printed(t);
    count_not_printed(t);
    return result;
}

void telemetry_forked(struct telemetry *t)
{
    for (size_t i = 0; i < SPOOL_OWN_SIGNALS; i++)
        empty(t, (enum spool_signal)i);
    keeping_clear(&t->keeping, NULL, NULL);
    t->printed_length = 0;
}

/* Adds a span to the line that is open, or begins one. Returns 0, or -1 if it does not fit. */
static int add_span(struct telemetry *t, const struct span *span)
{
    struct json_writer *const w = &t->channels[SPOOL_TRACES].writer;
    const size_t before = w->len;

    if (!t->line_open)
        span_write_head(&t->resource, &t->scope, w);
    span_write_object(span, w);
    if (!w->overflow) {
        t->line_open = true;
        t->channels[SPOOL_TRACES].records++;
        return 0;
    }
    w->overflow = false;
    w->len = before;
    w->comma = t->line_open;
    return -1;
}

/* A full buffer is flushed for the span. */
static void gather_span(void *context, const struct span *span)
{
    struct telemetry *const t = context;

    if (add_span(t, span) == 0)
        return;
    (void)flush_channel(t, SPOOL_TRACES);
    if (add_span(t, span) != 0)
        count_dropped(t, SPOOL_TRACES, SPOOL_OVERSIZE, 1);
}

void telemetry_span_end(struct telemetry *t, struct span *span)
{
    span_end(span);
    if (span->recording)
        keeping_end(&t->keeping, span, gather_span, t);
}

void telemetry_observe(struct telemetry *t, struct metrics_histogram *histogram, double value,
                       const struct span *span)
{
    keeping_observe(&t->keeping, histogram, value, span);
}

bool telemetry_keeps_all(const struct telemetry *t)
{
    return t->settings->traces_keep.count == 0;
}

void telemetry_close(struct telemetry *t)
{
    if (t == NULL)
        return;
    keeping_clear(&t->keeping, gather_span, t);
    (void)telemetry_flush(t);
    for (size_t i = 0; i < SPOOL_OWN_SIGNALS; i++)
        spool_writer_close(&t->channels[i].spool);
    metrics_close(t->metrics);
    free(t);
}

bool telemetry_log_enabled(const struct telemetry *t, enum log_level level)
{
    return (int)level >= t->settings->log_level;
}

/*
 * Gathers the line for stderr without its resource, which is the same in all: between the last
 * field and "}".
 */
static void print_line(struct telemetry *t, const char *line, size_t length)
{
    static const char end[] = "}\n";
    const size_t resource = sizeof(",\"resource\":") - 1 + t->resource.members_length;
    const size_t kept = length - resource - (sizeof(end) - 1);

    if (kept + sizeof(end) - 1 > sizeof(t->printed) - t->printed_length)
        flush_printed(t);
    memcpy(t->printed + t->printed_length, line, kept);
    memcpy(t->printed + t->printed_length + kept, end, sizeof(end) - 1);
    t->printed_length += kept + sizeof(end) - 1;
}

void telemetry_log(struct telemetry *t, enum log_level level, const char *name, const char *message,
                   const struct log_context *context, const struct attribute *fields,
                   size_t field_count)
{
    struct json_writer *const w = &t->channels[SPOOL_LOGS].writer;
    const uint64_t now = clock_unix_ns();
    size_t before = w->len;

    if (!telemetry_log_enabled(t, level))
        return;
    log_write(w, now, level, name, message, context, fields, field_count, &t->resource);
    if (w->overflow) {
        w->overflow = false;
        w->len = before;
        (void)flush_channel(t, SPOOL_LOGS);
        before = 0;
        log_write(w, now, level, name, message, context, fields, field_count, &t->resource);
    }
    if (w->overflow) {
        empty(t, SPOOL_LOGS);
        count_dropped(t, SPOOL_LOGS, SPOOL_OVERSIZE, 1);
        return;
    }
    if (t->settings->log_stderr)
        print_line(t, w->buf + before, w->len - before);
    /* A disabled SDK exports nothing, but printing on stderr is not an export. */
    if (t->settings->sdk_disabled) {
        w->len = before;
        w->comma = false;
    } else {
        t->channels[SPOOL_LOGS].records++;
    }
}

/* Tries to write. */
static const char *find_problem(struct telemetry *t)
{
    const char *const metrics = metrics_problem(t->metrics);

    if (metrics != NULL) {
        (void)snprintf(t->problem, sizeof(t->problem), "metrics file: %s", metrics);
        return t->problem;
    }
    for (size_t i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        struct spool_writer *const spool = &t->channels[i].spool;
        const enum spool_result result = spool_writer_probe(spool);

        if (result == SPOOL_OK)
            continue;
        if (result == SPOOL_FULL)
            (void)snprintf(t->problem, sizeof(t->problem),
                           "spool: %s has reached its limit; is the agent running?",
                           spool->disk.path);
        else
            (void)snprintf(t->problem, sizeof(t->problem), "spool: %s: %s", spool->disk.path,
                           instance_file_error(spool->last_errno));
        return t->problem;
    }
    /* What waits in memory can't move there, and is all that there is for now. */
    if (access(t->settings->spool_dir, X_OK) != 0) {
        (void)snprintf(t->problem, sizeof(t->problem), "spool: %s: %s", t->settings->spool_dir,
                       strerror(errno));
        return t->problem;
    }
    return NULL;
}

/* Whether the spool's files are there and may be written, as far as that shows without writing. */
static bool names_lead(const struct telemetry *t)
{
    for (size_t i = 0; i < SPOOL_OWN_SIGNALS; i++) {
        if (!spool_writer_leads(&t->channels[i].spool))
            return false;
    }
    return true;
}

const char *telemetry_problem(struct telemetry *t)
{
    const uint64_t now = clock_monotonic_ns();
    const char *problem;

    /* A load balancer that asks more often than once a second does not make us write more often. */
    if (now - t->well_ns < PROBE_EVERY_NS && metrics_problem(t->metrics) == NULL && names_lead(t))
        return NULL;
    problem = find_problem(t);
    t->well_ns = problem == NULL ? now : 0;
    return problem;
}
