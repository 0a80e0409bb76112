/*
 * The signals that a spool carries (OpenTelemetry specification, "Signals"), each in files of its
 * own.
 */
#ifndef LIB_SPOOL_SIGNAL_H
#define LIB_SPOOL_SIGNAL_H

enum spool_signal {
    SPOOL_TRACES,
    SPOOL_LOGS,
    SPOOL_METRICS, /* only from other programs' OTLP lines; ours are in the metrics file */
    SPOOL_SIGNALS,
    SPOOL_OWN_SIGNALS = SPOOL_METRICS, /* those that our own writers write */
};

/* "traces", "logs" and "metrics": file names and label values. */
extern const char *const spool_signal_names[SPOOL_SIGNALS];

/* How OTLP (opentelemetry-proto, trace, logs and metrics) names the three levels of its data. */
struct spool_signal_words {
    const char *resources; /* "resourceSpans": the list of a line, and of a request */
    const char *scopes;    /* "scopeSpans" */
    const char *records;   /* "spans" */
};

extern const struct spool_signal_words spool_signal_words[SPOOL_SIGNALS];

#endif
