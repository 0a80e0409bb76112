#include "gateways/cgi_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_MS = 500, /* between asking a group to end and ending it */
    LOOK_MS = 10,      /* between two looks, where there is no descriptor to wait for */
};

static int unwatched; /* processes that were left to go on */

/* What the child needs, all of it made before: it shares our memory until it calls exec. */
struct start {
    const char *path, *folder;
    const char *const *environment;
    int in, out, err; /* its ends; `in` -1: as it is */
    cgi_process_group *group;
    sigset_t mask;
    pid_t parent;
    volatile int error;
};

static _Noreturn void run(struct start *start)
{
    static const int signals[] = {SIGPIPE, SIGXFSZ, SIGTERM, SIGINT, SIGUSR1, SIGCHLD};
    const char *const arguments[] = {start->path, NULL};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)signal(signals[i], SIG_DFL);
    (void)setpgid(0, 0);
    if (start->group != NULL)
        atomic_store(start->group, getpid());
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start->parent)
        _exit(EXIT_FAILURE);
    if ((start->in >= 0 && dup2(start->in, STDIN_FILENO) < 0) ||
        dup2(start->out, STDOUT_FILENO) < 0 || dup2(start->err, STDERR_FILENO) < 0 ||
        (start->folder != NULL && chdir(start->folder) != 0)) {
        start->error = errno;
        _exit(EXIT_FAILURE);
    }
    (void)sigprocmask(SIG_SETMASK, &start->mask, NULL);
    (void)execve(start->path, (char *const *)(uintptr_t)arguments,
                 (char *const *)(uintptr_t)start->environment);
    start->error = errno;
    _exit(EXIT_FAILURE);
}

/* By vfork, which copies no memory: the parent goes on when the child has called exec. */
static __attribute__((noinline)) pid_t spawn(struct start *start)
{
    sigset_t all;
    pid_t pid;

    (void)sigfillset(&all);
    /* A handler of ours must not run in the child, in our memory. */
    (void)sigprocmask(SIG_SETMASK, &all, &start->mask);
    pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (pid == 0)
        run(start); /* NOLINT(clang-analyzer-unix.Vfork): it needs no memory of its own */
    (void)sigprocmask(SIG_SETMASK, &start->mask, NULL);
    return pid;
}

static void close_end(int *end)
{
    if (*end >= 0)
        (void)close(*end);
    *end = -1;
}

/* One of the script's pipes: `ours` does not block, `its` does. */
static int make_pipe(int *ours, int *its, bool we_write)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    *ours = ends[we_write];
    *its = ends[!we_write];
    return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static int make_ends(struct cgi_process *process, struct start *start, enum cgi_process_stdin from)
{
    if (make_pipe(&process->out, &start->out, false) != 0 ||
        make_pipe(&process->err, &start->err, false) != 0)
        return -1;
    if (from == CGI_PROCESS_STDIN_PIPE)
        return make_pipe(&process->in, &start->in, true);
    if (from == CGI_PROCESS_STDIN_EMPTY) {
        start->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return start->in < 0 ? -1 : 0;
    }
    return 0;
}

enum cgi_process_result cgi_process_start(struct cgi_process *process, const char *path,
                                          const char *const *environment, const char *folder,
                                          enum cgi_process_stdin from, cgi_process_group *group)
{
    struct start start = {.path = path,
                          .folder = folder,
                          .environment = environment,
                          .in = -1,
                          .out = -1,
                          .err = -1,
                          .group = group,
                          .parent = getpid()};
    enum cgi_process_result result = CGI_PROCESS_NO_ROOM;
    int saved;

    *process = (struct cgi_process){.pidfd = -1, .in = -1, .out = -1, .err = -1, .group = group};
    if (make_ends(process, &start, from) == 0) {
        process->pid = spawn(&start);
        if (process->pid < 0)
            process->pid = 0;
        else
            result = start.error == 0 ? CGI_PROCESS_STARTED : CGI_PROCESS_NO_EXEC;
    }
    saved = result == CGI_PROCESS_NO_EXEC ? start.error : errno;
    close_end(&start.in);
    close_end(&start.out);
    close_end(&start.err);
    if (result == CGI_PROCESS_STARTED) {
        process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
        return result;
    }
    if (process->pid > 0)
        (void)waitpid(process->pid, &process->status, 0);
    process->exited = true;
    cgi_process_close(process);
    errno = saved;
    return result;
}

void cgi_process_look(struct cgi_process *process)
{
    pid_t found;

    if (process->exited)
        return;
    do
        found = waitpid(process->pid, &process->status, WNOHANG);
    while (found < 0 && errno == EINTR);
    process->exited = found == process->pid || (found < 0 && errno == ECHILD);
}

/* Whether it has ended. It stays a zombie, so that its group's number stays its own. */
static bool has_ended(const struct cgi_process *process)
{
    siginfo_t info = {.si_pid = 0};

    return waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
}

void cgi_process_end(struct cgi_process *process)
{
    struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};
    const int step = process->pidfd >= 0 ? PATIENCE_MS : LOOK_MS;

    if (process->pid <= 0 || process->exited)
        return;
    (void)kill(-process->pid, SIGTERM);
    for (int waited = 0; !has_ended(process) && waited < PATIENCE_MS; waited += step)
        (void)poll(&ended, 1, step);
    (void)kill(-process->pid, SIGKILL);
    while (waitpid(process->pid, &process->status, 0) < 0 && errno == EINTR)
        continue;
    process->exited = true;
}

void cgi_process_close(struct cgi_process *process)
{
    close_end(&process->in);
    close_end(&process->out);
    close_end(&process->err);
    close_end(&process->pidfd);
    if (process->group != NULL)
        atomic_store(process->group, 0);
    if (process->pid > 0 && !process->exited)
        unwatched++;
    process->pid = 0;
}

void cgi_process_reap(void)
{
    while (unwatched > 0 && waitpid(-1, NULL, WNOHANG) > 0)
        unwatched--;
}
