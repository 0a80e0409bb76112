#include "cli/doctor_exec.h"

#include "cli/doctor_commands.h"
#include "cli/instance.h"
#include "cli/sibling.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_MS = 5 /* between two looks whether it has ended */ };

/* Ends the process where it can't become that user. */
static void become_user(const struct passwd *user)
{
    if (user != NULL && (initgroups(user->pw_name, user->pw_gid) != 0 ||
                         setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(127);
}

static void become(const char *const argv[], const struct passwd *user, int output)
{
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    become_user(user);
    /* A change of the user takes it back. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        _exit(127);
    if (instance_export() != 0 || null < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(127);
    (void)execv(argv[0], (char *const *)argv);
    _exit(127);
}

/* Returns whether it came to its end. */
static bool read_all(int fd, uint64_t until_ns, char *output)
{
    size_t used = 0;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        const uint64_t now_ns = clock_monotonic_ns();
        char rest[1024];
        ssize_t got;
        int ready;

        if (now_ns >= until_ns)
            break;
        ready = poll(&wait, 1, (int)((until_ns - now_ns) / CLOCK_NS_PER_MS) + 1);
        if (ready < 0 && errno != EINTR)
            break;
        if (ready <= 0)
            continue;
        got = read(fd, rest, sizeof(rest));
        if (got <= 0) {
            output[used] = '\0';
            return got == 0;
        }
        for (ssize_t i = 0; i < got && used < DOCTOR_EXEC_OUTPUT_MAX - 1; i++)
            output[used++] = rest[i];
    }
    output[used] = '\0';
    return false;
}

/* Ends it where it does not end by itself in time. Returns whether it did, with its status. */
static bool wait_for_end(pid_t pid, uint64_t until_ns, int *status)
{
    pid_t ended;

    while ((ended = waitpid(pid, status, WNOHANG)) == 0 && clock_monotonic_ns() < until_ns)
        clock_sleep_ns(clock_ms_to_ns(LOOK_MS));
    if (ended != 0)
        return ended == pid;
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
    return false;
}

int doctor_exec(const struct doctor *doctor, const char *const argv[], int timeout_ms,
                char output[DOCTOR_EXEC_OUTPUT_MAX])
{
    const uint64_t until_ns = clock_monotonic_ns() + clock_ms_to_ns((uint64_t)timeout_ms);
    const struct passwd *user = NULL;
    int ends[2], status = 0;
    bool ended;
    pid_t pid;

    output[0] = '\0';
    if (geteuid() == 0) {
        const struct doctor_text wanted = doctor_commands_user(doctor);

        user = wanted.text[0] != '\0' ? getpwnam(wanted.text) : NULL;
    }
    /* Ignored, as our parent may have left it, the end of a child is not told. */
    (void)signal(SIGCHLD, SIG_DFL);
    if (access(argv[0], X_OK) != 0 || pipe2(ends, O_CLOEXEC) != 0)
        return DOCTOR_EXEC_NOT_RUN;
    pid = fork();
    if (pid == 0)
        become(argv, user, ends[1]);
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return DOCTOR_EXEC_NOT_RUN;
    }
    ended = read_all(ends[0], until_ns, output);
    (void)close(ends[0]);
    ended = wait_for_end(pid, ended ? until_ns : 0, &status) && ended;
    if (!ended || !WIFEXITED(status))
        return DOCTOR_EXEC_NO_END;
    return WEXITSTATUS(status) == 127 ? DOCTOR_EXEC_NOT_RUN : WEXITSTATUS(status);
}

/* Into `path`, if it is there and can be run. */
static int try(const char *dir, size_t len, const char *name, char path[DOCTOR_TEXT_MAX])
{
    return snprintf(path, DOCTOR_TEXT_MAX, "%.*s/%s", (int)len, dir, name) < DOCTOR_TEXT_MAX &&
                   access(path, X_OK) == 0
               ? 0
               : -1;
}

static int find_on_path(const char *name, char path[DOCTOR_TEXT_MAX])
{
    const char *at = getenv("PATH");

    while (at != NULL && *at != '\0') {
        const size_t n = strcspn(at, ":");

        if (n > 0 && at[0] == '/' && try(at, n, name, path) == 0)
            return 0;
        at += n + (at[n] == ':');
    }
    return -1;
}

int doctor_exec_find(const char *name, char path[DOCTOR_TEXT_MAX])
{
    char beside[PATH_MAX];

    if (sibling_path(beside, name) == 0 && access(beside, X_OK) == 0 &&
        snprintf(path, DOCTOR_TEXT_MAX, "%s", beside) < DOCTOR_TEXT_MAX)
        return 0;
    return find_on_path(name, path);
}

struct doctor_text doctor_exec_word(const char *name)
{
    char path[DOCTOR_TEXT_MAX], other[DOCTOR_TEXT_MAX];
    struct stat ours, theirs;

    if (doctor_exec_find(name, path) != 0 || stat(path, &ours) != 0 ||
        (find_on_path(name, other) == 0 && stat(other, &theirs) == 0 &&
         ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino))
        return doctor_quote(name);
    return doctor_quote(path);
}

char *doctor_exec_line(char **rest)
{
    char *const line = *rest;
    const size_t len = strcspn(line, "\n");

    if (*line == '\0')
        return NULL;
    *rest = line + len + (line[len] == '\n');
    line[len] = '\0';
    return line;
}
