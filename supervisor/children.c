#include "supervisor/children.h"

#include "lib/base/message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigset_t awaited;

void children_init(void)
{
    struct sigaction hangup;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    sigaddset(&awaited, SIGCHLD);
    /* nohup has it ignored, and means it. */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(&awaited, SIGHUP);
    sigprocmask(SIG_SETMASK, &awaited, NULL);
    /* A shell ignores SIGINT for what it runs in the background; an ignored SIGCHLD loses children.
     */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    /* A limit on file sizes is an error of the write; children inherit that. */
    signal(SIGXFSZ, SIG_IGN);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        message_print("orphans can't be adopted: %s", strerror(errno));
}

/* Takes the variables whose names begin like that out of the environment. */
static void forget(const char *prefix)
{
    char name[NAME_MAX];

    for (char **at = environ; *at != NULL;) {
        const size_t length = strcspn(*at, "=");

        if (strncmp(*at, prefix, strlen(prefix)) != 0 || length >= sizeof(name)) {
            at++;
            continue;
        }
        memcpy(name, *at, length);
        name[length] = '\0';
        /* What follows moves up to this place. */
        if (unsetenv(name) != 0)
            at++;
    }
}

static void become(const char *const arguments[], bool exports, pid_t parent)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGPIPE, SIGQUIT};
    sigset_t none;
    setpgid(0, 0);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* The parent may have died before the kernel knew what to do about that. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(127);
    int null = open("/dev/null", O_RDONLY);
    if (null != -1 && null != STDIN_FILENO) {
        dup2(null, STDIN_FILENO);
        close(null);
    }
    forget(exports ? "DOWNSTREAM_" : "OTEL_EXPORTER_OTLP_");
    execv(arguments[0], (char *const *)arguments);
    message_print("%s can't be started: %s", arguments[0], strerror(errno));
    _exit(127);
}

pid_t children_start(const char *const arguments[], bool exports)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(arguments, exports, parent);
    if (pid == -1)
        message_print("%s can't be started: %s", arguments[0], strerror(errno));
    return pid;
}

int children_wait(int timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                                     .tv_nsec = timeout_ms % 1000 * 1000000L};
    int signal = sigtimedwait(&awaited, NULL, &timeout);
    return signal == -1 ? 0 : signal;
}

pid_t children_reap(int *status)
{
    pid_t pid = waitpid(-1, status, WNOHANG);
    return pid > 0 ? pid : 0;
}

/*
 * Sends `signal` to every child but `except`, and counts them; 0 only counts, as kill(2) has it. A
 * process that we have not reaped keeps its id, so this can't hit a stranger.
 */
static unsigned signal_each(int signal, pid_t except)
{
    char path[64];
    unsigned count = 0;
    long pid;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "re");
    if (children == NULL)
        return 0;
    while (fscanf(children, "%ld", &pid) == 1) {
        if ((pid_t)pid == except)
            continue;
        count++;
        (void)kill((pid_t)pid, signal);
    }
    fclose(children);
    return count;
}

void children_signal_all(int signal, pid_t except)
{
    (void)signal_each(signal, except);
}

bool children_any(pid_t except)
{
    return signal_each(0, except) > 0;
}

const char *children_describe(int status, char text[64])
{
    if (WIFSIGNALED(status))
        snprintf(text, 64, "signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, 64, "exit status %d", WEXITSTATUS(status));
    return text;
}
