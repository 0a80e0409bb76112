#include "lib/spool/signal.h"

const char *const spool_signal_names[SPOOL_SIGNALS] = {"traces", "logs", "metrics"};

const struct spool_signal_words spool_signal_words[SPOOL_SIGNALS] = {
    [SPOOL_TRACES] = {"resourceSpans", "scopeSpans", "spans"},
    [SPOOL_LOGS] = {"resourceLogs", "scopeLogs", "logRecords"},
    [SPOOL_METRICS] = {"resourceMetrics", "scopeMetrics", "metrics"},
};
