#include "lib/spool/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void spool_files_active(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, "%s.jsonl", spool_signal_names[signal]);
}

void spool_files_sealed(char name[SPOOL_FILES_NAME_MAX], enum spool_signal signal, uint64_t seq)
{
    (void)snprintf(name, SPOOL_FILES_NAME_MAX, "%s.%010llu.jsonl", spool_signal_names[signal],
                   (unsigned long long)seq);
}

uint64_t spool_files_number(enum spool_signal signal, const char *name)
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
    if (errno != 0)
        return 0;
    spool_files_sealed(again, signal, seq);
    return strcmp(again, name) == 0 ? seq : 0;
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
