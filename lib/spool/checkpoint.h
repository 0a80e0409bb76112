/*
 * What the agent remembers across restarts: <spool>/agent.checkpoint, two slots that are written in
 * turn, each with a generation and a checksum. The newest valid one counts; without one the agent
 * sends everything in the spool again. docs/spool.md, section "Checkpoint", specifies the bytes.
 */
#ifndef LIB_SPOOL_CHECKPOINT_H
#define LIB_SPOOL_CHECKPOINT_H

#include "lib/spool/counts.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CHECKPOINT_VERSION = 1,
    CHECKPOINT_SLOT_SIZE = 4096,
    CHECKPOINT_CURSORS = 32, /* segments of a signal that are read in part; more are sent again */
    CHECKPOINT_PRINT_BYTES = 1024,
};

/* How far one segment has been settled. */
struct checkpoint_cursor {
    uint64_t seq;
    uint64_t inode;
    uint64_t offset;  /* all records before it are settled; a line starts here */
    uint32_t print;   /* checkpoint_fingerprint's; into the line if in_line is not 0 */
    uint32_t in_line; /* records of that line that are settled, too */
};

struct checkpoint_signal {
    uint64_t active_seq; /* the number that the active file gets when it is sealed; 0: unknown */
    struct spool_counts counts;
    uint32_t cursor_count;
    struct checkpoint_cursor cursors[CHECKPOINT_CURSORS];
};

struct checkpoint_state {
    uint64_t generation;
    struct checkpoint_signal signals[SPOOL_SIGNALS];
};

/* The file in one directory. */
struct checkpoint_file {
    int dir_fd; /* -1: there is none */
    int fd;     /* -1 while the file can't be opened; every write tries again */
};

struct checkpoint {
    struct checkpoint_file disk;
    struct checkpoint_file memory; /* of the tier in memory */
    bool memory_alone;             /* what is in memory is all there is: the disk's may be older */
    struct checkpoint_state state;
};

/* Whether a checkpoint was found. */
enum checkpoint_found { CHECKPOINT_VALID, CHECKPOINT_MISSING, CHECKPOINT_CORRUPT };

/*
 * Opens the files in the directories `dir_fd` and, unless that is -1, `memory_fd`, creating what is
 * missing, and reads the newest valid slot of both into `state`, all zero if there is none.
 */
enum checkpoint_found checkpoint_open(struct checkpoint *checkpoint, int dir_fd, int memory_fd);

/*
 * Writes `state` under the next generation; survives this process. Into both files, unless
 * `memory_alone` is set and there is one in memory. Returns 0, or -1 with errno.
 */
int checkpoint_write(struct checkpoint *checkpoint);

/*
 * Makes what was written survive the machine, where it was written to the disk. Returns 0, or -1
 * with errno.
 */
int checkpoint_sync(struct checkpoint *checkpoint);

/* Goes on without the file in memory, whose directory goes away; `memory_fd` is another or -1. */
void checkpoint_set_memory(struct checkpoint *checkpoint, int memory_fd);

/* Closes the file on the disk; the next write opens or makes it anew. */
void checkpoint_reopen(struct checkpoint *checkpoint);

void checkpoint_close(struct checkpoint *checkpoint);

/*
 * Reads the newest valid slot of the file `fd` into `newest`, all zero if there is none. Writes
 * nothing, so anybody may look while the agent runs.
 */
enum checkpoint_found checkpoint_read(int fd, struct checkpoint_state *newest);

/*
 * A cursor's fingerprint: detects other content under the same inode number. With `into_line` the
 * start of the line at `offset` counts as well, for a cursor that stands inside it. Returns 0, or
 * -1 if the file is shorter than `offset` or can't be read.
 */
int checkpoint_fingerprint(int fd, uint64_t offset, bool into_line, uint32_t *print);

/* One slot's bytes from a state and back; -1 if they are not a valid slot. Pure. */
void checkpoint_encode(unsigned char slot[CHECKPOINT_SLOT_SIZE],
                       const struct checkpoint_state *state);
int checkpoint_decode(const unsigned char slot[CHECKPOINT_SLOT_SIZE],
                      struct checkpoint_state *state);

#endif
