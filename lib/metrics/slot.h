/*
 * Slots: which processes live, and the memory of their live gauges. A process lives while it holds
 * an open-file-description lock (fcntl(2), F_OFD_SETLK) on byte 1 of its slot. The kernel drops the
 * lock with the process, however it ends, and shows it across pid namespaces.
 */
#ifndef LIB_METRICS_SLOT_H
#define LIB_METRICS_SLOT_H

#include "lib/metrics/file.h"

#include <stdbool.h>

/* The shared word that counts the dead whose slots were claimed again. */
enum { METRICS_SLOT_DIED_WORD = METRICS_SHARED_WORDS - 1 };

/*
 * Claims a free slot of the file mapped by `map`, which goes by `path`, and empties it. Returns the
 * slot's number and sets *lock_fd to the descriptor that holds it: closing that frees the slot.
 * Returns -1 if none is free, or the file no longer exists; *lock_fd is then -1. *stripe is set in
 * either case.
 *
 * The descriptor is not the one the file was mapped by: a mapping keeps its description, and thus
 * its locks, alive in every child that a fork gives it to.
 */
int metrics_slot_claim(const struct metrics_map *map, const char *path, int *lock_fd,
                       unsigned *stripe);

/*
 * Says that slot `slot` of this process ends in good order: it is not counted as died. Before the
 * descriptor that holds it is closed.
 */
void metrics_slot_release(const struct metrics_map *map, unsigned slot);

/*
 * How many processes ended without releasing their slot, over all that the file knows; never more
 * than there are, for moments fewer. `fd` is a descriptor of the file, and `own` the slot that it
 * holds, or METRICS_FILE_SLOTS.
 */
uint64_t metrics_slot_died(const struct metrics_map *map, int fd, unsigned own);

/*
 * Sets live[i] for each slot that a living process holds, as seen through `fd`, any descriptor of
 * the file that holds no slot itself. Returns the number of them, or -1 and errno.
 */
int metrics_slot_living(const struct metrics_map *map, int fd, bool live[METRICS_FILE_SLOTS]);

enum metrics_slot_state {
    METRICS_SLOT_FREE, /* never used, released, or being claimed */
    METRICS_SLOT_LIVING,
    METRICS_SLOT_DEAD, /* its process ended without releasing it, and nobody claimed it since */
};

/* The state of each slot, as metrics_slot_died counts them. Returns 0, or -1 and errno. */
int metrics_slot_states(const struct metrics_map *map, int fd,
                        enum metrics_slot_state states[METRICS_FILE_SLOTS]);

#endif
