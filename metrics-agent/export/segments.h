/*
 * The files of one signal's spool: the active one, which writers append to, and those that were
 * sealed by a rename, in the order of their numbers. docs/spool.md is the protocol.
 *
 * Nothing here waits for a writer: a sealed file is taken as final when no lock is left on it, and
 * until then is read on beside the following ones.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_H
#define METRICS_AGENT_EXPORT_SEGMENTS_H

#include "lib/spool/checkpoint.h"
#include "lib/telemetry.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
    uint64_t seq;
    uint64_t inode;
    uint64_t size;         /* as last seen */
    uint64_t written_ns;   /* when it was last written to, Unix time; the same */
    uint64_t offset;       /* all before it is settled */
    uint64_t counted;      /* lines were counted up to here; never before offset */
    uint64_t pending;      /* lines in [offset, counted) */
    uint64_t print_offset; /* `print` is the fingerprint of what is before this; 0 for none */
    uint64_t mark_offset;  /* the same, of what was counted */
    uint32_t print, mark;
    int fd;        /* -1 while not open; the active file's is always open */
    bool active;   /* at <signal>.jsonl */
    bool nameless; /* renamed or deleted by someone else; read to its end, as long as we live */
    bool final;    /* sealed, and nobody can append any more */
    bool suspect;  /* someone else changed what is in it; it is not read until that is settled */
    bool given_up; /* for the cap: nameless, what is still appended is dropped and counted */
};

struct segments {
    enum spool_signal signal;
    int dir_fd;
    struct segment *list; /* ascending numbers; the active one, if any, is the last */
    size_t count, room;
    uint64_t active_seq; /* of the active file, existing or not */
    uint64_t deleted;    /* records found to be gone since segments_take_deleted */
};

/*
 * Finds what is there in the directory `dir_fd` and where `from` left off. A cursor that does not
 * match its file (number, inode, size, fingerprint) counts for nothing: the file is read from its
 * start. Returns 0, or -1 with errno.
 */
int segments_open(struct segments *segments, enum spool_signal signal, int dir_fd,
                  const struct checkpoint_signal *from);

void segments_close(struct segments *segments);

/*
 * Looks at the files again: sizes, a new active file, finality, truncation. `held_seq` is the
 * segment of which a batch is under way, or 0; truncation makes it suspect, and is dealt with when
 * the batch is settled. Pointers to segments end here.
 */
void segments_refresh(struct segments *segments, uint64_t held_seq);

/* The segment with this number, or NULL. */
struct segment *segments_find(struct segments *segments, uint64_t seq);

/* Opens the segment's file where it is not. Returns 0, or -1 with errno, ENOENT where it is gone.
 */
int segments_open_file(struct segments *segments, struct segment *segment);

/* Seals the active file by renaming it. Returns 0, or -1 with errno. */
int segments_seal(struct segments *segments);

/* Whether everything in the segment is settled and nothing can be added: it can be removed. */
bool segments_done(const struct segment *segment);

/* Unlinks the segment's file, unless it has no name any more, and forgets the segment. */
void segments_remove(struct segments *segments, struct segment *segment);

/*
 * Counts lines that were not counted yet, up to `budget` bytes; returns the bytes looked at. All
 * are counted when that is less than `budget`.
 */
uint64_t segments_count_lines(struct segments *segments, uint64_t budget);

/*
 * Counts all of one segment, for it to be given up; of a final one an unterminated rest as a line
 * too.
 */
void segments_count_whole(struct segments *segments, struct segment *segment);

/*
 * Deletes the segment's file for the cap. The segment itself stays while a writer may append to it,
 * so that what comes late is counted. Returns 0, or -1 where the file can't be opened for that.
 */
int segments_give_up(struct segments *segments, struct segment *segment);

/* Marks everything before `offset`, a line's start, as settled; lines there are not pending. */
void segments_settle(struct segment *segment, uint64_t offset, uint64_t lines);

/*
 * Whether the file holds the `len` bytes at `bytes` (up to CHECKPOINT_PRINT_BYTES) before `offset`,
 * as it did when they were read. If not, someone else truncated it, and it may have grown since.
 */
bool segments_holds(struct segments *segments, struct segment *segment, uint64_t offset,
                    const char *bytes, size_t len);

/*
 * Starts again with a file that has other content than it had. Of the lines that were waiting
 * `in_hand` are known to the caller; the others are counted as deleted.
 */
void segments_replaced(struct segments *segments, struct segment *segment, uint64_t in_hand);

/* Records that others deleted or truncated away since the last call. */
uint64_t segments_take_deleted(struct segments *segments);

uint64_t segments_pending(const struct segments *segments); /* counted lines that wait */
uint64_t segments_bytes(const struct segments *segments);   /* size of all files */

/* Fills in where all segments stand: cursors and active_seq, not the counts. */
void segments_save(struct segments *segments, struct checkpoint_signal *into);

#endif
