/*
 * The families that this process declared and the series that it looked up: the objects behind the
 * handles, with what it takes to register them in another file. A look-up again touches private
 * memory only. Calls are made by one thread at a time; other threads update through the handles.
 */
#ifndef LIB_METRICS_SERIES_H
#define LIB_METRICS_SERIES_H

#include "lib/metrics/attachment.h"
#include "lib/metrics/metrics.h"
#include "lib/metrics/pool.h"
#include "lib/metrics/registry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    METRICS_SERIES_KEY_MAX = METRICS_LABELS_MAX * (METRICS_LABEL_VALUE_MAX + 1),
    METRICS_SERIES_FIRST_BUCKETS = 8,
};

/* Label values, each with its NUL, one after the other; zero beyond `len` up to a multiple of 8. */
struct metrics_series_key {
    size_t len;
    uint64_t hash;
    char bytes[METRICS_SERIES_KEY_MAX + 8];
};

struct metrics_series {
    union {
        struct metrics_counter counter;
        struct metrics_gauge gauge;
        struct metrics_live_gauge live_gauge;
        struct metrics_histogram histogram;
    } handle; /* first: a handle's address is its series' */
    struct metrics_family *family;
    struct metrics_series *next; /* in its bucket */
    struct metrics_registry_series at;
    bool placed;          /* `at` is in the file, and the handle points there */
    _Atomic uint64_t own; /* the value of a live gauge that is not placed */
    uint64_t hash;
    size_t key_len;
    char key[];
};

struct metrics_family {
    struct metrics *metrics;
    const struct metrics_family_def *def;
    struct metrics_family *next;
    uint64_t offset; /* of its record; 0: refused */
    size_t label_count;
    struct metrics_series **buckets; /* `size`, a power of two, chained */
    size_t size, used;
    struct metrics_series *first_buckets[METRICS_SERIES_FIRST_BUCKETS];
};

/* Returns NULL without memory. */
struct metrics_family *metrics_series_new_family(struct metrics_pool *pool, struct metrics *metrics,
                                                 const struct metrics_family_def *def);

/* Frees what the pool does not hold. */
void metrics_series_free_family(struct metrics_family *family);

/* Returns 0, or -1 if one of the `count` values is longer than METRICS_LABEL_VALUE_MAX. */
int metrics_series_key(struct metrics_series_key *key, const char *const *values, size_t count);

/* Whether all of the `count` values are well-formed UTF-8. */
bool metrics_series_values_utf8(const char *const *values, size_t count);

/* NULL if it is not there. */
struct metrics_series *metrics_series_find(const struct metrics_family *family,
                                           const struct metrics_series_key *key);

/* Adds a series that is not there yet, not placed. Returns NULL without memory. */
struct metrics_series *metrics_series_new(struct metrics_pool *pool, struct metrics_family *family,
                                          const struct metrics_series_key *key);

/*
 * Registers the series in the file of `registry`, which is attached to by `attachment`, and points
 * its handle there; a live gauge keeps its value. Returns 0, or -1 and *why: the handle then leads
 * to memory that nobody reads.
 */
int metrics_series_place(struct metrics_series *series, struct metrics_registry *registry,
                         const struct metrics_attachment *attachment, enum metrics_refused *why);

/*
 * What was counted and observed through the series in this process's stripe. Counters that are set
 * are elsewhere.
 */
uint64_t metrics_series_updates(const struct metrics_series *series,
                                const struct metrics_attachment *attachment);

#endif
