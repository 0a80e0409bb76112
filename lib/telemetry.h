/*
 * A program's telemetry in one place: metrics, the two spools, resource, sampler and log level. The
 * spans and log lines of a request gather in its buffers. telemetry_flush appends them with one
 * write for each signal; the program calls it before it finishes an answer.
 */
#ifndef LIB_TELEMETRY_H
#define LIB_TELEMETRY_H

#include "lib/base/config.h"
#include "lib/metrics/metrics.h"
#include "lib/spool/signal.h"
#include "lib/spool/tally.h"
#include "lib/spool/writer.h"
#include "lib/trace/keep.h"
#include "lib/trace/log.h"
#include "lib/trace/resource.h"
#include "lib/trace/sampler.h"
#include "lib/trace/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an instance is unless settings say otherwise. */
#define TELEMETRY_RUN_DIR   "/run/microtrace"
#define TELEMETRY_SPOOL_DIR "/var/spool/microtrace"

/* Index for metrics_words_at of the first word of a signal's tallies (lib/spool/tally.h). */
#define TELEMETRY_TALLIES(signal) (32U + (unsigned)SPOOL_TALLY_WORDS * (unsigned)(signal))

/* The settings that every program with telemetry has; part of its own settings struct. */
struct telemetry_settings {
    const char *run_dir;     /* MICROTRACE_RUN_DIR */
    const char *spool_dir;   /* MICROTRACE_SPOOL_DIR */
    const char *config_file; /* MICROTRACE_CONFIG_FILE */
    uint64_t spool_max_bytes;
    uint64_t spool_memory_bytes; /* MICROTRACE_SPOOL_MEMORY_BYTES */
    uint64_t metrics_max_series; /* MICROTRACE_METRICS_MAX_SERIES */
    int log_level;               /* enum log_level */
    bool log_stderr;
    bool sdk_disabled;
    const char *service_name;
    const char *resource_attributes;
    const char *traces_sampler;
    const char *traces_sampler_arg;
    struct keep traces_keep; /* MICROTRACE_TRACES_KEEP */
    /* Not from the environment: how often a loss is said on stderr. */
    enum {
        TELEMETRY_LOSSES_REMINDED, /* once a minute, by all processes of the user together */
        TELEMETRY_LOSSES_SAID,     /* by each process: who runs it reads what it says */
        TELEMETRY_LOSSES_KNOWN,    /* never: it was said */
    } losses;
};

/* The rows of config_load that fill it, telemetry_settings_count of them. */
extern const struct config_setting telemetry_settings_rows[];
extern const size_t telemetry_settings_count;
extern const struct config_table telemetry_settings_table; /* the same, for --help */

/* Says on stderr what telemetry_open would of OTEL_* values that can't be used; for --check. */
void telemetry_settings_check(const struct telemetry_settings *settings);

struct telemetry; /* allocated once a process */

/*
 * Sets up all of it for the program `service` from `settings`; both outlive it. The scope of spans
 * is the service's name and version. Warnings of OTEL_* values go to stderr. Works without a usable
 * metrics file or spool; see telemetry_problem. Returns NULL only if memory runs out.
 */
struct telemetry *telemetry_open(const struct telemetry_settings *settings,
                                 const struct resource_service *service);

/*
 * Flushes and releases everything, with the spans whose local roots have not ended. NULL does
 * nothing.
 */
void telemetry_close(struct telemetry *telemetry);

/*
 * Call it between requests: it follows a metrics file that was replaced or has come into being
 * (metrics_refresh). Families and handles stay.
 */
void telemetry_refresh(struct telemetry *telemetry);

/* The metrics; they live as long as the telemetry. */
struct metrics *telemetry_metrics(struct telemetry *telemetry);

/* The instrumentation scope of spans that end from now on; `version` may be NULL. */
void telemetry_set_scope(struct telemetry *telemetry, const char *name, const char *version);

/*
 * span_begin with the settings' sampler and rules. While the SDK is disabled nothing is recorded,
 * and the parent's context is handed on as it is.
 */
void telemetry_span_begin(const struct telemetry *telemetry, struct span *span, const char *name,
                          enum span_kind kind, const struct trace_context *parent, bool remote);

/*
 * Ends `span`. It is gathered, or waits for the end of its local root, or is discarded
 * (MICROTRACE_TRACES_KEEP); a local root's trace is kept or discarded here.
 */
void telemetry_span_end(struct telemetry *telemetry, struct span *span);

/* Adds one observation; its exemplar is `span`, if that is recorded and once its trace is kept. */
void telemetry_observe(struct telemetry *telemetry, struct metrics_histogram *histogram,
                       double value, const struct span *span);

/* Whether all sampled traces are kept, so that telemetry_observe has nothing to wait for. */
bool telemetry_keeps_all(const struct telemetry *telemetry);

/* Whether lines of `level` are kept; asked before making fields that cost something. */
bool telemetry_log_enabled(const struct telemetry *telemetry, enum log_level level);

/* Gathers a log line; also prints it on stderr if MICROTRACE_LOG_STDERR is set. */
void telemetry_log(struct telemetry *telemetry, enum log_level level, const char *name,
                   const char *message, const struct log_context *context,
                   const struct attribute *fields, size_t field_count);

/*
 * Appends what was gathered to the spools; spans that wait for a decision go on waiting. Returns 0,
 * or -1 if records were lost, and counted.
 */
int telemetry_flush(struct telemetry *telemetry);

/* In a forked child: forgets what was gathered before the fork; the parent writes it. */
void telemetry_forked(struct telemetry *telemetry);

/*
 * Tries whether metrics file and spool can be written now. Returns NULL, or a one-line reason in
 * memory that lives until the next call.
 */
const char *telemetry_problem(struct telemetry *telemetry);

#endif
