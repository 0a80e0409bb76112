/*
 * The names of a spool's files (docs/spool.md, section "Files"), for all who look at a spool: the
 * agent and the command line.
 */
#ifndef LIB_SPOOL_FILES_H
#define LIB_SPOOL_FILES_H

#include "lib/spool/signal.h"

#include <stdint.h>

enum {
    SPOOL_FILES_NAME_MAX = 64, /* any of the names below and its NUL */
};

#define SPOOL_FILES_LOCK "agent.lock"

/* "<signal>.jsonl", the file that writers append to. */
void spool_files_active(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal);

/* "<signal>.<seq>.jsonl", sealed segment number `seq`, in ten digits or more. */
void spool_files_sealed(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq);

/* The number in a name that spool_files_sealed makes; 0 for any other name. */
uint64_t spool_files_number(enum spool_signal signal, const char *name);

/* "<signal>.quarantine.jsonl" and the older one, "<signal>.quarantine.old.jsonl". */
void spool_files_quarantine(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal);
void spool_files_quarantine_old(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal);

#endif
