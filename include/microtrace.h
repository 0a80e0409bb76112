/*
 * MicroTrace: metrics, traces and logs of programs that live in many short-lived processes.
 *
 *     struct mt *mt = mt_open("shop", "1.4.2");
 *     struct mt_span *span = mt_span_start_env(mt, "nightly import", MT_SPAN_INTERNAL);
 *     mt_span_set(span, mt_int("rows", 1204));
 *     mt_log(mt, span, MT_LOG_INFO, "shop.import", "import_done", NULL, 0);
 *     mt_span_end(span);
 *     mt_close(mt);
 *
 * Metrics go to one file that all processes of the instance map, spans and log records to spool
 * files; metrics-agent serves the first to Prometheus and sends the others to an OpenTelemetry
 * collector. No function here opens a connection or waits for another process.
 *
 * Compile and link with `pkg-config --cflags --libs microtrace` (C11 or newer, C++17 or newer).
 *
 * Failures. No call fails its program. What can't be recorded (full disk, missing directory, no
 * memory) is counted in microtrace_spool_dropped_records_total or in the metrics file's own
 * counters, and the call returns as usual. NULL is accepted for every object: the call does
 * nothing and returns NULL, 0 or false. Settings that can't be used are named in one line on
 * standard error, and their default holds.
 *
 * Strings are UTF-8 and NUL-terminated. All are copied, unless a function says otherwise; bytes
 * that are not UTF-8 become U+FFFD.
 *
 * Threads. Any number of threads may share a `struct mt`, its metrics and its series. A span is
 * used by one thread at a time; different spans by different threads. mt_close is called by one
 * thread when no other uses the instance.
 *
 * Fork. A child may go on using the instance. What the parent had gathered and not flushed is
 * written by the parent alone. A span that was started before the fork is ended by one of the two.
 * The child's live gauges count from its first mt_flush.
 * A child after vfork(2) may only exec or _exit.
 *
 * Signals. The library changes no signal disposition but one: SIGBUS is handled while a metrics
 * file is mapped, so that its truncation does not end the program; every other SIGBUS takes the
 * action that was set before mt_open. No function is async-signal-safe.
 *
 * Descriptors are opened with O_CLOEXEC. Settings come from the environment, which is never
 * changed, and from /etc/microtrace/microtrace.conf (microtrace.conf(5)); microtrace(3) lists them.
 */
#ifndef MICROTRACE_H
#define MICROTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* --- The instance ----------------------------------------------------------------------------- */

struct mt;      /* one program's connection to an instance: metrics file, spool, settings */
struct mt_span; /* a span that has not ended */

/*
 * Opens the instance that the settings name (MICROTRACE_RUN_DIR, MICROTRACE_SPOOL_DIR) for the
 * service `name`, version `version` (NULL for none). Both become resource attributes of all spans
 * and log records, service.name and service.version, and name the instrumentation scope of spans
 * (see mt_set_scope). OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over them (OpenTelemetry
 * specification, "Resource SDK").
 *
 * Works without a usable directory: metrics then stay in this process, and records are dropped and
 * counted, until the directory is there. Returns NULL without memory. Release with mt_close.
 */
struct mt *mt_open(const char *name, const char *version);

/* Flushes and releases `mt` with all its metrics and series. Spans are ended before. */
void mt_close(struct mt *mt);

/*
 * The instrumentation scope of spans that end from now on: the library or module that makes them
 * (OpenTelemetry specification, "Instrumentation scope"). At first the name and version of
 * mt_open. `version` may be NULL.
 */
void mt_set_scope(struct mt *mt, const char *name, const char *version);

/*
 * Appends the gathered spans and log records to the spool: one write(2) for each of the two. Call
 * it before the program answers: what was flushed survives kill -9. Also attaches to a metrics file
 * that was replaced or has come into being, looking at most once a second. Returns 0, or -1 if
 * records were lost (and counted).
 */
int mt_flush(struct mt *mt);

/*
 * Whether metrics file and spool can be written now, found out by trying; for readiness probes, not
 * for each request. Returns 0, or -1 with a one-line reason in `text`, cut to `size` bytes with its
 * NUL. `text` may be NULL.
 */
