/*
 * The spool's files of one signal as `expect` reads them, again and again: all segments that are
 * there, wherever the agent's checkpoint stands, the active file, and the files of other programs
 * beside them. Each look takes only what is new; a file is the same one after it has been sealed,
 * moved or deleted.
 */
#ifndef CLI_EXPECT_FILES_H
#define CLI_EXPECT_FILES_H

#include "lib/base/text.h"
#include "lib/spool/signal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPECT_FILES_OPEN_MAX = 512 }; /* files that may still grow */

struct expect_files;

/*
 * A record in plain JSON (cli/record_json.h). `foreign`: it stands in another program's file, and
 * may come a second time, from a segment that the agent has copied it to.
 */
typedef void expect_files_take(void *context, struct text record, bool foreign);

/*
 * Of the directory `dir`, which may be missing yet, and the one that `run_dir` has for the tier in
 * memory. Both are borrowed. NULL if memory runs out.
 */
struct expect_files *expect_files_open(enum spool_signal signal, const char *dir,
                                       const char *run_dir);

void expect_files_close(struct expect_files *files); /* NULL does nothing */

/*
 * Takes all records that were written since the last look: those that other programs' files had
 * before it come before their copies. `last` also takes a last line that has no newline yet, if it
 * is whole.
 */
void expect_files_look(struct expect_files *files, bool last, expect_files_take *take,
                       void *context);

/* Records that the probe passes over (cli/record_reader.h) are not taken from now on; NULL: all. */
void expect_files_probe(struct expect_files *files, const char *probe);

/* The next look begins anew, with all records that are there. */
void expect_files_rewind(struct expect_files *files);

struct expect_files_state {
    uint64_t records;   /* taken since the start, or the last rewind */
    uint64_t broken;    /* pieces that are no records */
    uint64_t long_ones; /* records that are too long to be looked at */
    bool unsure;        /* a file could not be read: there may be more records */
    const char *file;   /* which one; "" if that is not known, or is the directory */
    int error;          /* its errno */
    bool missing;       /* the directory is not there */
};

/* As of the last look. `file` lives until the next one. */
struct expect_files_state expect_files_state(const struct expect_files *files);

#endif
