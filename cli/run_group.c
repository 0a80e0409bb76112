#include "cli/run_group.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 256, /* generations below us */
    STAT_MAX = 512,
};

struct process {
    char state;
    int parent, group;
};

void run_group_adopt(void)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* Reads /proc/PID/stat (proc(5)). Returns 0, or -1 if there is no such process. */
static int look(int pid, struct process *process)
{
    char path[sizeof("/proc//stat") + 11], text[STAT_MAX];
    const char *after_name;
    ssize_t size;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (size <= 0)
        return -1;
    text[size] = '\0';
    /* The name may hold anything, parentheses too. */
    after_name = strrchr(text, ')');
    return after_name != NULL && sscanf(after_name, ") %c %d %d", &process->state, &process->parent,
                                        &process->group) == 3
               ? 0
               : -1;
}

static bool is_below_us(struct process process)
{
    const int us = getpid();

    for (int i = 0; i < DEPTH_MAX && process.parent > 1; i++) {
        if (process.parent == us)
            return true;
        if (look(process.parent, &process) != 0)
            return false;
    }
    return false;
}

unsigned run_group_signal(int signal)
{
    DIR *const proc = opendir("/proc");
    const int group = getpgrp();
    const struct dirent *entry;
    struct process process;
    unsigned found = 0;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        const int pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

        if (pid == 0 || look(pid, &process) != 0 || process.group != group ||
            process.state == 'Z' || !is_below_us(process))
            continue;
        found++;
        if (signal != 0)
            (void)kill(pid, signal);
    }
    if (proc != NULL)
        (void)closedir(proc);
    return found;
}
