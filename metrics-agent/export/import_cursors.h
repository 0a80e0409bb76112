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
    IMPORT_CURSORS_VERSION = 1,
    IMPORT_CURSORS_MAX = 1024, /* files */
    IMPORT_CURSORS_BYTES_MAX = 24 + IMPORT_CURSORS_MAX * (48 + NAME_MAX + 1),
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

struct import_cursors {
    struct import_cursor items[IMPORT_CURSORS_MAX];
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
