/*
 * The files that other programs write beside the spool: which there are, under which names by now,
 * what of them is new. They are only read. The ones that changed last are kept open, so that they
 * can be read to their ends whatever becomes of their names.
 */
#ifndef METRICS_AGENT_EXPORT_IMPORT_FILES_H
#define METRICS_AGENT_EXPORT_IMPORT_FILES_H

#include "metrics-agent/export/import_cursors.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    IMPORT_FILES_OPEN_MAX = 64,
    IMPORT_FILES_SAID_MAX = 64,     /* complaints about single files */
    IMPORT_FILES_GONE_MS = 60000,   /* after which a file without a name is forgotten */
    IMPORT_FILES_SETTLED_MS = 5000, /* without a change, after which a last line is whole */
};

/* What is known of a file beside its cursor, which has the same index. */
struct import_file {
    int fd;              /* -1 while not open */
    uint64_t size;       /* as last seen; UINT64_MAX to look at it anew */
    uint64_t written_ns; /* its last write, Unix time; the same */
    uint64_t changed_ns; /* when that changed (monotonic) */
    uint64_t seen_ns;    /* when it last had a name (the same) */
    unsigned pass;       /* the pass that saw it last */
    bool known;          /* it was found to be the cursor's file since we started */
    bool behind;         /* there is something to read */
    bool unreadable;     /* it could not be opened or read when that was last tried */
    bool waiting;        /* only for its last line's newline */
    /* Where it stood before the step under way has moved its cursor. */
    bool moved, moved_skipping;
    uint64_t moved_offset;
    uint32_t moved_head, moved_print;
};

struct import_files {
    int dir_fd;
    struct import_cursors *cursors;
    struct import_file items[IMPORT_CURSORS_MAX];
    size_t open;   /* how many are */
    bool changed;  /* cursors are to be written */
    DIR *dir;      /* of the pass under way, or NULL */
    unsigned pass; /* the pass under way, or the last */
    bool saved;    /* this pass has seen the cursors' file */
    size_t refused[SPOOL_SIGNALS], refusing[SPOOL_SIGNALS]; /* by the last pass, by this one: */
                                                            /* files that are not followed */
    bool full;    /* it was said that there are too many files */
    bool missing; /* there was no file of cursors */
    uint32_t said[IMPORT_FILES_SAID_MAX];
    size_t said_count;
};

/* Takes up the cursors in the directory `dir_fd`. Returns 0, or -1 without memory. */
int import_files_open(struct import_files *files, int dir_fd, uint64_t now_ns);

void import_files_close(struct import_files *files);

/*
 * Goes on with a pass through the directory, or begins one, by a few hundred names. Returns whether
 * it is over. Indices end here.
 */
bool import_files_look(struct import_files *files, uint64_t now_ns);

/* The descriptor of file `i`; -1 if it can't be opened, until the next pass. */
int import_files_fd(struct import_files *files, size_t i);

/* File `i` can't be read, for the reason `error`: not before the next pass. */
void import_files_failed(struct import_files *files, size_t i, int error);

/*
 * File `i` is not what its cursor remembers: it was truncated or is another one, and is read from
 * its start, or forgotten if its name is not of ours. Returns whether it is still there; if not,
 * indices end here.
 */
bool import_files_replaced(struct import_files *files, size_t i);

/*
 * Of a signal's files, as far as they were last looked at: bytes that are not taken yet, and files
 * that can't be read or are not followed.
 */
void import_files_sum(const struct import_files *files, enum spool_signal signal, uint64_t *bytes,
                      uint64_t *unreadable);

/* Says something of a file, once. */
void import_files_say(struct import_files *files, const char *name, const char *what, int error);

#endif
