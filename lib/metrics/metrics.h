/*
 * Metrics in one file that all processes of an instance map: counters, gauges and histograms that
 * are exact whichever process dies. docs/metrics-file.md specifies the file.
 *
 * A program declares its families once, looks up a series once for each set of label values, and
 * keeps the handle for as long as the metrics are open. Updating through a handle is a few
 * instructions on mapped memory: no lookup, no allocation, no lock, no system call.
 *
 * Threads may share handles, declare and look up at once; metrics_current and metrics_close are for
 * one of them. A forked child goes on counting with the handles it inherited; its live gauges are
 * its own affair until it opens anew, which metrics_current asks it to.
 *
 * Telemetry never fails its program: where the file can't be used, or has no room, handles point to
 * memory of this process alone, and the loss is counted or can be asked for.
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
    double resolution; /* histogram: what one step of the stored sum is worth; 0 means 1e-9 */
};

struct metrics;        /* one open metrics file */
struct metrics_family; /* a declared family */

/* One exemplar cell of a bucket, in the file. */
struct metrics_exemplar_cell;

/*
 * Handles: values, copied freely, valid until metrics_close. Each points at live cells, or at cells
 * of this process alone where the series was refused: they can be used without a check.
 */
struct metrics_counter {
    _Atomic uint64_t *cell;         /* this process's stripe of the series */
    _Atomic uint64_t *first_stripe; /* NULL where the cell stands alone */
    uint64_t stripe_size;           /* bytes from a stripe to the next */
    uint32_t stripe_count;
};

struct metrics_gauge {
    _Atomic uint64_t *cell; /* the bits of a double */
};

struct metrics_live_gauge {
    _Atomic uint64_t *cell; /* the bits of an int64_t */
};

struct metrics_histogram {
    _Atomic uint64_t *cells; /* bound_count + 1 buckets, then the sum in steps of `resolution` */
    const double *bounds;
    uint32_t bound_count;
    double steps_per_unit;                   /* 1 / resolution */
    struct metrics_exemplar_cell *exemplars; /* one a bucket, or NULL */
};

/*
 * Attaches to <run_dir>/metrics.mmap, making it where there is none, and claims a slot for this
 * process. The directory has to exist. Never fails but for want of memory (NULL): where the file
 * can't be used the metrics are kept in this process alone, and metrics_problem says why.
 */
struct metrics *metrics_open(const char *run_dir);

/* NULL while attached to the file, else a one-line reason. Lives until the next call. */
const char *metrics_problem(const struct metrics *metrics);

/*
 * Whether the file at the path is still the one attached to; at most one check a second is made,
 * others answer as the last did. After false the caller closes and opens again, and looks all its
 * handles up anew.
 */
bool metrics_current(struct metrics *metrics);

/* Releases the slot and the mapping; handles end here. NULL does nothing. */
void metrics_close(struct metrics *metrics);

/* The instance's id, a UUID made with the file; of this process alone where there is none. */
const char *metrics_instance_id(const struct metrics *metrics);

/*
 * Declares a family, or finds it where it is declared already. `def` and what it points to live as
 * long as the metrics. Returns NULL only for want of memory; a family that is malformed, differs
 * from the one in the file, or finds no room is counted as refused, and its series are cells of
 * this process alone.
 */
struct metrics_family *metrics_declare(struct metrics *metrics,
                                       const struct metrics_family_def *def);

/*
 * The series of `family` with these label values, one for each label in order, NUL-terminated UTF-8
 * of at most METRICS_LABEL_VALUE_MAX bytes. It exists, at zero, from here on. A series that is
 * refused (no room, a value too long or not UTF-8, another kind) is counted as dropped.
 * A NULL family is allowed and gives private cells.
 */
struct metrics_counter metrics_counter(struct metrics_family *family, const char *const *values);
struct metrics_gauge metrics_gauge(struct metrics_family *family, const char *const *values);
struct metrics_live_gauge metrics_live_gauge(struct metrics_family *family,
                                             const char *const *values);
struct metrics_histogram metrics_histogram(struct metrics_family *family,
                                           const char *const *values);

static inline void metrics_add(struct metrics_counter counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter.cell, n, memory_order_relaxed);
}

/*
 * Sets a counter that has one owner and whose true value is kept elsewhere (the agent's books in
 * its checkpoint). Never mixed with metrics_add on one series.
 */
void metrics_counter_set(struct metrics_counter counter, uint64_t value);

void metrics_gauge_set(struct metrics_gauge gauge, double value);
void metrics_gauge_add(struct metrics_gauge gauge, double delta);

/* Sets this process's part. */
static inline void metrics_live_gauge_set(struct metrics_live_gauge gauge, int64_t value)
{
    atomic_store_explicit(gauge.cell, (uint64_t)value, memory_order_relaxed);
}

/* Adds one observation. NaN is ignored. */
void metrics_observe(struct metrics_histogram histogram, double value);

/*
 * The same, and leaves an exemplar in the observation's bucket: a real request that the value came
 * from. `unix_ns` is when.
 */
void metrics_observe_exemplar(struct metrics_histogram histogram, double value,
                              const struct trace_id *trace, const struct span_id *span,
                              uint64_t unix_ns);

/*
 * Words that all processes of the instance share, zero in a new file: the state of what they decide
 * together. NULL for an index out of range; words of this process alone without a file.
 */
enum { METRICS_SHARED_WORDS = 64 };
_Atomic uint64_t *metrics_shared_word(struct metrics *metrics, unsigned index);

#endif
