/*
 * Finds and adds families and series in a metrics file: the hash index and the record arena. Any
 * number of processes do so at once, without a lock; one killed in between leaks bytes, no more.
 */
#ifndef LIB_METRICS_REGISTRY_H
#define LIB_METRICS_REGISTRY_H

#include "lib/metrics/file.h"

#include <stddef.h>
#include <stdint.h>

/* Space reserved by this process and unused, because another process registered first. */
struct metrics_registry_spare {
    uint64_t offset;
    uint64_t size;
};

/* Calls on one registry are made by one thread at a time. */
struct metrics_registry {
    const struct metrics_map *map;
    struct metrics_registry_spare arena, cells, exemplars;
};

/* Where a series is in the file. */
struct metrics_registry_series {
    uint64_t cell_offset;     /* METRICS_FILE_NONE for a live gauge */
    uint64_t exemplar_offset; /* METRICS_FILE_NONE without exemplars */
    uint32_t live_index;      /* of a live gauge */
};

void metrics_registry_init(struct metrics_registry *registry, const struct metrics_map *map);

/* In a forked child: the spare space belongs to the parent. */
void metrics_registry_forget_spare(struct metrics_registry *registry);

/*
 * Finds the family or adds it. Returns its record's offset, or 0 and *why. The help text of the
 * first declaration stands; any other difference is a conflict.
 */
uint64_t metrics_registry_family(struct metrics_registry *registry,
                                 const struct metrics_family_def *def, enum metrics_refused *why);

/* Finds the family of that name, and adds none. Returns false if there is none, or it is damaged.
 */
bool metrics_registry_known(const struct metrics_registry *registry, const char *name,
                            struct metrics_known *known);

/*
 * Finds or adds a series of the family at `family_offset`, which `def` declared. `values` are the
 * label values, each with its NUL, one after the other, `values_len` bytes with the NULs, each
 * valid. Returns 0, or -1 and *why.
 */
int metrics_registry_series(struct metrics_registry *registry, uint64_t family_offset,
                            const struct metrics_family_def *def, const char *values,
                            size_t values_len, struct metrics_registry_series *series,
                            enum metrics_refused *why);

/* Cells that a series of this kind takes in each stripe. */
static inline size_t metrics_registry_cells(enum metrics_kind kind, size_t bound_count)
{
    return kind == METRICS_HISTOGRAM ? bound_count + 2 : kind == METRICS_LIVE_GAUGE ? 0 : 1;
}

#endif
