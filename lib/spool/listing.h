/*
 * What the spool's directories, of both tiers, hold of one signal: the numbers of its segments, and
 * files that only carry its name.
 */
#ifndef LIB_SPOOL_LISTING_H
#define LIB_SPOOL_LISTING_H

#include "lib/spool/signal.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A sealed segment; both are set while it is copied from memory to the disk. */
struct spool_listing_sealed {
    uint64_t seq;
    bool in_memory;
    bool on_disk;
};

struct spool_listing {
    struct spool_listing_sealed *sealed; /* ascending numbers */
    size_t count;
    struct spool_listing_sealed *kept; /* the same; what all is settled of */
    size_t kept_count;
    bool active, active_in_memory; /* there is an active file, on the disk and in memory */
    uint64_t quarantine_bytes;
    unsigned foreign; /* files named like this signal's that nobody reads */
    char first_foreign[NAME_MAX + 1];
};

/*
 * Reads the directory `dir_fd`, and the one in memory, `memory_fd`, unless that is -1. A rename
 * meanwhile may show one file under both its names, or under none. Returns 0, or -1 with errno and
 * nothing to free.
 */
int spool_listing_read(struct spool_listing *listing, enum spool_signal signal, int dir_fd,
                       int memory_fd);

void spool_listing_free(struct spool_listing *listing);

#endif
