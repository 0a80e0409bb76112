/*
 * $(exec PROGRAM ARGUMENTS...,NAMES...) for GNU make (its manual, "Loading Dynamic Objects"): turns
 * make itself into the program. The make variables NAMES go into the program's environment.
 *
 * `make run` uses it because make can't stop well: told to end by a signal, it ends its child and
 * then dies of that signal, while the contract is exit status 0. The program starts with SIGTERM,
 * SIGINT and SIGHUP blocked, so that none that comes meanwhile kills it; it has to take them
 * itself.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnumake.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ARGUMENTS_MAX = 16,
};

int plugin_is_GPL_compatible; /* make loads nothing that lacks it */

int make_exec_gmk_setup(const gmk_floc *place);

/* What make tells its own sub-makes is of no use to others, and would confuse a make among them. */
static void forget_make(void)
{
    static const char *const names[] = {"MAKEFLAGS",     "MFLAGS",       "MAKELEVEL",
                                        "MAKE_RESTARTS", "MAKE_TERMOUT", "MAKE_TERMERR",
                                        "MAKEOVERRIDES", "GNUMAKEFLAGS"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unsetenv(names[i]);
}

static void export_variable(const char *name)
{
    char reference[256];
    if ((size_t)snprintf(reference, sizeof(reference), "$(%s)", name) >= sizeof(reference))
        return;
    char *value = gmk_expand(reference);
    if (value != NULL)
        (void)setenv(name, value, 1);
    gmk_free(value);
}

/* The jobserver's pipe and the makefiles stay here. */
static void close_inherited(void)
{
    DIR *open_ones = opendir("/proc/self/fd");
    if (open_ones == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(open_ones)) != NULL;) {
        int fd = atoi(entry->d_name);
        if (fd > STDERR_FILENO)
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    closedir(open_ones);
}

static char *run(const char *function, unsigned count, char **values)
{
    char *arguments[ARGUMENTS_MAX + 1];
    size_t n = 0;
    sigset_t kept;

    for (char *word = strtok(values[0], " \t"); word != NULL && n < ARGUMENTS_MAX;
         word = strtok(NULL, " \t"))
        arguments[n++] = word;
    arguments[n] = NULL;
    if (n == 0)
        return NULL;
    for (char *name = count > 1 ? strtok(values[1], " \t") : NULL; name != NULL;
         name = strtok(NULL, " \t"))
        export_variable(name);
    forget_make();
    close_inherited();
    fflush(NULL);
    sigemptyset(&kept);
    sigaddset(&kept, SIGTERM);
    sigaddset(&kept, SIGINT);
    sigaddset(&kept, SIGHUP);
    sigprocmask(SIG_SETMASK, &kept, NULL);
    execv(arguments[0], arguments);
    fprintf(stderr, "make: %s: %s: %s\n", function, arguments[0], strerror(errno));
    exit(127);
}

int make_exec_gmk_setup(const gmk_floc *place)
{
    (void)place;
    gmk_add_function("exec", run, 1, 2, GMK_FUNC_DEFAULT);
    return 1;
}
