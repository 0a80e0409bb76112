/*
 * Reads the lines of one spool file on from where the last reading ended, batch by batch, for all
 * who look at a spool (the agent's batches have an encoder behind them and a reader of their own).
 * Memory is that of the longest line, SPOOL_LINE_MAX, of which what is not used is not touched.
 */
#ifndef LIB_SPOOL_READER_H
#define LIB_SPOOL_READER_H

#include "lib/spool/lines.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spool_cursor_skips {
    SPOOL_CURSOR_AT_LINE,
    SPOOL_CURSOR_IN_HOLE,     /* room of settled lines that the agent has given back */
    SPOOL_CURSOR_IN_OVERLONG, /* a line of SPOOL_LINE_MAX or more */
};

/* A place in a file that is open. Zeroed but for `fd` and `limit` it is the file's start. */
struct spool_cursor {
    int fd;
    uint64_t offset; /* all before it was taken */
    uint64_t limit;  /* what comes behind is left for later */
    uint32_t skip;   /* records of the line at the offset that were taken */
    enum spool_cursor_skips skips;
    uint64_t line;   /* where the line begins that is skipped */
    uint64_t narrow; /* up to here something is wanted: what is around it is passed over */
};

/* Too large for anything but static memory. */
struct spool_reader {
    enum spool_signal signal;
    /*
     * Whether NULs and a byte order mark at the start of a file are lines like any other, for who
     * looks for what is wrong with it; else they are passed over.
     */
    bool exact;
    /* NULL, or whether any of these whole lines is wanted: they are passed over if none is. */
    bool (*wants)(void *context, struct text lines);
    void *context;
    /* What the last call has found: items that point into `window`, which begins at `base`. */
    struct spool_lines batch;
    uint64_t base;
    uint64_t overlong; /* bytes of the line that is the one item, if it was too long; else 0 */
    char window[SPOOL_LINE_MAX];
};

/*
 * The next items up to the limit. If that is the end of a file that is `complete`, a last line
 * without a newline is read as well. A line that is too long is an item of kind SPOOL_LINE_OVERSIZE
 * once its end is found; nothing of it is in the window. Returns 1, 0 if there is no more as yet,
 * or -1 with errno.
 */
int spool_reader_next(struct spool_reader *reader, struct spool_cursor *cursor, bool complete);

#endif
