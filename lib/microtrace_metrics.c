#include "lib/families.h"
#include "lib/metrics/metrics.h"
#include "lib/microtrace_private.h"

#include <assert.h>
#include <math.h>
#include <microtrace.h>
#include <stdlib.h>
#include <string.h>

static_assert((int)MT_COUNTER == METRICS_COUNTER && (int)MT_GAUGE == METRICS_GAUGE &&
                  (int)MT_LIVE_GAUGE == METRICS_LIVE_GAUGE &&
                  (int)MT_HISTOGRAM == METRICS_HISTOGRAM,
              "one numbering");
static_assert((int)MT_LABELS_MAX == METRICS_LABELS_MAX &&
                  (int)MT_BOUNDS_MAX == METRICS_BOUNDS_MAX &&
                  (int)MT_NAME_MAX == METRICS_NAME_MAX &&
                  (int)MT_LABEL_VALUE_MAX == METRICS_LABEL_VALUE_MAX,
              "the same limits");

/* A metric, and the texts and bounds that its definition points to. */
struct mt_metric {
    struct metrics_family_def def;
    struct metrics_family *family;
    struct mt_metric *next;
    double bounds[MT_BOUNDS_MAX];
    char texts[];
};

/* Copies `text` to *at and moves *at on; NULL stays NULL. */
static const char *keep(char **at, const char *text)
{
    char *const copy = *at;

    if (text == NULL)
        return NULL;
    *at = stpcpy(copy, text) + 1;
    return copy;
}

