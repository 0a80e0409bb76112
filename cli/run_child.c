#include "cli/run_child.h"

#include "cli/run_group.h"

#include "lib/base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    AT_ONCE = 16, /* signals of one read */
};

/* Faults of our own, what can't be caught, and what is no request to the command. */
static const int not_taken[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
                                SIGABRT, SIGSYS,  SIGPIPE, SIGXFSZ, SIGTTIN, SIGTTOU};

/* Without a terminal nobody stops us by a key: what comes is for the command. */
static const int job_control[] = {SIGTSTP, SIGCONT};

static bool has_terminal(void)
{
    const int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return false;
    (void)close(fd);
    return true;
}

static bool is_ignored(int signal)
{
    struct sigaction action;

    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void leave_out(sigset_t *set, const int *signals, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)sigdelset(set, signals[i]);
}

int run_child_prepare(struct run_child *child, bool ends_group)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
    sigset_t taken;

    *child = (struct run_child){
        .pid = -1, .signals = -1, .exec_result = -1, .own_group = !has_terminal()};
    if (ends_group && !child->own_group)
        run_group_adopt();
    (void)sigfillset(&taken);
    leave_out(&taken, not_taken, sizeof(not_taken) / sizeof(not_taken[0]));
    if (!child->own_group)
        leave_out(&taken, job_control, sizeof(job_control) / sizeof(job_control[0]));
    /* What is ignored (nohup) would be kept for a signalfd, and handed on. */
    for (int signal = 1; signal < NSIG; signal++) {
        if (signal != SIGCHLD && is_ignored(signal))
            (void)sigdelset(&taken, signal);
    }
    if (sigaction(SIGCHLD, &standard, &child->chld_before) != 0 ||
        sigaction(SIGPIPE, &ignore, &child->pipe_before) != 0 ||
        sigprocmask(SIG_BLOCK, &taken, &child->mask_before) != 0)
        return -1;
    child->signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    return child->signals >= 0 ? 0 : -1;
}

int run_child_become(struct run_child *child, char *const *argv)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};

    (void)sigaction(SIGCHLD, &child->chld_before, NULL);
    (void)sigaction(SIGPIPE, &child->pipe_before, NULL);
    (void)sigaction(SIGXFSZ, &standard, NULL); /* main ignores it for its own writes */
    (void)sigprocmask(SIG_SETMASK, &child->mask_before, NULL);
    (void)execvp(argv[0], argv);
    return errno;
}

static _Noreturn void run(struct run_child *child, char *const *argv, const int output[2],
                          int result, pid_t parent)
{
    int error;

    if (child->own_group)
        (void)setpgid(0, 0);
    /* kill -9 of this program is kill -9 of the command. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(RUN_CHILD_NOT_RUN);
    for (int i = 0; i < 2; i++) {
        if (output[i] >= 0)
            (void)dup2(output[i], STDOUT_FILENO + i);
    }
    error = run_child_become(child, argv);
    (void)!write(result, &error, sizeof(error));
    _exit(error == ENOENT ? RUN_CHILD_NOT_FOUND : RUN_CHILD_NOT_RUN);
}

int run_child_start(struct run_child *child, char *const *argv, const int output[2])
{
    const pid_t parent = getpid();
    int result[2], error;

    if (pipe2(result, O_CLOEXEC) != 0)
        return -1;
    child->pid = fork();
    if (child->pid == 0)
        run(child, argv, output, result[1], parent);
    error = errno;
    (void)close(result[1]);
    if (child->pid < 0) {
        (void)close(result[0]);
        errno = error;
        return -1;
    }
    /* Both do it, so that it is done whoever goes on first. */
    if (child->own_group)
        (void)setpgid(child->pid, child->pid);
    child->exec_result = result[0];
    return 0;
}

void run_child_kill(const struct run_child *child, int signal)
{
    if (child->own_group)
        (void)kill(-child->pid, signal);
    else
        (void)run_group_signal(signal);
}

bool run_child_has_group(const struct run_child *child)
{
    return child->own_group ? kill(-child->pid, 0) == 0 : run_group_signal(0) > 0;
}

static void command_changed(struct run_child *child, int status)
{
    if (WIFSTOPPED(status)) {
        /* It stopped itself, as an editor does for Ctrl-Z: the shell has to see the job stop. */
        (void)raise(SIGSTOP);
        (void)kill(child->pid, SIGCONT);
        return;
    }
    child->ended = true;
    child->status = status;
    if (read(child->exec_result, &child->exec_error, sizeof(child->exec_error)) !=
        sizeof(child->exec_error))
        child->exec_error = 0;
    (void)close(child->exec_result);
    child->exec_result = -1;
}

/* Orphans too, which are ours where this is a container's first process, or has adopted them. */
static void reap(struct run_child *child)
{
    const int options = WNOHANG | (child->own_group ? 0 : WUNTRACED);
    int status;
    pid_t found;

    while ((found = waitpid(-1, &status, options)) > 0) {
        if (found == child->pid)
            command_changed(child, status);
    }
}

static void hand_on(struct run_child *child, const struct signalfd_siginfo *info)
{
    const int signal = (int)info->ssi_signo;

    if (child->ended) {
        child->told_to_end = child->told_to_end || signal == SIGTERM || signal == SIGINT ||
                             signal == SIGHUP || signal == SIGQUIT;
        return;
    }
    if (info->ssi_code == SI_KERNEL && !child->own_group)
        return;
    (void)kill(child->pid, signal);
}

void run_child_signals(struct run_child *child)
{
    struct signalfd_siginfo infos[AT_ONCE];
    ssize_t size;

    do {
        size = read(child->signals, infos, sizeof(infos));
        for (ssize_t i = 0; i < size / (ssize_t)sizeof(infos[0]); i++) {
            if (infos[i].ssi_signo != SIGCHLD)
                hand_on(child, &infos[i]);
            else
                reap(child);
        }
    } while (size == (ssize_t)sizeof(infos));
    /* Where signals can't be read, the command's end is still to be seen. */
    if (size < 0 && errno != EAGAIN)
        reap(child);
}
