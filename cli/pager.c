#include "cli/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define PAGER_UNLESS_SET "command -v less >/dev/null && exec less; exec cat"

/* Exit statuses of sh(1). */
enum { CANNOT_RUN = 126, NOT_FOUND = 127 };

static int saved = -1; /* standard output while the pager has its place */

pid_t pager_start(void)
{
    const char *const named = getenv("PAGER");
    const char *const command = named != NULL ? named : PAGER_UNLESS_SET;
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], error;
    pid_t pager = 0;

    if (command[0] == '\0' || strcmp(command, "cat") == 0 || fflush(stdout) != 0)
        return 0;
    (void)setenv("LESS", "FRX", 0);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    if (posix_spawn_file_actions_init(&actions) == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
        if (error == 0)
            error = posix_spawn(&pager, "/bin/sh", &actions, NULL, argv, environ);
        if (error != 0)
            pager = 0;
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    if (pager > 0) {
        saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        (void)dup2(ends[1], STDOUT_FILENO);
        /* Ctrl-C is the pager's, and its user may leave it before the end. */
        (void)signal(SIGINT, SIG_IGN);
        (void)signal(SIGPIPE, SIG_IGN);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pager;
}

int pager_wait(pid_t pager)
{
    int status = 0;

    if (pager == 0)
        return 0;
    /* A user who has seen enough is no failure. */
    if (fflush(stdout) != 0 && errno == EPIPE)
        clearerr(stdout);
    if (saved >= 0)
        (void)dup2(saved, STDOUT_FILENO);
    else
        (void)close(STDOUT_FILENO);
    while (waitpid(pager, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == CANNOT_RUN || WEXITSTATUS(status) == NOT_FOUND))
        return -1;
    return 0;
}
