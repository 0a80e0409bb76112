/*
 * How far the agent has taken the files that other programs write into the spool's directory:
 * <spool>/agent.imports, one cursor a file, replaced as a whole. docs/spool.md, section "Files of
 * other programs", specifies the bytes.
 */
#ifndef METRICS_AGENT_EXPORT_IMPORT_CURSORS_H
#define METRICS_AGENT_EXPORT_IMPORT_CURSORS_H

#include "lib/spool/checkpoint.h"
#include "lib/spool/signal.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IMPORT_CURSORS_VERSION = 2,
    IMPORT_CURSORS_MAX = 1024, /* files */
    IMPORT_CURSORS_BYTES_MAX = 24 + SPOOL_SIGNALS * 48 + IMPORT_CURSORS_MAX * (48 + NAME_MAX + 1),
};

struct import_cursor {
    char name[NAME_MAX + 1]; /* in the directory, when it was last seen */
    enum spool_signal signal;
    uint64_t device, inode;
    uint64_t offset; /* all before it has been taken */
    uint32_t head;   /* while offset is 0: of how many bytes at the start `print` is */
    uint32_t print;  /* CRC-32 of these, or of up to CHECKPOINT_PRINT_BYTES before offset */
    bool skipping;   /* offset is in the middle of a line that is too long */
};

/* Where the lines of one signal went: all that the cursors stand for is there. */
struct import_spooled {
    uint64_t seq;    /* the sealed segment that they are added to; 0 for none */
    uint64_t inode;  /* of that */
    uint64_t length; /* what is behind it was added since */
    uint32_t print;  /* checkpoint_fingerprint's, at the length */
    /* Lines left out that may not be counted yet, and the count of such ones before them. */
    uint32_t lost;
    uint64_t lost_before;
};

struct import_cursors {
    struct import_cursor items[IMPORT_CURSORS_MAX];
    struct import_spooled spooled[SPOOL_SIGNALS];
    size_t count;
    unsigned char bytes[IMPORT_CURSORS_BYTES_MAX]; /* of the file, for reading and writing it */
};

/* Reads the file in the directory `dir_fd`; without a valid one there are no cursors. */
enum checkpoint_found import_cursors_read(struct import_cursors *cursors, int dir_fd);

/*
 * Replaces the file. It survives this process then; the machine's end may bring the one before
 * back. Returns 0, or -1 with errno and the file as it was.
 */
int import_cursors_write(struct import_cursors *cursors, int dir_fd);

/* The file's bytes from the cursors, and back; -1 if they are not a valid file. Pure. */
size_t import_cursors_encode(struct import_cursors *cursors);
int import_cursors_decode(struct import_cursors *cursors, size_t len);

/* Makes `head` and `print` of a file of which nothing was taken yet. */
void import_cursor_begin(struct import_cursor *cursor, int fd);

/* Whether the open file holds what the cursor remembers of it; false if that is nothing. */
bool import_cursor_fits(const struct import_cursor *cursor, int fd);

#endif
