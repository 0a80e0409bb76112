#include "lib/metrics/series.h"

#include "lib/base/utf8.h"

#include "lib/metrics/rules.h"

#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct metrics_series) + METRICS_SERIES_KEY_MAX <= METRICS_POOL_TAKE_MAX, "");
static_assert(sizeof(struct metrics_family) <= METRICS_POOL_TAKE_MAX, "");
static_assert(offsetof(struct metrics_series, handle) == 0, "a handle is its series");

/* What series without a place are counted in. Nobody reads it. */
static _Atomic uint64_t sink[METRICS_BOUNDS_MAX + 2];

struct metrics_family *metrics_series_new_family(struct metrics_pool *pool, struct metrics *metrics,
                                                 const struct metrics_family_def *def)
{
    struct metrics_family *family = metrics_pool_take(pool, sizeof(*family));

    if (family == NULL)
        return NULL;
    family->metrics = metrics;
    family->def = def;
    family->label_count = metrics_rules_label_count(def);
    family->buckets = family->first_buckets;
    family->size = METRICS_SERIES_FIRST_BUCKETS;
    return family;
}

void metrics_series_free_family(struct metrics_family *family)
{
    if (family->buckets != family->first_buckets)
        free(family->buckets);
}

int metrics_series_key(struct metrics_series_key *key, const char *const *values, size_t count)
{
    size_t len = 0;

    for (size_t i = 0; i < count; i++) {
        size_t n = strnlen(values[i], METRICS_LABEL_VALUE_MAX + 1);
        if (n > METRICS_LABEL_VALUE_MAX)
            return -1;
        memcpy(key->bytes + len, values[i], n + 1);
        len += n + 1;
    }
    memset(key->bytes + len, 0, 8);
    key->hash = metrics_file_checksum(key->bytes, (len + 7) & ~(size_t)7);
    key->len = len;
    return 0;
}

bool metrics_series_values_utf8(const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!utf8_valid(values[i], strlen(values[i])))
            return false;
    }
    return true;
}

struct metrics_series *metrics_series_find(const struct metrics_family *family,
                                           const struct metrics_series_key *key)
{
    struct metrics_series *series = family->buckets[key->hash & (family->size - 1)];

    while (series != NULL && (series->hash != key->hash || series->key_len != key->len ||
                              memcmp(series->key, key->bytes, key->len) != 0))
        series = series->next;
    return series;
}

/* Twice the buckets; without memory the chains grow instead. */
static void grow(struct metrics_family *family)
{
    size_t size = 2 * family->size;
    struct metrics_series **buckets = calloc(size, sizeof(struct metrics_series *));

    if (buckets == NULL)
        return;
    for (size_t i = 0; i < family->size; i++) {
        while (family->buckets[i] != NULL) {
            struct metrics_series *series = family->buckets[i];
            family->buckets[i] = series->next;
            series->next = buckets[series->hash & (size - 1)];
            buckets[series->hash & (size - 1)] = series;
        }
    }
    metrics_series_free_family(family);
    family->buckets = buckets;
    family->size = size;
}

static _Atomic uint64_t *_Atomic *cell_of(struct metrics_series *series)
{
    switch (series->family->def->kind) {
    case METRICS_COUNTER:
        break;
    case METRICS_GAUGE:
        return &series->handle.gauge.cell;
    case METRICS_LIVE_GAUGE:
        return &series->handle.live_gauge.cell;
    case METRICS_HISTOGRAM:
        return &series->handle.histogram.cells;
    }
    return &series->handle.counter.cell;
}

/*
 * Points a live gauge at `to`, with its value. Another thread may set it meanwhile: what it sets in
 * the old cell until the handle has moved is moved too, unless the new one was set by then.
 */
static void move_live(struct metrics_series *series, _Atomic uint64_t *to)
{
    _Atomic uint64_t *_Atomic *cell = cell_of(series);
    _Atomic uint64_t *from = atomic_load_explicit(cell, memory_order_acquire);

    if (from == to)
        return;
    uint64_t value = atomic_load_explicit(from, memory_order_relaxed);
    atomic_store_explicit(to, value, memory_order_relaxed);
    atomic_store(cell, to);
    uint64_t newer = atomic_load(from);
    if (newer != value)
        atomic_compare_exchange_strong(to, &value, newer);
}

