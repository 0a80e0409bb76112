/*
 * What the spool's directory holds of one signal: the numbers of its segments, and files that only
 * carry its name.
 */
#ifndef LIB_SPOOL_LISTING_H
#define LIB_SPOOL_LISTING_H

#include "lib/spool/signal.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool_listing {
    uint64_t *sealed; /* numbers of the sealed segments, ascending */
    size_t count;
    bool active; /* there is an active file */
    uint64_t quarantine_bytes;
    unsigned foreign; /* files named like this signal's that nobody reads */
    char first_foreign[NAME_MAX + 1];
};

/*
 * Reads the directory. A rename meanwhile may show one file under both its names, or under none.
 * Returns 0, or -1 with errno and nothing to free.
 */
int spool_listing_read(struct spool_listing *listing, enum spool_signal signal, int dir_fd);

void spool_listing_free(struct spool_listing *listing);

#endif
