#include "cli/cron_agent.h"

#include "cli/instance.h"
#include "cli/sibling.h"
#include "lib/base/clock.h"
#include "lib/base/options.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MORE_MS = 6000,    /* that the agent gets beyond its time, to write down where it stands */
    KILLED_MS = 1000,  /* for the end of one that was killed */
    LOOK_MS = 200,     /* between two looks whether it has ended */
    LOOK_SOON_MS = 5,  /* the same when it has said its last */
    WORDS_MAX = 16384, /* bytes of what it says that are passed on */
    NOT_STARTED = 127, /* exit status, as a shell has it; the reason was said */
    SECONDS_TEXT_MAX = 32,
};

struct agent {
    char path[PATH_MAX];
    pid_t pid;
    int words_fd; /* -1 at its end */
    char words[WORDS_MAX + 1];
    size_t words_length;
    bool ended;
    int status; /* of waitpid(2) */
};

static _Noreturn void become(const struct agent *agent, int words, double within_s, pid_t parent)
{
    char seconds[SECONDS_TEXT_MAX];
    char *const argv[] = {(char *)"metrics-agent", (char *)"--once", (char *)"--within", seconds,
                          NULL};

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(words, STDERR_FILENO) < 0)
        _exit(NOT_STARTED);
    (void)snprintf(seconds, sizeof(seconds), "%.3fs", within_s);
    (void)execv(agent->path, argv);
    printable_error("microtrace cron: %s can't be started: %s%s", agent->path, strerror(errno),
                    errno == ENOENT ? "; it belongs beside microtrace" : "");
    _exit(NOT_STARTED);
}

static int start(struct agent *agent, double within_s)
{
    const pid_t parent = getpid();
    int words[2];

    /* Ignored, as our parent may have left it, the end of a child is not told. */
    (void)signal(SIGCHLD, SIG_DFL);
    /* What is wrong with names of settings, we have said. */
    if (instance_export() != 0 || setenv("MICROTRACE_PROGRAMS", "", 1) != 0 ||
        sibling_path(agent->path, "metrics-agent") != 0 ||
        pipe2(words, O_CLOEXEC | O_NONBLOCK) != 0) {
        printable_error("microtrace cron: metrics-agent can't be started: %s", strerror(errno));
        return -1;
    }
    agent->pid = fork();
    if (agent->pid == 0)
        become(agent, words[1], within_s, parent);
    if (agent->pid < 0)
        printable_error("microtrace cron: metrics-agent can't be started: %s", strerror(errno));
    (void)close(words[1]);
    agent->words_fd = words[0];
    return agent->pid > 0 ? 0 : -1;
}

/* What is too much is read all the same, so that it goes on. */
static void take_words(struct agent *agent)
{
    char more[4096];
    ssize_t got;

    while (agent->words_fd >= 0 && (got = read(agent->words_fd, more, sizeof(more))) >= 0) {
        size_t fits = WORDS_MAX - agent->words_length;

        if (got == 0) {
            (void)close(agent->words_fd);
            agent->words_fd = -1;
            return;
        }
        if (fits > (size_t)got)
            fits = (size_t)got;
        memcpy(agent->words + agent->words_length, more, fits);
        agent->words_length += fits;
    }
}

/* Returns whether it has ended by then. */
static bool wait_for_end(struct agent *agent, uint64_t end_ms)
{
    while (!agent->ended && clock_monotonic_ms() < end_ms) {
        struct pollfd words = {.fd = agent->words_fd, .events = POLLIN};

        (void)poll(&words, 1, agent->words_fd >= 0 ? LOOK_MS : LOOK_SOON_MS);
        take_words(agent);
        agent->ended = waitpid(agent->pid, &agent->status, WNOHANG) == agent->pid;
    }
    take_words(agent);
    return agent->ended;
}

/* Says what the agent could not say itself. Returns 0 if all is well. */
static int judge(struct agent *agent)
{
    const int status = WIFEXITED(agent->status) ? WEXITSTATUS(agent->status) : -1;

    agent->words[agent->words_length] = '\0';
    /* One from before there was --once. */
    if (status == OPTIONS_USAGE && strstr(agent->words, "--once") != NULL) {
        printable_error("microtrace cron: %s is of another version than this command (%s); install "
                        "both from one package",
                        agent->path, MICROTRACE_VERSION);
        return -1;
    }
    (void)fwrite(agent->words, 1, agent->words_length, stderr);
    if (WIFSIGNALED(agent->status))
        printable_error("microtrace cron: metrics-agent was killed by signal %d (%s)",
                        WTERMSIG(agent->status), strsignal(WTERMSIG(agent->status)));
    else if (status != 0 && agent->words_length == 0)
        printable_error("microtrace cron: metrics-agent ended with %d", status);
    return status == 0 ? 0 : -1;
}

int cron_agent_run(double within_s)
{
    static struct agent agent;
    int result;

    if (start(&agent, within_s) != 0)
        return -1;
    if (wait_for_end(&agent, clock_monotonic_ms() + (uint64_t)(within_s * 1000) + MORE_MS)) {
        result = judge(&agent);
    } else {
        printable_error("microtrace cron: metrics-agent took too long and was killed");
        (void)kill(agent.pid, SIGKILL);
        (void)wait_for_end(&agent, clock_monotonic_ms() + KILLED_MS);
        result = -1;
    }
    if (agent.words_fd >= 0)
        (void)close(agent.words_fd);
    return result;
}