static void point_nowhere(struct metrics_series *series)
{
    series->placed = false;
    if (series->family->def->kind == METRICS_HISTOGRAM)
        atomic_store_explicit(&series->handle.histogram.exemplars, NULL, memory_order_release);
    if (series->family->def->kind == METRICS_LIVE_GAUGE)
        move_live(series, &series->own);
    else
        atomic_store_explicit(cell_of(series), sink, memory_order_release);
}

struct metrics_series *metrics_series_new(struct metrics_pool *pool, struct metrics_family *family,
                                          const struct metrics_series_key *key)
{
    struct metrics_series *series = metrics_pool_take(pool, sizeof(*series) + key->len);
    const struct metrics_family_def *def = family->def;

    if (series == NULL)
        return NULL;
    series->family = family;
    series->hash = key->hash;
    series->key_len = key->len;
    memcpy(series->key, key->bytes, key->len);
    atomic_init(cell_of(series), def->kind == METRICS_LIVE_GAUGE ? &series->own : sink);
    if (def->kind == METRICS_HISTOGRAM) {
        series->handle.histogram.bounds = def->bounds;
        series->handle.histogram.bound_count = (uint32_t)def->bound_count;
        series->handle.histogram.steps_per_unit =
            metrics_rules_steps_per_unit(metrics_rules_resolution(def));
    }
    if (family->used >= family->size)
        grow(family);
    struct metrics_series **bucket = &family->buckets[series->hash & (family->size - 1)];
    series->next = *bucket;
    *bucket = series;
    family->used++;
    return series;
}

int metrics_series_place(struct metrics_series *series, struct metrics_registry *registry,
                         const struct metrics_attachment *attachment, enum metrics_refused *why)
{
    const struct metrics_map *map = &attachment->map;
    const struct metrics_family *family = series->family;
    enum metrics_kind kind = family->def->kind;
    _Atomic uint64_t *live = NULL;
    bool found = false;

    *why = METRICS_REFUSED_FAMILY_REFUSED;
    if (family->offset != 0)
        found = metrics_registry_series(registry, family->offset, family->def, series->key,
                                        series->key_len, &series->at, why) == 0;
    if (found && kind == METRICS_LIVE_GAUGE) {
        live = metrics_attachment_live(attachment, series->at.live_index);
        found = live != NULL;
        *why = METRICS_REFUSED_NO_SLOT;
    }
    if (!found) {
        point_nowhere(series);
        return -1;
    }
    series->placed = true;
    if (kind == METRICS_LIVE_GAUGE) {
        move_live(series, live);
        return 0;
    }
    if (kind == METRICS_HISTOGRAM)
        atomic_store_explicit(&series->handle.histogram.exemplars,
                              series->at.exemplar_offset == METRICS_FILE_NONE
                                  ? NULL
                                  : metrics_file_exemplars(map, series->at.exemplar_offset),
                              memory_order_release);
    /* A value that is set has one cell; only what is summed can be striped. */
    atomic_store_explicit(cell_of(series),
                          metrics_file_cells(map, kind == METRICS_GAUGE ? 0 : attachment->stripe,
                                             series->at.cell_offset),
                          memory_order_release);
    return 0;
}

uint64_t metrics_series_updates(const struct metrics_series *series,
                                const struct metrics_attachment *attachment)
{
    const struct metrics_family_def *def = series->family->def;
    size_t cells = def->kind == METRICS_COUNTER     ? 1
                   : def->kind == METRICS_HISTOGRAM ? def->bound_count + 1
                                                    : 0;
    uint64_t sum = 0;

    if (cells == 0 || !series->placed)
        return 0;
    const _Atomic uint64_t *cell =
        metrics_file_cells(&attachment->map, attachment->stripe, series->at.cell_offset);
    for (size_t i = 0; i < cells; i++)
        sum += atomic_load_explicit(&cell[i], memory_order_relaxed);
    return sum;
}
