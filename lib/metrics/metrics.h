/*
 * Metrics in one file that all processes of an instance map: counters, gauges and histograms that
 * are exact whichever process dies. docs/metrics-file.md specifies the file.
 *
 * A program declares its families once, looks up a series once for each set of label values, and
 * keeps the handle until metrics_close. Updating through a handle is a few instructions on mapped
 * memory: no lookup, no allocation, no lock, no system call.
 *
 * The file may be replaced, or may only come later. metrics_refresh, called now and then, attaches
 * to the new file: it declares and registers there whatever was declared and looked up before, and
 * points the handles at it. Handles, families and words stay the same objects; nobody looks them
 * up again.
 *
 * Telemetry never fails its program. Where the file can't be used, metrics are kept in memory of
 * this process alone. A series without room in the file keeps its handle: updates are dropped, the
 * refusal is counted, and metrics_refresh tries again. NULL stands for any metrics, family or
 * handle, and does nothing.
 *
 * Threads. All functions but metrics_close, metrics_problem and metrics_instance_id may be called
 * by any thread at any time, also while another one is in metrics_refresh; the two that return text
 * are for the thread that refreshes. An update that is under way in the very moment in which a
 * handle moves may go to the memory of the old file, and is lost with it. That memory stays a valid
 * address until the file has been replaced METRICS_RETIRED_MAX more times, each at least a second
 * after the last, and is no longer the file's.
 *
 * Forks. A child goes on counting with the handles it inherited. Its live gauges are shown from its
 * first metrics_refresh on.
 */
#ifndef LIB_METRICS_METRICS_H
#define LIB_METRICS_METRICS_H

#include "lib/base/ids.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    METRICS_LABELS_MAX = 8,
    METRICS_BOUNDS_MAX = 64,
    METRICS_NAME_MAX = 127,        /* bytes of a family's or a label's name */
    METRICS_HELP_MAX = 511,        /* bytes of a help text */
    METRICS_LABEL_VALUE_MAX = 255, /* bytes of a label's value */
    METRICS_ERROR_MAX = 256,
    METRICS_SERIES_DEFAULT = 8192, /* room for series in a new file */
    METRICS_SERIES_LIMIT = 4194304,
    METRICS_RETIRED_MAX = 8, /* see "Threads" above */
};

enum metrics_kind {
    METRICS_COUNTER = 1,    /* only grows; summed over all processes that ever lived */
    METRICS_GAUGE = 2,      /* one value, last set or added to */
    METRICS_LIVE_GAUGE = 3, /* a value in each process; summed over those that live now */
    METRICS_HISTOGRAM = 4,
};

/* A family as a program declares it: a static const table row. */
struct metrics_family_def {
    const char *name; /* Prometheus name: a counter's ends in _total, a unit is its suffix */
    const char *help; /* one sentence */
    const char *unit; /* "seconds", "bytes", ... or NULL */
    enum metrics_kind kind;
    const char *labels[METRICS_LABELS_MAX + 1]; /* names, NULL-terminated */
    const double *bounds;                       /* histogram: upper bounds, ascending, finite */
    size_t bound_count;
    double resolution; /* what one step is worth: of a histogram's sum, 0: by the bounds; of a
                          counter, 0: 1 */
};

struct metrics;        /* one open metrics file */
struct metrics_family; /* a declared family */

/* One exemplar cell of a bucket, in the file. */
struct metrics_exemplar_cell;

/*
 * Handles, owned by the metrics, one for each series: the same family and values give the same
 * handle. The members are for lib/metrics alone. A pointer to cells never is NULL: without a place
 * in the file it leads to memory that nobody reads.
 */
struct metrics_counter {
    _Atomic uint64_t *_Atomic cell; /* this process's stripe of the series */
};

struct metrics_gauge {
    _Atomic uint64_t *_Atomic cell; /* the bits of a double */
};

struct metrics_live_gauge {
    _Atomic uint64_t *_Atomic cell; /* the bits of an int64_t */
};

struct metrics_histogram {
    _Atomic uint64_t *_Atomic cells; /* bound_count + 1 buckets, then the sum in steps */
    struct metrics_exemplar_cell *_Atomic exemplars; /* one a bucket, or NULL */
    const double *bounds;
    uint32_t bound_count;
    double steps_per_unit; /* 1 / resolution */
};

/*
 * Attaches to <run_dir>/metrics.mmap and claims a slot for this process. Makes the file if there is
 * none, with room for `max_series` series (1 to METRICS_SERIES_LIMIT; 0 means the default); the
 * directory has to exist. Returns NULL only if memory runs out: if the file can't be used, the
 * metrics are kept in this process alone, and metrics_problem says why.
 */
struct metrics *metrics_open(const char *run_dir, uint32_t max_series);

/* NULL while attached to the file, else a one-line reason. Valid until the next refresh. */
const char *metrics_problem(const struct metrics *metrics);

/*
 * Looks, at most once a second, whether the file at the path is still the one attached to, and
 * attaches to the new one if not; tries again what was refused for lack of memory or room. Between
 * looks it costs one read of a coarse clock. Live gauges keep this process's values. Counters,
 * histograms, gauges and shared words begin at what the new file says. Returns true if it attached
 * again: metrics_instance_id has changed.
 */