int mt_check(struct mt *mt, char *text, size_t size);

/* --- Metrics ---------------------------------------------------------------------------------- */

struct mt_metric; /* a declared metric; lives until mt_close */
struct mt_series; /* one set of label values of a metric; lives until mt_close */

enum mt_metric_kind {
    MT_COUNTER = 1,    /* only grows; the sum over all processes that ever counted */
    MT_GAUGE = 2,      /* one value, the last that any process set */
    MT_LIVE_GAUGE = 3, /* a whole number in each process; the sum over those that live */
    MT_HISTOGRAM = 4,
};

enum {
    MT_LABELS_MAX = 8,
    MT_BOUNDS_MAX = 64,
    MT_NAME_MAX = 127,        /* bytes of a metric's or label's name */
    MT_LABEL_VALUE_MAX = 255, /* bytes of a label's value */
};

/*
 * Declares a metric, or finds the one of that name. `name` follows the rules of Prometheus and
 * OpenMetrics 1.0: [a-zA-Z_:][a-zA-Z0-9_:]*, a counter ends in _total, `unit` ("seconds", "bytes",
 * NULL for none) is the name's suffix (before _total). `help` is one sentence. `labels` is a
 * NULL-terminated array of label names, at most MT_LABELS_MAX, or NULL for none.
 *
 * All processes of an instance declare a metric alike; a declaration that differs, is malformed or
 * finds no room is refused: its series then count in this process alone, and the refusal is
 * counted. Returns NULL without memory, without a name or help, and for more labels or bounds than
 * the limits above.
 */
struct mt_metric *mt_declare(struct mt *mt, enum mt_metric_kind kind, const char *name,
                             const char *help, const char *unit, const char *const *labels);

/*
 * The same for a histogram with the `count` upper bounds `bounds`: finite, ascending, at most
 * MT_BOUNDS_MAX. mt_declare gives a histogram the bounds that request_latency_seconds has
 * (0.0001 to 10, in seconds).
 */
struct mt_metric *mt_declare_histogram(struct mt *mt, const char *name, const char *help,
                                       const char *unit, const char *const *labels,
                                       const double *bounds, size_t count);

/*
 * The series of `metric` with these label values, one for each label in order; NULL for a metric
 * without labels. The series exists from here on, at zero. Takes a lock of this process and a look
 * into a table: keep what it returns rather than asking for each update.
 */
struct mt_series *mt_metric_series(struct mt_metric *metric, const char *const *values);

/*
 * Updates: some instructions on mapped memory, no lock, no system call. A call that does not fit
 * the metric's kind does nothing.
 */
void mt_add(struct mt_series *counter, uint64_t n);
void mt_set(struct mt_series *gauge, double value);     /* live gauge: rounded toward zero */
void mt_adjust(struct mt_series *gauge, double amount); /* adds; negative to subtract */

/*
 * Adds one observation to a histogram, in the unit of its name. NaN is ignored. With a sampled
 * `exemplar` the bucket remembers its trace and span id (OpenMetrics 1.0, "Exemplars"); NULL for
 * none. With MICROTRACE_TRACES_KEEP it does so once the trace is known to be kept, of the first 64
 * observations that wait for that, and the call with an exemplar takes a lock of this process.
 */
void mt_observe(struct mt_series *histogram, double value, const struct mt_span *exemplar);

/* --- Attributes ------------------------------------------------------------------------------- */

enum mt_type { MT_TYPE_STRING, MT_TYPE_INT, MT_TYPE_DOUBLE, MT_TYPE_BOOL, MT_TYPE_BYTES };

/*
 * An attribute of a span or event, or a field of a log record: the scalar types of OTLP
 * (common.proto, AnyValue). It borrows key and text until the call that it is passed to returns.
 */
struct mt_attribute {
    const char *key;
    enum mt_type type;
    size_t length; /* strings and bytes: how many there are at `text` */
    union {
        const char *text; /* NULL: the attribute is left out */
        int64_t integer;
        double number;
        bool boolean;
    } value;
};

