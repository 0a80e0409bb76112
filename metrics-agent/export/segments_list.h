/*
 * The list of one signal's segments, in the order of their numbers, with its sums, and which of
 * their files are open. segments.h says what is done with it.
 */
#ifndef METRICS_AGENT_EXPORT_SEGMENTS_LIST_H
#define METRICS_AGENT_EXPORT_SEGMENTS_LIST_H

#include "lib/metrics/words.h"
#include "lib/spool/segment.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct segment {
    struct spool_segment file;
    uint64_t copied;       /* of a file in memory: so many bytes are on the disk, too */
    uint64_t punched;      /* so many bytes, all settled, were given back; known to this process */
    uint64_t print_offset; /* `print` is the fingerprint of what is before this; 0 for none */
    uint64_t mark_offset;  /* the same, of what was counted */
    uint32_t print, mark;
    bool print_into;   /* `print` was taken into the line at print_offset */
    uint64_t sought;   /* the line at file.offset does not end before this */
    uint64_t expected; /* lines that waited before others truncated the file, being counted again */
    int fd;            /* -1 while not open */
    bool nameless;     /* renamed or deleted by someone else; read to its end, as long as we live */
    bool suspect;  /* someone else changed what is in it; it is not read until that is settled */
    bool given_up; /* for the cap: nameless, what is still appended is dropped and counted */
    bool stays;    /* done with, but it can't be deleted; tried again at the next rescan */
};

/* Where the files are. */
struct segments_dirs {
    int disk_fd;
    int memory_fd;       /* -1: there is one tier alone */
    bool leaving_memory; /* no active file is expected there any more */
};

/* Sums over all segments, so that nobody has to go through a hundred thousand of them. */
struct segments_sums {
    uint64_t pending;        /* counted lines that wait */
    uint64_t bytes;          /* of all files but those given up and those that stay */
    uint64_t memory;         /* of files in memory, what they take there */
    uint64_t memory_waiting; /* of these, bytes that are not settled and not on the disk, too */
    size_t in_memory;        /* segments whose file is there */
    size_t growing;          /* segments that are not final, the active one among them */
    size_t started;          /* settled in part or whole */
    size_t done;             /* settled whole, and final */
    size_t nameless;
    size_t given_up;
    size_t stays;
};

struct segments {
    enum spool_signal signal;
    struct segments_dirs dirs;
    const struct metrics_words *words; /* with the writers' tallies; NULL for none */
    struct segment *list;              /* ascending numbers; the active one, if any, is the last */
    size_t count;
    struct segment *memory; /* of `room` segments; the list begins somewhere in it */
    size_t room;
    struct segments_sums sums;
    size_t unreadable; /* segments that can't be opened, the active file among them */
    bool active_unreadable;
    bool undeletable;    /* a segment could not be deleted, and none could since */
    bool unsealable;     /* the active file could not be sealed, and none could since */
    uint64_t active_seq; /* of the active file, existing or not */
    uint64_t held_seq;   /* the caller has a batch of this segment in hand; 0 for none */
    uint64_t deleted;    /* records found to be gone since segments_take_deleted */
    uint64_t grown;      /* bytes that files were found to have got since segments_take_grown */
    uint64_t stray_ns;   /* no look for an active file of the other tier before this */
    uint64_t look_seq;   /* segments_refresh goes on below this number; 0 for at the newest */
    bool looks_left;     /* it has not come to the oldest one yet */
};

/* Whether the active file is expected in memory. */
bool segments_active_in_memory(const struct segments *segments);

/* The directory of the tier. */
int segments_list_dir(const struct segments *segments, bool in_memory);

/* Bytes of a segment in memory that are neither settled nor on the disk, too; 0 of any other. */
uint64_t segments_list_waiting(const struct segment *segment);

/* Every change of a segment in the list stands between these two, so that the sums stay true. */
void segments_list_before(struct segments *segments, const struct segment *segment);
void segments_list_after(struct segments *segments, const struct segment *segment);

/* Adds a copy where its number belongs. Returns it, or NULL without memory. Pointers end here. */
struct segment *segments_list_add(struct segments *segments, const struct segment *segment);

/* Closes the segment's file and takes it from the list. Pointers end here. */
void segments_list_forget(struct segments *segments, struct segment *segment);

/* The active one, or NULL. */
struct segment *segments_list_active(struct segments *segments);

/* Whether everything in the segment is settled and nothing can be added: it is to be removed. */
bool segments_list_done(const struct segment *segment);

/* The index of the first segment with this number or a higher one; the count if there is none. */
size_t segments_list_from(const struct segments *segments, uint64_t seq);

/* The segment with this number, or NULL. */
struct segment *segments_list_find(struct segments *segments, uint64_t seq);

/*
 * Opens the segment's file unless it is open. Returns 0, or -1 with errno: ENOENT where it is gone;
 * otherwise it is unreadable now, which was said.
 */
int segments_list_open_file(struct segments *segments, struct segment *segment);

/* Closes it again, unless it has to stay open. */
void segments_list_close_file(struct segments *segments, struct segment *segment);

/*
 * The caller has a batch of this segment in hand, or of none (NULL). It stays open until then.
 */
void segments_list_hold(struct segments *segments, struct segment *segment);

/*
 * Says it for the first of a signal's files that can't be opened, and when all can be again;
 * `before` is how many could not be before.
 */
void segments_list_say_unreadable(const struct segments *segments, size_t before, const char *name,
                                  int error);

#endif
