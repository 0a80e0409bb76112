#include "lib/spool/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void spool_files_active(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, SPOOL_FILES_ACTIVE_FORMAT,
                   spool_signal_names[signal]);
}

void spool_files_sealed(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, "%s.%010llu.jsonl", spool_signal_names[signal],
                   (unsigned long long)seq);
}

void spool_files_kept(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, "%s.%010llu.kept.jsonl", spool_signal_names[signal],
                   (unsigned long long)seq);
}

void spool_files_quarantine(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, "%s.quarantine.jsonl", spool_signal_names[signal]);
}

void spool_files_quarantine_old(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, "%s.quarantine.old.jsonl",
                   spool_signal_names[signal]);
}

typedef void make_name(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq);

/* The number in a name that `make` makes; 0 for any other name. */
static uint64_t number_of(enum spool_signal signal, const char *name, make_name *make)
{
    const char *of = spool_signal_names[signal];
    size_t len = strlen(of);
    char again[SPOOL_FILES_NAME_MAX];
    unsigned long long seq;

    if (strncmp(name, of, len) != 0 || name[len] != '.' || name[len + 1] < '0' ||
        name[len + 1] > '9')
        return 0;
    errno = 0;
    seq = strtoull(name + len + 1, NULL, 10);
    if (errno != 0 || seq > SPOOL_FILES_SEQ_MAX)
        return 0;
    make(again, signal, seq);
    return strcmp(again, name) == 0 ? seq : 0;
}

enum spool_files_kind spool_files_kind(enum spool_signal signal, const char *name, uint64_t *seq)
{
    const size_t len = strlen(spool_signal_names[signal]);
    char known[SPOOL_FILES_NAME_MAX];

    if (strncmp(name, spool_signal_names[signal], len) != 0 || name[len] != '.' ||
        strstr(name, ".probe.") != NULL || spool_files_import(name) != SPOOL_SIGNALS)
        return SPOOL_FILES_OTHER;
    spool_files_active(known, signal);
    if (strcmp(name, known) == 0)
        return SPOOL_FILES_ACTIVE;
    *seq = number_of(signal, name, spool_files_sealed);
    if (*seq > 0)
        return SPOOL_FILES_SEALED;
    *seq = number_of(signal, name, spool_files_kept);
    if (*seq > 0)
        return SPOOL_FILES_KEPT;
    spool_files_quarantine(known, signal);
    if (strcmp(name, known) == 0)
        return SPOOL_FILES_QUARANTINE;
    spool_files_quarantine_old(known, signal);
    return strcmp(name, known) == 0 ? SPOOL_FILES_QUARANTINE : SPOOL_FILES_FOREIGN;
}

enum spool_signal spool_files_import(const char *name)
{
    static const char end[] = ".jsonl";
    const size_t len = strlen(name);

    if (name[0] == '.' || len < sizeof(end) || strcmp(name + len - (sizeof(end) - 1), end) != 0)
        return SPOOL_SIGNALS;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        const size_t of = strlen(spool_signal_names[i]), behind = of + sizeof(end) - 1;

        if (len > behind + 1 && name[len - behind - 1] == '.' &&
            memcmp(name + len - behind, spool_signal_names[i], of) == 0)
            return (enum spool_signal)i;
    }
    return SPOOL_SIGNALS;
}
