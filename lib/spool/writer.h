/*
 * The writer's side of a spool: append whole lines to <dir>/<signal>.jsonl, beside any number of
 * other writers, while the agent rotates. There are two places for that file, in memory and on a
 * disk (docs/spool.md, section "Two tiers"): the first where its directory is there and its file
 * has room, else the second. docs/spool.md is the protocol:
 *
 * A writer keeps a shared (read) OFD lock on the file that it appends to, as long as the file is
 * open, and now and then compares the path with its descriptor. The agent seals a segment by
 * renaming it, and treats it as complete once no lock is left on it. So neither waits for the
 * other, a writer that is stopped at any instruction loses nothing, and the kernel releases a
 * killed writer's lock. The interval of the comparisons only decides how soon a segment can be
 * deleted.
 */
#ifndef LIB_SPOOL_WRITER_H
#define LIB_SPOOL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPOOL_PATH_MAX = 4096,
    SPOOL_RECORD_MAX = 262144, /* bytes of one line with its newline */
    SPOOL_CHECK_MS = 50, /* a busy writer compares this often, an idle one before each append */
};

/* Why records did not reach the spool; the label `reason` of the dropped-records metric. */
enum spool_result {
    SPOOL_OK,
    SPOOL_NO_SPACE,   /* "no_space": the file system is full, or a quota */
    SPOOL_FULL,       /* "full": the writer's own hard limit: no agent is making room */
    SPOOL_UNWRITABLE, /* "unwritable": the directory is missing, not writable, ... */
    SPOOL_OVERSIZE,   /* "oversize": a record beyond SPOOL_RECORD_MAX */
};

/* An active file, of one tier. */
struct spool_writer_file {
    char path[SPOOL_PATH_MAX]; /* "" for none */
    size_t dir_length;         /* of its directory in the path, if that is to be no link; else 0 */
    int fd;                    /* -1 while there is none */
    bool limited;              /* the size of files is (RLIMIT_FSIZE), when it was opened */
    bool torn;                 /* the last line may be unfinished: then ours begins on a new one */
    uint64_t device, inode;    /* of fd */
    uint64_t max_bytes;        /* limit of the file's size, as of the last comparison */
    uint64_t checked_ns;       /* when the last was, on the monotonic clock; or the last try */
    uint64_t size;             /* of the file then, and what we added since */
};

struct spool_writer {
    struct spool_writer_file memory, disk;
    uint64_t check_ns; /* interval of the comparisons; 0: before each append */
    uint64_t inode;    /* of the file that the last append went to; 0: to two of them */
    size_t wrote;      /* bytes of the last append that are in a file */
    int last_errno;    /* of the last failure, for messages; 0 for none */
};

/*
 * Prepares to append to <dir>/<signal>.jsonl. `max_bytes` is the size beyond which this writer adds
 * nothing. Opens nothing yet: the first append does, and each append after a failure tries again.
 * Returns 0, or -1 if the path is too long.
 */
int spool_writer_init(struct spool_writer *spool, const char *dir, const char *signal,
                      uint64_t max_bytes);

/*
 * From now on tries <run_dir>/spool/<signal>.jsonl first, up to `max_bytes` of it, where the agent
 * has made that directory. Without it one attempt in SPOOL_CHECK_MS is one system call more.
 */
void spool_writer_set_memory(struct spool_writer *spool, const char *run_dir, const char *signal,
                             uint64_t max_bytes);

/*
 * Appends `len` bytes, one or more whole lines each ended by a newline, by one write. *lost is set
 * to the number of lines that the caller has to count under the result's reason; the rest is in the
 * file. A line torn by a short write is not included: the agent finds and counts it.
 */
enum spool_result spool_writer_append(struct spool_writer *spool, const char *lines, size_t len,
                                      unsigned *lost);

/* Tries whether an append could succeed now, by writing a probe file beside the active one. */
enum spool_result spool_writer_probe(struct spool_writer *spool);

/* Whether an active file is there and may be written, as far as that shows without writing. */
bool spool_writer_leads(const struct spool_writer *spool);

/* The label value of a result that is not SPOOL_OK. */
const char *spool_reason(enum spool_result result);

/* Closes the files, which releases their locks. */
void spool_writer_close(struct spool_writer *spool);

#endif
