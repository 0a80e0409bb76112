/*
 * What the parts of the public API (include/microtrace.h) share.
 */
#ifndef LIB_MICROTRACE_PRIVATE_H
#define LIB_MICROTRACE_PRIVATE_H

#include "lib/telemetry.h"
#include "lib/trace/attribute.h"

#include <microtrace.h>
#include <pthread.h>

struct mt {
    pthread_mutex_t lock; /* around `telemetry`, which is for one thread at a time */
    struct telemetry *telemetry;
    struct telemetry_settings settings;
    unsigned propagators;
    char *name, *version;
    struct resource_service service;
    struct mt_metric *metrics;
    struct mt *next; /* of all instances that are open in this process */
};

/* The same attribute as lib/trace has it; borrows what `from` borrows. */
struct attribute microtrace_attribute(const struct mt_attribute *from);

/*
 * The `count` attributes at `from`, NULL for none, as lib/trace has them: without absent ones and
 * those without a key; of several that `same` takes for one the last, as on a span. At most `max`
 * go to `out`; the others are counted in `dropped`. Returns how many there are in `out`.
 */
size_t microtrace_attributes(struct attribute *out, size_t max, const struct mt_attribute *from,
                             size_t count, bool (*same)(const char *a, const char *b),
                             unsigned *dropped);

/* What ties a log record to `span`, which may be NULL. Lives as long as the span. */
struct log_context microtrace_log_context(const struct mt_span *span);

/* Observes `value`; its exemplar is the span, if that is sampled and once its trace is kept. */
void microtrace_observe(struct metrics_histogram *histogram, double value,
                        const struct mt_span *span);

/* Releases what mt_declare made. */
void microtrace_metrics_free(struct mt *mt);

#endif
