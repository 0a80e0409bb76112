#include "lib/metrics/cache.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 16 };

struct metrics_cache_entry {
    uint64_t hash;
    struct metrics_registry_series series;
    size_t key_len;
    char key[];
};

int metrics_cache_key(struct metrics_cache_key *key, const char *const *values, size_t count)
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

/* The key's place: its entry, or the empty bucket where that belongs. */
static struct metrics_cache_entry **place(const struct metrics_cache *cache,
                                          const struct metrics_cache_key *key)
{
    for (size_t i = (size_t)key->hash;; i++) {
        struct metrics_cache_entry **p = &cache->entries[i & (cache->size - 1)];
        if (*p == NULL || ((*p)->hash == key->hash && (*p)->key_len == key->len &&
                           memcmp((*p)->key, key->bytes, key->len) == 0))
            return p;
    }
}

const struct metrics_registry_series *metrics_cache_find(const struct metrics_cache *cache,
                                                         const struct metrics_cache_key *key)
{
    if (cache->size == 0)
        return NULL;
    const struct metrics_cache_entry *entry = *place(cache, key);
    return entry == NULL ? NULL : &entry->series;
}

/* Makes room for one more. Returns 0, or -1 for want of memory. */
static int grow(struct metrics_cache *cache)
{
    if (2 * (cache->used + 1) <= cache->size)
        return 0;
    size_t size = cache->size == 0 ? FIRST_SIZE : 2 * cache->size;
    struct metrics_cache_entry **entries = calloc(size, sizeof(struct metrics_cache_entry *));
    if (entries == NULL)
        return -1;
    for (size_t i = 0; i < cache->size; i++) {
        if (cache->entries[i] == NULL)
            continue;
        size_t k = (size_t)cache->entries[i]->hash;
        while (entries[k & (size - 1)] != NULL)
            k++;
        entries[k & (size - 1)] = cache->entries[i];
    }
    free(cache->entries);
    cache->entries = entries;
    cache->size = size;
    return 0;
}

void metrics_cache_add(struct metrics_cache *cache, const struct metrics_cache_key *key,
                       const struct metrics_registry_series *series)
{
    struct metrics_cache_entry *entry = malloc(sizeof(*entry) + key->len);

    if (entry == NULL || grow(cache) < 0) {
        free(entry);
        return;
    }
    entry->hash = key->hash;
    entry->series = *series;
    entry->key_len = key->len;
    memcpy(entry->key, key->bytes, key->len);
    *place(cache, key) = entry;
    cache->used++;
}

void metrics_cache_free(struct metrics_cache *cache)
{
    for (size_t i = 0; i < cache->size; i++)
        free(cache->entries[i]);
    free(cache->entries);
    *cache = (struct metrics_cache){0};
}
