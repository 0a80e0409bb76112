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

struct checkpoint {
    int fd; /* -1 while the file can't be opened; every write tries again */
    int dir_fd;
    struct checkpoint_state state;
};

/* Whether a checkpoint was found. */
enum checkpoint_found { CHECKPOINT_VALID, CHECKPOINT_MISSING, CHECKPOINT_CORRUPT };

/*
 * Opens the file in the directory `dir_fd`, creating it if it is missing, and reads the newest
 * valid slot into `state`, all zero if there is none.
 */
enum checkpoint_found checkpoint_open(struct checkpoint *checkpoint, int dir_fd);

/* Writes `state` under the next generation; survives this process. Returns 0, or -1 with errno. */
int checkpoint_write(struct checkpoint *checkpoint);

/* Makes what was written survive the machine. Returns 0, or -1 with errno. */
int checkpoint_sync(struct checkpoint *checkpoint);

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
