/*
 * All records of spans and logs that an instance's files hold, for who looks for a few of them:
 * what waits, what is kept, and what other programs' files have, of both tiers. Newest files first.
 * It only reads, and takes no lock.
 */
#ifndef VIEW_VIEW_SPOOL_H
#define VIEW_VIEW_SPOOL_H

#include "lib/base/text.h"
#include "lib/spool/signal.h"
#include "view/record_walk.h"
#include "view/spool_view.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A file, as of the moment at which the spool was opened. */
struct view_spool_file {
    uint64_t written_ns; /* last write, Unix time: what is in it is not younger */
    uint64_t size;
    size_t segment; /* index in the view's list, unless it is another program's */
    char *foreign;  /* that one's name, else NULL */
};

struct view_spool_files {
    struct view_spool_file *list; /* newest first */
    size_t count;
};

struct view_spool {
    struct spool_view view;
    struct view_spool_files files[SPOOL_OWN_SIGNALS];
    bool vanished; /* a file was moved or deleted after the look: another look may find more */
    /* For telling what was looked at; of all passes. */
    uint64_t oldest_ns; /* the oldest file's last write, 0 for none */
    uint64_t bytes;     /* that the files have, each counted once */
    int error;          /* the first file that could not be read: its errno, 0 for none, */
    char error_file[NAME_MAX + 1]; /* and its name */
};

/* Returns 0, or -1 with errno and nothing to close. */
int view_spool_open(struct view_spool *spool, const char *dir, const char *run_dir);

void view_spool_close(struct view_spool *spool);

/* One reading of a signal's files. All but `take` may be NULL. */
struct view_spool_pass {
    /* Whether the file may have records that are wanted. */
    bool (*wants_file)(void *context, const struct view_spool_file *file);
    /* Whether the whole lines, or the record, may be or have one. */
    bool (*wants)(void *context, struct text json);
    /* `foreign`: of another program's file, and perhaps also in a segment that it was copied to. */
    void (*take)(void *context, const struct record_parts *parts, bool foreign);
    void *context;
};

/* In one process one at a time. */
void view_spool_read(struct view_spool *spool, enum spool_signal signal,
                     const struct view_spool_pass *pass);

#endif
