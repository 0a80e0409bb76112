/*
 * The spool's directory as the agent holds it: open, and locked against a second agent. Names can
 * be given to other files while we hold ours (rm -rf and mkdir, a rename), so what is held is
 * compared with what the names mean.
 */
#ifndef METRICS_AGENT_EXPORT_SPOOL_DIR_H
#define METRICS_AGENT_EXPORT_SPOOL_DIR_H

#include "lib/spool/checkpoint.h"

#include <stdbool.h>
#include <stdint.h>

enum { SPOOL_DIR_REASON_MAX = 512 };

/* Whether its file system has no room: less than 128 KiB, or no inode. False where it can't be
 * told. */
bool spool_dir_is_full(int fd);

/* Bytes that can be written before it has none; UINT64_MAX where that can't be told. */
uint64_t spool_dir_room(int fd);

struct spool_dir {
    const char *path; /* borrowed */
    int fd;           /* locked by flock(2): nobody can take that away, whatever becomes of names */
    int lock_fd;      /* agent.lock, locked for all to see; -1 where the disk has no room for it */
    bool taken;       /* it could not be opened because another agent works on it */
};

/*
 * Opens and locks the directory, and makes it if it is missing and `make` says so. Returns 0, or -1
 * with one line in `reason` that says what is wrong.
 */
int spool_dir_open(struct spool_dir *dir, const char *path, bool make,
                   char reason[SPOOL_DIR_REASON_MAX]);

void spool_dir_close(struct spool_dir *dir);

enum spool_dir_state {
    SPOOL_DIR_SAME,    /* the names mean what we hold */
    SPOOL_DIR_OTHER,   /* the path is another directory's, or nobody's */
    SPOOL_DIR_TROUBLE, /* agent.lock is not ours and can't be made so; `reason` says why */
};

/*
 * Compares. Makes agent.lock anew where somebody has removed it; a removed checkpoint is given up,
 * so that the next write makes it anew: *lost is set then.
 */
enum spool_dir_state spool_dir_check(struct spool_dir *dir, struct checkpoint *checkpoint,
                                     bool *lost, char reason[SPOOL_DIR_REASON_MAX]);

#endif