static inline struct mt_attribute mt_string_n(const char *key, const char *text, size_t length)
{
    struct mt_attribute attribute;

    attribute.key = key;
    attribute.type = MT_TYPE_STRING;
    attribute.length = length;
    attribute.value.text = text;
    return attribute;
}

static inline struct mt_attribute mt_string(const char *key, const char *text)
{
    return mt_string_n(key, text, text != NULL ? strlen(text) : 0);
}

static inline struct mt_attribute mt_bytes(const char *key, const void *bytes, size_t length)
{
    struct mt_attribute attribute = mt_string_n(key, (const char *)bytes, length);

    attribute.type = MT_TYPE_BYTES;
    return attribute;
}

static inline struct mt_attribute mt_int(const char *key, int64_t value)
{
    struct mt_attribute attribute = mt_string_n(key, NULL, 0);

    attribute.type = MT_TYPE_INT;
    attribute.value.integer = value;
    return attribute;
}

static inline struct mt_attribute mt_double(const char *key, double value)
{
    struct mt_attribute attribute = mt_string_n(key, NULL, 0);

    attribute.type = MT_TYPE_DOUBLE;
    attribute.value.number = value;
    return attribute;
}

static inline struct mt_attribute mt_bool(const char *key, bool value)
{
    struct mt_attribute attribute = mt_string_n(key, NULL, 0);

    attribute.type = MT_TYPE_BOOL;
    attribute.value.boolean = value;
    return attribute;
}

/* --- Spans ------------------------------------------------------------------------------------ */

/*
 * Which traces are kept. With MICROTRACE_TRACES_KEEP (docs/operations.md, "Which traces are kept")
 * a span without a parent in this process, the local root, decides when it ends: it and all spans
 * below it are written, or none is. So
 * - a span that ends before its local root waits for it, and mt_flush does not write it; kill -9
 *   loses it. End the local root before mt_flush and the answer;
 * - what waits in an instance is bounded (256 KiB): a trace for which there is no room is written;
 * - a span that ends after its local root goes its way, but an error or its time decides no more;
 * - spans that wait get the scope (mt_set_scope) that holds when their local root ends;
 * - spans whose local root never ends are written by mt_close.
 * After fork, spans that had ended wait in the parent alone. If the child ends their local root,
 * mt_close of the parent writes them.
 */

/* OTLP trace.proto, Span.SpanKind. Any other number counts as the first. */
enum mt_span_kind {
    MT_SPAN_INTERNAL = 1,
    MT_SPAN_SERVER = 2,
    MT_SPAN_CLIENT = 3,
    MT_SPAN_PRODUCER = 4,
    MT_SPAN_CONSUMER = 5,
};

/* OTLP trace.proto, Status.StatusCode. */
enum mt_status { MT_STATUS_UNSET = 0, MT_STATUS_OK = 1, MT_STATUS_ERROR = 2 };

enum {
    MT_SPAN_ATTRIBUTES_MAX = 128, /* further ones are counted in droppedAttributesCount */
    MT_SPAN_EVENTS_MAX = 128,     /* further ones are counted in droppedEventsCount */
    MT_TRACEPARENT_SIZE = 56,     /* 55 characters and a NUL */
    MT_REQUEST_ID_MAX = 128,
};

/*
 * Starts a span now, the root of a new trace or, with `parent`, its child. The sampler of
 * OTEL_TRACES_SAMPLER decides here, on the trace id that the span gets; a span that is not sampled
 * still hands its context on. End it with mt_span_end; `parent` may end first. Returns NULL without
 * memory.
 */
struct mt_span *mt_span_start(struct mt *mt, const char *name, enum mt_span_kind kind,
                              const struct mt_span *parent);

/*
 * Starts a span as the child of a caller in another process, by the values of its `traceparent` and
 * `tracestate` headers (W3C Trace Context level 2, section 4). NULL or an invalid traceparent
 * starts a new trace.
 */
struct mt_span *mt_span_start_remote(struct mt *mt, const char *name, enum mt_span_kind kind,
                                     const char *traceparent, const char *tracestate);

/*
 * The same by the environment of this process: TRACEPARENT, TRACESTATE and BAGGAGE, and the other
 * formats that OTEL_PROPAGATORS names (OpenTelemetry specification, "Environment Variables as
 * Context Propagation Carriers").
 */
