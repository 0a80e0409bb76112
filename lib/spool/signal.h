/*
 * The signals that a spool carries (OpenTelemetry specification, "Signals"), each in files of its
 * own.
 */
#ifndef LIB_SPOOL_SIGNAL_H
#define LIB_SPOOL_SIGNAL_H

enum spool_signal {
    SPOOL_TRACES,
    SPOOL_LOGS,
    SPOOL_SIGNALS,
};

/* "traces" and "logs": file names and label values. */
extern const char *const spool_signal_names[SPOOL_SIGNALS];

#endif
