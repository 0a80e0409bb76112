/*
 * The processes of this machine that are programs of ours or web servers, from /proc. Of other
 * users' processes an ordinary user sees the name, the user and the groups, not the rest.
 */
#ifndef CLI_DOCTOR_PROCESSES_H
#define CLI_DOCTOR_PROCESSES_H

#include "cli/doctor.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

enum {
    DOCTOR_PROCESSES_NAME_MAX = 32,
    DOCTOR_PROCESSES_GROUPS_MAX = 64,
    DOCTOR_PROCESSES_PATH_MAX = 512,
};

enum doctor_program {
    DOCTOR_AGENT,
    DOCTOR_WRITER, /* analyze, a gateway */
    DOCTOR_SUPERVISOR,
    DOCTOR_SERVER, /* a web server or PHP-FPM */
    DOCTOR_OTHER,
};

struct doctor_process {
    enum doctor_program program;
    pid_t pid, parent;
    uid_t uid; /* effective, as the group */
    gid_t gid;
    gid_t groups[DOCTOR_PROCESSES_GROUPS_MAX]; /* supplementary */
    size_t group_count;
    char name[DOCTOR_PROCESSES_NAME_MAX];
    char file[DOCTOR_PROCESSES_PATH_MAX]; /* of the program, "" where that can't be seen */
    bool replaced;                        /* the file was deleted or replaced since it started */
    bool unseen;                          /* whether it is of this instance can't be seen */
    bool here;   /* it maps the instance's metrics file, or is told its run directory */
    bool serves; /* a web server that has started a process which is `here` */
};

struct doctor_processes {
    struct doctor_process *list;
    size_t count;
};

/* Returns NULL if memory runs out. */
struct doctor_processes *doctor_processes_list(const char *run_dir);

void doctor_processes_free(struct doctor_processes *processes);

/* The process with that id, or NULL. */
const struct doctor_process *doctor_processes_find(const struct doctor_processes *processes,
                                                   pid_t pid);

/* Whether it may make files in a directory with this status. */
bool doctor_processes_may_write(const struct doctor_process *process, const struct stat *dir);

/* The user's name, or its number as text. */
struct doctor_text doctor_processes_user(uid_t uid);

#endif
