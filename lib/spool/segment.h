/*
 * One file of a signal's spool, active or sealed, as all who read it see it (docs/spool.md): what
 * is in it, how far it is settled, whether it may still grow. Only reads and takes no lock, so that
 * looking never changes what agent and writers do.
 */
#ifndef LIB_SPOOL_SEGMENT_H
#define LIB_SPOOL_SEGMENT_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/files.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool_segment {
    uint64_t seq; /* of the active file the number that it gets when it is sealed */
    uint64_t inode;
    uint64_t size;       /* bytes, as last seen */
    uint64_t written_ns; /* when it was last written to, Unix time; the same */
    uint64_t offset;     /* all before it is settled; a line starts here */
    uint32_t in_line;    /* records of that line that are settled, too */
    uint64_t counted;    /* records were counted up to here; never before offset */
    uint64_t scanned;    /* no line ends between counted and this, if it is beyond counted */
    uint64_t pending;    /* records in [offset, counted) that are not settled */
    bool active;
    bool kept;       /* all of it is settled, and its file has the name for that */
    bool in_memory;  /* its file is in the directory of that tier */
    bool held;       /* a writer had it open when it was last looked at */
    bool final;      /* sealed, and nobody can append any more */
    bool unreadable; /* it is there and can't be opened: of the above only seq is certain */
};

void spool_segment_name(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal,
                        const struct spool_segment *segment);

/*
 * The functions that take `dir_fd` want the directory of the segment's tier.
 *
 * Takes size, inode and time from the name. Returns 0, or -1 with errno, as instance_file_check
 * has it where that is not a file to be read.
 */
int spool_segment_stat(struct spool_segment *segment, enum spool_signal signal, int dir_fd);

/*
 * Opens the segment's file for reading. Returns the descriptor, or -1 with errno: ENOENT if it is
 * gone, or if the name is another file's by now.
 */
int spool_segment_open(const struct spool_segment *segment, enum spool_signal signal, int dir_fd);

/* Whether somebody has a lock on the file: a writer that has it open, or the agent its own. */
bool spool_segment_held(int fd);

/* Finds out whether a writer holds the file, then its size; so the size of a final one is its last.
 */
void spool_segment_look(struct spool_segment *segment, int fd);

/*
 * Whether the checkpoint has a cursor that may be this segment's: by its number; by its inode if it
 * was the active file then and has a higher number now. Looks into no file.
 */
bool spool_segment_started(const struct spool_segment *segment,
                           const struct checkpoint_signal *from);

/*
 * Goes on where the checkpoint left this segment. A cursor that does not fit (size and fingerprint,
 * too) counts for nothing: everything is unsettled then. With the same number the inode does not
 * count, so that a copy of a spool goes on where the original stood.
 */
void spool_segment_resume(struct spool_segment *segment, int fd,
                          const struct checkpoint_signal *from);

/*
 * Counts records on from `counted`, in about `budget` bytes (at most twice SPOOL_LINE_MAX more):
 * so a line of any length is got through in steps. Holes are skipped. Returns the bytes looked at;
 * all complete lines are counted if that is less than `budget`.
 */
uint64_t spool_segment_count(struct spool_segment *segment, enum spool_signal signal, int fd,
                             uint64_t budget);

/*
 * Looks for the next newline from *at on, in about `budget` bytes; holes are skipped. Returns the
 * offset behind it; 0 if there is none in these, or before the file's end: *looked is less than
 * `budget` then. *at is where to go on. Moves the descriptor's own offset.
 */
uint64_t spool_segment_line_end(int fd, uint64_t *at, uint64_t budget, uint64_t *looked);

/*
 * Where the lines of the open file begin that can still be read: 0, or, where the agent has given
 * back the room of settled ones (docs/spool.md, section "Reading"), behind the line in which that
 * hole ends. NULs at the front of a file of which nothing is settled are none of the agent's.
 */
uint64_t spool_segment_begin(const struct spool_segment *segment, int fd);

/* The time (Unix, ns) of the first record that is not settled, 0 if that can't be told. */
uint64_t spool_segment_oldest_ns(const struct spool_segment *segment, enum spool_signal signal,
                                 int fd);

#endif
