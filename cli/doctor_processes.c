#include "cli/doctor_processes.h"

#include "cli/doctor.h"
#include "lib/metrics/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PROCESSES_MAX = 4096, /* of those that are of interest */
    FILE_MAX = 1 << 20,   /* bytes of /proc/PID/maps, /proc/PID/environ */
    ANCESTORS = 4,        /* a server, its worker, a wrapper, the program */
};

/* By the name that the kernel keeps, which is cut after 15 bytes. */
static const struct {
    const char *name;
    bool prefix;
    enum doctor_program program;
} programs[] = {
    {"metrics-agent", false, DOCTOR_AGENT},
    {"analyze", false, DOCTOR_WRITER},
    {"microtrace-cgi", false, DOCTOR_WRITER},
    {"microtrace-prox", false, DOCTOR_WRITER},
    {"microtrace-run", false, DOCTOR_SUPERVISOR},
    {"lighttpd", false, DOCTOR_SERVER},
    {"nginx", false, DOCTOR_SERVER},
    {"apache2", false, DOCTOR_SERVER},
    {"httpd", false, DOCTOR_SERVER},
    {"php-fpm", true, DOCTOR_SERVER},
};

static enum doctor_program program_of(const char *name)
{
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (programs[i].prefix ? strncmp(name, programs[i].name, strlen(programs[i].name)) == 0
                               : strcmp(name, programs[i].name) == 0)
            return programs[i].program;
    }
    return DOCTOR_OTHER;
}

/* One line of /proc/PID/status. */
static void read_line(struct doctor_process *p, const char *line)
{
    unsigned id;
    int parent, used;

    /* What has ended, and waits for its parent to look, is none of interest. */
    if (strncmp(line, "State:\tZ", 8) == 0)
        p->program = DOCTOR_OTHER;
    else if (sscanf(line, "PPid: %d", &parent) == 1)
        p->parent = parent;
    else if (sscanf(line, "Uid: %*u %u", &id) == 1)
        p->uid = id;
    else if (sscanf(line, "Gid: %*u %u", &id) == 1)
        p->gid = id;
    if (strncmp(line, "Groups:", 7) != 0)
        return;
    for (line += 7;
         p->group_count < DOCTOR_PROCESSES_GROUPS_MAX && sscanf(line, "%u%n", &id, &used) == 1;
         line += used)
        p->groups[p->group_count++] = id;
}

/* Returns -1 where the process is gone, or none of interest. */
static int read_status(struct doctor_process *p)
{
    char path[64], line[4096];
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)p->pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    if (fgets(p->name, sizeof(p->name), file) != NULL)
        p->name[strcspn(p->name, "\n")] = '\0';
    (void)fclose(file);
    p->program = program_of(p->name);
    if (p->program == DOCTOR_OTHER)
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)p->pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof(line), file) != NULL)
        read_line(p, line);
    (void)fclose(file);
    return p->program == DOCTOR_OTHER ? -1 : 0;
}

static void read_file(struct doctor_process *p)
{
    static const char deleted[] = " (deleted)";
    char path[64];
    ssize_t len;

    (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)p->pid);
    len = readlink(path, p->file, sizeof(p->file) - 1);
    p->file[len > 0 ? len : 0] = '\0';
    if (len < (ssize_t)sizeof(deleted) ||
        strcmp(p->file + len - (sizeof(deleted) - 1), deleted) != 0)
        return;
    p->replaced = true;
    p->file[(size_t)len - (sizeof(deleted) - 1)] = '\0';
}

/*
 * Whether one of the entries of /proc/PID/`which`, which end with `end`, ends with `text` (or is
 * it, if `whole`). -1 where that can't be seen.
 */
static int holds(pid_t pid, const char *which, char end, const char *text, bool whole)
{
    const size_t wanted = strlen(text);
    size_t left = FILE_MAX, size = 0;
    char path[64], *entry = NULL;
    int found = 0;
    ssize_t len;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (found == 0 && left > 0 && (len = getdelim(&entry, &size, end, file)) > 0) {
        size_t n = (size_t)len;

        left -= n < left ? n : left;
        n -= entry[n - 1] == end;
        found =
            n >= wanted && (!whole || n == wanted) && memcmp(entry + n - wanted, text, wanted) == 0;
    }
    if (found == 0 && ferror(file) != 0)
        found = -1;
    free(entry);
    (void)fclose(file);
    return found;
}

