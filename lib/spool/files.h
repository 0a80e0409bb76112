/*
 * The names of a spool's files (docs/spool.md, section "Files"), for all who look at a spool: the
 * writers, the agent and the command line.
 */
#ifndef LIB_SPOOL_FILES_H
#define LIB_SPOOL_FILES_H

#include "lib/spool/signal.h"

#include <stdint.h>

enum {
    SPOOL_FILES_NAME_MAX = 64, /* any of the names below and its NUL */
};

/*
 * The highest number of a segment. A name or a checkpoint with a higher one was not made by an
 * agent: one segment each millisecond gets there in 30 years.
 */
#define SPOOL_FILES_SEQ_MAX UINT64_C(999999999999)

#define SPOOL_FILES_LOCK          "agent.lock"
#define SPOOL_FILES_CHECKPOINT    "agent.checkpoint"
#define SPOOL_FILES_IMPORTS       "agent.imports"
#define SPOOL_FILES_MEMORY_DIR    "spool"    /* in MICROTRACE_RUN_DIR */
#define SPOOL_FILES_ACTIVE_FORMAT "%s.jsonl" /* takes the signal's name */

/* "<signal>.jsonl", the file that writers append to. */
void spool_files_active(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal);

/* "<signal>.<seq>.jsonl", sealed segment number `seq`, in ten digits or more. */
void spool_files_sealed(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq);

/* "<signal>.<seq>.kept.jsonl", what was segment number `seq` before all of it was settled. */
void spool_files_kept(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq);

/* "<signal>.quarantine.jsonl" and the older one, "<signal>.quarantine.old.jsonl". */
void spool_files_quarantine(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal);
void spool_files_quarantine_old(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal);

enum spool_files_kind {
    SPOOL_FILES_OTHER, /* of another signal, of the agent, a writer's probe, ... */
    SPOOL_FILES_ACTIVE,
    SPOOL_FILES_SEALED,
    SPOOL_FILES_KEPT,
    SPOOL_FILES_QUARANTINE, /* either of the two */
    SPOOL_FILES_FOREIGN,    /* it begins like the signal's files, but nobody reads it */
};

/* What a name in the directory is to the signal; *seq is set for sealed and kept ones. */
enum spool_files_kind spool_files_kind(enum spool_signal signal, const char *name, uint64_t *seq);

/*
 * The signal of a file that another program writes beside the spool, "<anything>.<signal>.jsonl"
 * and not hidden; SPOOL_SIGNALS for any other name.
 */
enum spool_signal spool_files_import(const char *name);

#endif
