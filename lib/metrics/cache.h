/*
 * The series of one family that this process looked up before: a look-up again touches private
 * memory only. It holds at most as many series as the file does.
 */
#ifndef LIB_METRICS_CACHE_H
#define LIB_METRICS_CACHE_H

#include "lib/metrics/registry.h"

#include <stddef.h>
#include <stdint.h>

enum { METRICS_CACHE_KEY_MAX = METRICS_LABELS_MAX * (METRICS_LABEL_VALUE_MAX + 1) };

/* Label values, each with its NUL, one after the other; zero beyond `len` up to a multiple of 8. */
struct metrics_cache_key {
    size_t len;
    uint64_t hash;
    char bytes[METRICS_CACHE_KEY_MAX + 8];
};

struct metrics_cache_entry;

/* All zero is an empty cache. */
struct metrics_cache {
    struct metrics_cache_entry **entries; /* open addressing, at most half full */
    size_t size;                          /* a power of two, or 0 */
    size_t used;
};

/* Returns 0, or -1 where one of the `count` values is longer than METRICS_LABEL_VALUE_MAX. */
int metrics_cache_key(struct metrics_cache_key *key, const char *const *values, size_t count);

/* NULL where it is not there. Lives until the cache is freed. */
const struct metrics_registry_series *metrics_cache_find(const struct metrics_cache *cache,
                                                         const struct metrics_cache_key *key);

/* Adds what is not there yet. Without memory it does nothing. */
void metrics_cache_add(struct metrics_cache *cache, const struct metrics_cache_key *key,
                       const struct metrics_registry_series *series);

void metrics_cache_free(struct metrics_cache *cache);

#endif