struct mt_span *mt_span_start_env(struct mt *mt, const char *name, enum mt_span_kind kind);

/*
 * The same by a request's variables in the form of CGI and FastCGI (RFC 3875, section 4.1.18):
 * `envp` holds "HTTP_TRACEPARENT=..." and ends with NULL. Takes X-Request-ID too, if it is valid
 * (see mt_span_set_request_id).
 */
struct mt_span *mt_span_start_cgi(struct mt *mt, const char *name, enum mt_span_kind kind,
                                  char *const *envp);

/* Renames the span: {method} {route}, say, once the route is known. */
void mt_span_set_name(struct mt_span *span, const char *name);

/* Sets an attribute; one of the same key is replaced. Keys are not empty. */
void mt_span_set(struct mt_span *span, struct mt_attribute attribute);

/*
 * The request that the span belongs to: the attribute microtrace.request_id, and the request_id of
 * log records with this span or children started from now on. 1 to MT_REQUEST_ID_MAX characters of
 * [A-Za-z0-9._:/+=@-]; anything else is ignored.
 */
void mt_span_set_request_id(struct mt_span *span, const char *request_id);

/* Sets the status, if it is one of the three; MT_STATUS_OK is final. `message` is for
 * MT_STATUS_ERROR alone, or NULL. */
void mt_span_set_status(struct mt_span *span, enum mt_status status, const char *message);

/*
 * Adds an event that happens now, with `count` attributes: at most MT_SPAN_ATTRIBUTES_MAX, further
 * ones are counted in the event's droppedAttributesCount. Of several with one key the last counts.
 */
void mt_span_add_event(struct mt_span *span, const char *name,
                       const struct mt_attribute *attributes, size_t count);

/*
 * Records an error: an event `exception` with exception.type, exception.message and, if not NULL,
 * exception.stacktrace (OpenTelemetry semantic conventions, "Exceptions on spans"), and the status
 * MT_STATUS_ERROR with `message`.
 */
void mt_span_record_error(struct mt_span *span, const char *type, const char *message,
                          const char *stacktrace);

/* Whether the span is recorded: ask before computing something costly for it. */
bool mt_span_is_recording(const struct mt_span *span);

/*
 * Writes the span's version 00 traceparent and a NUL. Returns 0, or -1 and "" for a NULL span.
 */
int mt_span_traceparent(const struct mt_span *span, char out[MT_TRACEPARENT_SIZE]);

/*
 * Calls `put` for each header of an outgoing call under `span`, in the formats of OTEL_PROPAGATORS:
 * traceparent, tracestate, baggage, ..., and X-Request-ID if the span has a request id. Name and
 * value live during the call. Returns the number of headers.
 */
int mt_span_inject(const struct mt_span *span,
                   void (*put)(void *context, const char *name, const char *value), void *context);

/* Ends the span now, gathers its record for the next mt_flush, and releases it. */
void mt_span_end(struct mt_span *span);

/* --- Logs ------------------------------------------------------------------------------------- */

/*
 * Severities of LOG_LEVEL, which keeps records from there on; OTLP numbers 5, 9, 13, 17 and 21. Any
 * other number counts as the last.
 */
enum mt_level { MT_LOG_DEBUG, MT_LOG_INFO, MT_LOG_WARNING, MT_LOG_ERROR, MT_LOG_CRITICAL };

/*
 * Gathers a log record for the next mt_flush: `logger` names its source ("shop.import"; NULL for
 * the service's name), `message` is short and constant, and what varies is in the `count` fields
 * (at most 64; of several of one name the last counts, and one named like a member of every log
 * line, "message" say, becomes "field.message").
 * `span` ties it to a trace and a request, NULL for none. MICROTRACE_LOG_STDERR=true also prints
 * it.
 */
void mt_log(struct mt *mt, const struct mt_span *span, enum mt_level level, const char *logger,
            const char *message, const struct mt_attribute *fields, size_t count);

/* Whether records of `level` are kept. */
bool mt_log_enabled(const struct mt *mt, enum mt_level level);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