static size_t size_of(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

/* A private copy of a definition: what a caller declares may be gone when it is needed again. */
static struct mt_metric *copy_of(const struct metrics_family_def *def)
{
    size_t size = size_of(def->name) + size_of(def->help) + size_of(def->unit);
    struct mt_metric *metric;
    char *at;

    for (size_t i = 0; def->labels[i] != NULL; i++)
        size += size_of(def->labels[i]);
    metric = calloc(1, sizeof(*metric) + size);
    if (metric == NULL)
        return NULL;
    at = metric->texts;
    metric->def = *def;
    metric->def.name = keep(&at, def->name);
    metric->def.help = keep(&at, def->help);
    metric->def.unit = keep(&at, def->unit);
    for (size_t i = 0; def->labels[i] != NULL; i++)
        metric->def.labels[i] = keep(&at, def->labels[i]);
    if (def->bound_count > 0)
        memcpy(metric->bounds, def->bounds, def->bound_count * sizeof(def->bounds[0]));
    metric->def.bounds = metric->bounds;
    return metric;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_def(const struct metrics_family_def *a, const struct metrics_family_def *b)
{
    if (a->kind != b->kind || strcmp(a->name, b->name) != 0 || !same_text(a->unit, b->unit) ||
        a->bound_count != b->bound_count ||
        memcmp(a->bounds, b->bounds, a->bound_count * sizeof(a->bounds[0])) != 0)
        return false;
    for (size_t i = 0; i <= MT_LABELS_MAX; i++) {
        if (!same_text(a->labels[i], b->labels[i]))
            return false;
        if (a->labels[i] == NULL)
            break;
    }
    return true;
}

/* What was declared like that before. Another declaration of the name is one of its own: refused.
 */
static struct mt_metric *find(struct mt *mt, const struct metrics_family_def *def)
{
    struct mt_metric *metric = mt->metrics;

    while (metric != NULL && !same_def(&metric->def, def))
        metric = metric->next;
    return metric;
}

static struct mt_metric *declare(struct mt *mt, struct metrics_family_def *def,
                                 const char *const *labels)
{
    struct mt_metric *metric;
    size_t count = 0;

    for (; labels != NULL && labels[count] != NULL; count++) {
        if (count == MT_LABELS_MAX)
            return NULL;
        def->labels[count] = labels[count];
    }
    pthread_mutex_lock(&mt->lock);
    metric = find(mt, def);
    if (metric == NULL && (metric = copy_of(def)) != NULL) {
        metric->family = metrics_declare(telemetry_metrics(mt->telemetry), &metric->def);
        metric->next = mt->metrics;
        mt->metrics = metric;
    }
    pthread_mutex_unlock(&mt->lock);
    return metric;
}

struct mt_metric *mt_declare(struct mt *mt, enum mt_metric_kind kind, const char *name,
                             const char *help, const char *unit, const char *const *labels)
{
    struct metrics_family_def def = {.name = name,
                                     .help = help,
                                     .unit = unit,
                                     .kind = (enum metrics_kind)kind,
                                     .bounds = families_latency_bounds};

    if (kind == MT_HISTOGRAM)
        return mt_declare_histogram(mt, name, help, unit, labels, families_latency_bounds,
                                    FAMILIES_LATENCY_BOUNDS);
    return mt != NULL && name != NULL && help != NULL ? declare(mt, &def, labels) : NULL;
}

struct mt_metric *mt_declare_histogram(struct mt *mt, const char *name, const char *help,
                                       const char *unit, const char *const *labels,
                                       const double *bounds, size_t count)
{
    struct metrics_family_def def = {.name = name,
                                     .help = help,
                                     .unit = unit,
                                     .kind = METRICS_HISTOGRAM,
                                     .bounds = bounds,
                                     .bound_count = count};

    if (mt == NULL || name == NULL || help == NULL || (bounds == NULL && count > 0) ||
        count > MT_BOUNDS_MAX)
        return NULL;
    return declare(mt, &def, labels);
}

void microtrace_metrics_free(struct mt *mt)
{
    while (mt->metrics != NULL) {
        struct mt_metric *const metric = mt->metrics;

        mt->metrics = metric->next;
        free(metric);
    }
}

/*
 * A series is the handle of lib/metrics, with the kind in the low bits of its address: the same
 * values give the same pointer, and there is nothing to allocate or to look up.
 */
enum { KIND_BITS = 7 };

static struct mt_series *series(void *handle, enum metrics_kind kind)
{
    assert(((uintptr_t)handle & KIND_BITS) == 0);
    return handle != NULL ? (struct mt_series *)((uintptr_t)handle | (uintptr_t)kind) : NULL;
}

static enum metrics_kind kind_of(const struct mt_series *series)
{
    return (enum metrics_kind)((uintptr_t)series & KIND_BITS);
}

static void *handle_of(struct mt_series *series)
{
    return (void *)((uintptr_t)series & ~(uintptr_t)KIND_BITS);
}

struct mt_series *mt_metric_series(struct mt_metric *metric, const char *const *values)
{
    const char *const none[MT_LABELS_MAX] = {NULL};

    if (metric == NULL)
        return NULL;
    if (values == NULL)
        values = none;
    for (size_t i = 0; metric->def.labels[i] != NULL; i++) {
        if (values[i] == NULL)
            return NULL;
    }
    switch (metric->def.kind) {
    case METRICS_COUNTER:
        return series(metrics_counter(metric->family, values), METRICS_COUNTER);
    case METRICS_GAUGE:
        return series(metrics_gauge(metric->family, values), METRICS_GAUGE);
    case METRICS_LIVE_GAUGE:
        return series(metrics_live_gauge(metric->family, values), METRICS_LIVE_GAUGE);
    case METRICS_HISTOGRAM:
        return series(metrics_histogram(metric->family, values), METRICS_HISTOGRAM);
    }
    return NULL;
}

void mt_add(struct mt_series *counter, uint64_t n)
{
    if (kind_of(counter) == METRICS_COUNTER)
        metrics_add(handle_of(counter), n);
}

/* Of a double; NaN counts as 0, and what is beyond 64 bits as the nearest of them. */
static int64_t whole(double value)
{
    if (isnan(value))
        return 0;
    return value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

void mt_set(struct mt_series *gauge, double value)
{
    if (kind_of(gauge) == METRICS_GAUGE)
        metrics_gauge_set(handle_of(gauge), value);
    else if (kind_of(gauge) == METRICS_LIVE_GAUGE)
        metrics_live_gauge_set(handle_of(gauge), whole(value));
}

void mt_adjust(struct mt_series *gauge, double amount)
{
    if (kind_of(gauge) == METRICS_GAUGE)
        metrics_gauge_add(handle_of(gauge), amount);
    else if (kind_of(gauge) == METRICS_LIVE_GAUGE)
        metrics_live_gauge_add(handle_of(gauge), whole(amount));
}

void mt_observe(struct mt_series *histogram, double value, const struct mt_span *exemplar)
{
    if (kind_of(histogram) != METRICS_HISTOGRAM)
        return;
    if (mt_span_is_recording(exemplar))
        microtrace_observe(handle_of(histogram), value, exemplar);
    else
        metrics_observe(handle_of(histogram), value);
}
