/*
 * What a process holds of the metrics file: the mapping, and a slot for its live gauges. Without a
 * usable file it is private memory of the same layout.
 */
#ifndef LIB_METRICS_ATTACHMENT_H
#define LIB_METRICS_ATTACHMENT_H

#include "lib/metrics/file.h"

#include <stdbool.h>
#include <stdint.h>

struct metrics_attachment {
    struct metrics_map map;
    int lock_fd;   /* holds the slot, or -1 */
    bool has_slot; /* false in private memory, and if no slot was free */
    bool forked;   /* inherited: the slots here are memory of this process alone */
    unsigned slot;
    unsigned stripe;
    char problem[METRICS_ERROR_MAX]; /* why this is private memory; "" for the file */
};

/*
 * Maps the file `path` in the directory `run_dir`, making it if there is none, and claims a slot.
 * Returns 0, or -1 with nothing but `problem` set.
 */
int metrics_attachment_file(struct metrics_attachment *a, const char *path, const char *run_dir,
                            uint32_t max_series);

/* Private memory instead, beside the `problem` that is set. Returns 0, or -1 if memory runs out. */
int metrics_attachment_private(struct metrics_attachment *a, uint32_t max_series);

/* Claims a slot if there is none yet. Returns whether there is one now. */
bool metrics_attachment_claim(struct metrics_attachment *a, const char *path);

/*
 * In a forked child. The slot stays the parent's alone: its lock has to end with the parent, and
 * handles that the child inherited must not write the parent's live cells.
 */
void metrics_attachment_fork(struct metrics_attachment *a);

/* This process's cell of a live gauge, or NULL without a slot. */
_Atomic uint64_t *metrics_attachment_live(const struct metrics_attachment *a, unsigned live_index);

/* metrics_slot_died; 0 without a slot. */
uint64_t metrics_attachment_died(const struct metrics_attachment *a);

/*
 * Gives up slot and file. The addresses stay valid: they are memory of this process alone, to be
 * unmapped by metrics_attachment_close.
 */
void metrics_attachment_retire(struct metrics_attachment *a);

/* Gives up slot and mapping. All zero, or closed before, does nothing. */
void metrics_attachment_close(struct metrics_attachment *a);

#endif