bool metrics_refresh(struct metrics *metrics);

/*
 * How many processes ended without metrics_close, since the file was made; 0 if that can't be seen.
 * It may be one too low for a moment: publish the highest.
 */
uint64_t metrics_died(const struct metrics *metrics);

/* Releases the slot and the mapping; families, handles and words end here. */
void metrics_close(struct metrics *metrics);

/*
 * The instance's id, a UUID made with the file; of this process alone if there is none. Valid until
 * metrics_close, with another content once metrics_refresh has returned true.
 */
const char *metrics_instance_id(const struct metrics *metrics);

/*
 * Declares a family, or finds it if it is declared already. `def` and what it points to live as
 * long as the metrics. Returns NULL only if memory runs out. A family that is malformed, differs
 * from the one in the file, or finds no room is counted as refused.
 */
struct metrics_family *metrics_declare(struct metrics *metrics,
                                       const struct metrics_family_def *def);

/* A family that the file has, with the memory that its definition points to. */
struct metrics_known {
    struct metrics_family_def def;
    _Alignas(8) unsigned char record[4096];
};

/*
 * Looks up the family of that name, whoever has declared it, for a caller that declares the same
 * without knowing all of it. Returns false if there is none.
 */
bool metrics_known(struct metrics *metrics, const char *name, struct metrics_known *known);

/*
 * The reason of the last refusal that this process has counted, as the label `reason` of
 * microtrace_metrics_refused_total has it; NULL if nothing was refused.
 */
const char *metrics_refusal(const struct metrics *metrics);

/*
 * The series of `family` with these label values, one for each label in order, NUL-terminated UTF-8
 * of at most METRICS_LABEL_VALUE_MAX bytes. It exists, at zero, from here on. A series that is
 * refused is counted. If that can change, because there was no room, the handle begins to work once
 * there is. NULL is returned if it can't (a malformed family, another kind, a value too long or not
 * UTF-8), if memory runs out, or if many series were refused before: a later look-up may succeed.
 */
struct metrics_counter *metrics_counter(struct metrics_family *family, const char *const *values);
struct metrics_gauge *metrics_gauge(struct metrics_family *family, const char *const *values);
struct metrics_live_gauge *metrics_live_gauge(struct metrics_family *family,
                                              const char *const *values);
struct metrics_histogram *metrics_histogram(struct metrics_family *family,
                                            const char *const *values);

static inline void metrics_add(struct metrics_counter *counter, uint64_t n)
{
    if (counter != NULL)
        atomic_fetch_add_explicit(atomic_load_explicit(&counter->cell, memory_order_acquire), n,
                                  memory_order_relaxed);
}

/*
 * Sets a counter that has one owner and whose true value is kept elsewhere (the agent's
 * checkpoint). Never mixed with metrics_add on one series.
 */
void metrics_counter_set(struct metrics_counter *counter, uint64_t value);

/*
 * Reads the counter's sum over all processes into *value. Returns false, and leaves *value as it
 * is, if it is unknown: the series has no place in the file.
 */
bool metrics_counter_read(struct metrics_counter *counter, uint64_t *value);

void metrics_gauge_set(struct metrics_gauge *gauge, double value);
void metrics_gauge_add(struct metrics_gauge *gauge, double delta);

/* Sets this process's part. */
static inline void metrics_live_gauge_set(struct metrics_live_gauge *gauge, int64_t value)
{
    if (gauge != NULL)
        atomic_store_explicit(atomic_load_explicit(&gauge->cell, memory_order_acquire),
                              (uint64_t)value, memory_order_relaxed);
}

/* Adds to it. Only this process writes the cell, but any of its threads may. */
static inline void metrics_live_gauge_add(struct metrics_live_gauge *gauge, int64_t delta)
{
    if (gauge != NULL)
        atomic_fetch_add_explicit(atomic_load_explicit(&gauge->cell, memory_order_acquire),
                                  (uint64_t)delta, memory_order_relaxed);
}

/* Adds one observation. NaN is ignored. */
void metrics_observe(struct metrics_histogram *histogram, double value);

/*
 * The same, and leaves an exemplar in the observation's bucket: a real request that the value came
 * from. `unix_ns` is when.
 */
void metrics_observe_exemplar(struct metrics_histogram *histogram, double value,
                              const struct trace_id *trace, const struct span_id *span,
                              uint64_t unix_ns);

/* Leaves the exemplar alone, of a value that was observed before. */
void metrics_exemplar(struct metrics_histogram *histogram, double value,
                      const struct trace_id *trace, const struct span_id *span, uint64_t unix_ns);

/*
 * Words that all processes of the instance share, zero in a new file: the state of what they decide
 * together. The handle follows the file; lib/metrics/words.h has its use. Never NULL.
 */
enum { METRICS_SHARED_WORDS = 64 };
struct metrics_words;
const struct metrics_words *metrics_words(const struct metrics *metrics);

#endif
