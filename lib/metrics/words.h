/*
 * The words of the metrics file that processes share, for lib/control: of open metrics, which
 * follow a replaced file, or of a file that is only looked at, without a process that counts there.
 */
#ifndef LIB_METRICS_WORDS_H
#define LIB_METRICS_WORDS_H

#include "lib/metrics/file.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct metrics_words {
    _Atomic uint64_t *_Atomic first; /* METRICS_SHARED_WORDS of them */
};

/*
 * The words from `index` on, in the file as it is now. To be asked for each operation again: the
 * address is another one once the file was replaced. It stays valid as lib/metrics/metrics.h says.
 */
static inline _Atomic uint64_t *metrics_words_at(const struct metrics_words *words, unsigned index)
{
    return atomic_load_explicit(&words->first, memory_order_acquire) + index;
}

/* A file opened for its words alone: nothing is created, no slot is claimed. */
struct metrics_words_file {
    struct metrics_words words;
    struct metrics_map map;
};

/*
 * Opens the metrics file `path`. On any state but METRICS_FILE_OK nothing is open, and errno tells
 * about METRICS_FILE_UNUSABLE.
 */
enum metrics_file_state metrics_words_open(struct metrics_words_file *file, const char *path,
                                           bool writable);

/* Unmaps what was opened with METRICS_FILE_OK. */
void metrics_words_close(struct metrics_words_file *file);

/*
 * Locks word `index` of the metrics file `path` (F_OFD_SETLKW, its first byte, exclusive), and
 * waits for it. Returns a descriptor, to be closed, or -1 and errno. The kernel frees a killed
 * holder's.
 */
int metrics_words_lock(const char *path, unsigned index);

#endif
