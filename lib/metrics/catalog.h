/*
 * The families and series of a metrics file, as private copies in a stable order: the part of
 * lib/metrics/reader.h that reads records.
 */
#ifndef LIB_METRICS_CATALOG_H
#define LIB_METRICS_CATALOG_H

#include "lib/metrics/file.h"
#include "lib/metrics/reader.h"

#include <stddef.h>
#include <stdint.h>

/* All zero is an empty catalog. */
struct metrics_catalog {
    struct metrics_reader_family **families; /* by name */
    struct metrics_reader_family **by_offset;
    size_t family_count, family_room;
    unsigned char *taken; /* one a bucket of the index: its record was read, once and for all */
    size_t series_count;
    uint64_t records; /* that were read, good or not */
    size_t corrupt;   /* records that will never be read */
    uint64_t at;      /* the next bucket of the lap under way */
};

/*
 * Adds what `map`'s index got since the last call, looking at up to `buckets` of it; the next call
 * goes on there. Every call on one catalog is for the same map. Returns 0, 1 if the buckets did not
 * suffice to see all of it, -1 if memory runs out.
 */
int metrics_catalog_read(struct metrics_catalog *catalog, const struct metrics_map *map,
                         uint64_t buckets);

/* Frees what the catalog holds and leaves it empty. */
void metrics_catalog_clear(struct metrics_catalog *catalog);

#endif