/* Whether the path is another directory for the process: it is in a container, say. */
static bool is_elsewhere(pid_t pid, const char *real)
{
    char path[PATH_MAX + 32];
    struct stat ours, theirs;

    (void)snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, real);
    if (stat(real, &ours) != 0)
        return false;
    if (stat(path, &theirs) != 0)
        return errno == ENOENT;
    return theirs.st_dev != ours.st_dev || theirs.st_ino != ours.st_ino;
}

static void find_instance(struct doctor_process *p, const char *metrics, const char *setting)
{
    const int maps = p->program == DOCTOR_SERVER ? 0 : holds(p->pid, "maps", '\n', metrics, false);
    const int told = maps > 0 ? 0 : holds(p->pid, "environ", '\0', setting, true);

    p->here = maps > 0 || told > 0;
    p->unseen = !p->here && (maps < 0 || told < 0);
}

/* Whose processes write here, serves here. */
static void find_servers(struct doctor_processes *all)
{
    for (size_t i = 0; i < all->count; i++) {
        pid_t parent = all->list[i].parent;

        for (int k = 0; all->list[i].here && all->list[i].program == DOCTOR_WRITER && k < ANCESTORS;
             k++) {
            const struct doctor_process *const found = doctor_processes_find(all, parent);

            if (found == NULL)
                break;
            if (found->program == DOCTOR_SERVER)
                all->list[found - all->list].serves = true;
            parent = found->parent;
        }
    }
}

static int add(struct doctor_processes *all, size_t *room, const struct doctor_process *one)
{
    if (all->count == *room) {
        const size_t more = *room == 0 ? 32 : 2 * *room;
        struct doctor_process *const list = realloc(all->list, more * sizeof(*list));

        if (list == NULL)
            return -1;
        all->list = list;
        *room = more;
    }
    all->list[all->count++] = *one;
    return 0;
}

struct doctor_processes *doctor_processes_list(const char *run_dir)
{
    struct doctor_processes *const all = calloc(1, sizeof(*all));
    DIR *const proc = all != NULL ? opendir("/proc") : NULL;
    char real[PATH_MAX], metrics[PATH_MAX + 32], setting[PATH_MAX + 32];
    const struct dirent *entry;
    size_t room = 0;
    bool failed = false;

    if (proc == NULL)
        return all;
    if (realpath(run_dir, real) == NULL)
        (void)snprintf(real, sizeof(real), "%s", run_dir);
    (void)snprintf(metrics, sizeof(metrics), " %s/" METRICS_FILE_NAME, real);
    (void)snprintf(setting, sizeof(setting), "MICROTRACE_RUN_DIR=%s", run_dir);
    while (!failed && all->count < PROCESSES_MAX && (entry = readdir(proc)) != NULL) {
        struct doctor_process one = {.pid = (pid_t)strtol(entry->d_name, NULL, 10)};

        if (one.pid <= 0 || read_status(&one) != 0 || is_elsewhere(one.pid, real))
            continue;
        read_file(&one);
        find_instance(&one, metrics, setting);
        failed = add(all, &room, &one) != 0;
    }
    (void)closedir(proc);
    if (failed) {
        doctor_processes_free(all);
        return NULL;
    }
    find_servers(all);
    return all;
}

void doctor_processes_free(struct doctor_processes *processes)
{
    if (processes != NULL)
        free(processes->list);
    free(processes);
}

const struct doctor_process *doctor_processes_find(const struct doctor_processes *processes,
                                                   pid_t pid)
{
    for (size_t i = 0; i < processes->count; i++) {
        if (processes->list[i].pid == pid)
            return &processes->list[i];
    }
    return NULL;
}

bool doctor_processes_may_write(const struct doctor_process *process, const struct stat *dir)
{
    mode_t may = dir->st_mode & 07;
    bool member = process->gid == dir->st_gid;

    for (size_t i = 0; i < process->group_count; i++)
        member = member || process->groups[i] == dir->st_gid;
    if (process->uid == 0)
        return true;
    if (process->uid == dir->st_uid)
        may = dir->st_mode >> 6 & 07;
    else if (member)
        may = dir->st_mode >> 3 & 07;
    return (may & 03) == 03;
}

struct doctor_text doctor_processes_user(uid_t uid)
{
    const struct passwd *const found = getpwuid(uid);

    return found != NULL ? doctor_format("%.64s", found->pw_name)
                         : doctor_format("%u", (unsigned)uid);
}
