#include "gateways/cgi_workers.h"

#include "lib/base/clock.h"
#include "lib/base/message.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    /* One that dies sooner than that after its start is not replaced before. */
    LIFE_MIN_MS = 1000,
    LOOK_S = 1,
};

struct worker {
    pid_t pid; /* 0: to be started */
    uint64_t start_ms;
};

struct workers {
    unsigned count;
    struct worker *list;
    cgi_process_group *groups; /* shared memory, one each */
    int (*work)(void *context, cgi_process_group *group);
    void (*stop)(void *context);
    void *context;
    const struct notify *notify;
    uint64_t ping_due_ms;
    bool stopping;
    sigset_t watched;
};

/* Returns 0, or -1 where there is no room for a process. */
static int start(struct workers *workers, unsigned i)
{
    struct worker *const worker = &workers->list[i];
    const pid_t parent = getpid();

    worker->start_ms = clock_monotonic_ms();
    worker->pid = fork();
    if (worker->pid < 0) {
        worker->pid = 0;
        return -1;
    }
    if (worker->pid > 0)
        return 0;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
    (void)sigprocmask(SIG_UNBLOCK, &workers->watched, NULL);
    exit(workers->work(workers->context, &workers->groups[i]));
}

static void end_group(cgi_process_group *group)
{
    const pid_t pid = atomic_exchange(group, 0);

    if (pid > 0)
        (void)kill(-pid, SIGKILL);
}

/* Takes leave of those that have ended. Returns how many there are still. */
static unsigned reap(struct workers *workers)
{
    unsigned left = 0;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < workers->count; i++) {
            if (workers->list[i].pid != pid)
                continue;
            workers->list[i].pid = 0;
            end_group(&workers->groups[i]);
            if (WIFSIGNALED(status))
                message_print("a process was ended by signal %d", WTERMSIG(status));
        }
    }
    for (unsigned i = 0; i < workers->count; i++)
        left += workers->list[i].pid > 0;
    return left;
}

static void replace(struct workers *workers)
{
    const uint64_t now = clock_monotonic_ms();

    for (unsigned i = 0; i < workers->count; i++) {
        if (workers->list[i].pid == 0 && now - workers->list[i].start_ms >= LIFE_MIN_MS)
            (void)start(workers, i);
    }
}

static void stop_all(struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        if (workers->list[i].pid > 0)
            (void)kill(workers->list[i].pid, SIGTERM);
    }
    /* Once, since a successor may have the socket's name by the second time. */
    if (!workers->stopping) {
        notify_stopping(workers->notify);
        workers->stop(workers->context);
    }
    workers->stopping = true;
}

/* The manager expects no more often than each LOOK_S: microtrace-cgi.service says so. */
static void ping(struct workers *workers)
{
    const uint64_t now = clock_monotonic_ms();

    if (workers->notify->ping_ms == 0 || now < workers->ping_due_ms)
        return;
    notify_ping(workers->notify);
    workers->ping_due_ms = now + workers->notify->ping_ms;
}

static void tell_ready(const struct workers *workers)
{
    char status[64];

    (void)snprintf(status, sizeof(status), "%u processes serve", workers->count);
    if (notify_ready(workers->notify, status) != 0)
        message_print("NOTIFY_SOCKET: the service manager can't be told: %s", strerror(errno));
}

static void watch(struct workers *workers)
{
    const struct timespec look = {.tv_sec = LOOK_S};

    tell_ready(workers);
    while (reap(workers) > 0 || !workers->stopping) {
        const int number = sigtimedwait(&workers->watched, NULL, &look);

        if (number > 0 && number != SIGCHLD)
            stop_all(workers);
        (void)reap(workers);
        ping(workers);
        if (!workers->stopping)
            replace(workers);
    }
}

int cgi_workers_run(unsigned count, int (*work)(void *context, cgi_process_group *group),
                    void (*stop)(void *context), void *context, const struct notify *notify)
{
    static const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1};
    struct workers workers = {
        .count = count, .work = work, .stop = stop, .context = context, .notify = notify};
    int result = 0;

    workers.list = calloc(count, sizeof(*workers.list));
    workers.groups = mmap(NULL, count * sizeof(*workers.groups), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    (void)sigemptyset(&workers.watched);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaddset(&workers.watched, signals[i]);
    if (workers.list == NULL || workers.groups == MAP_FAILED ||
        sigprocmask(SIG_BLOCK, &workers.watched, NULL) != 0) {
        message_print("can't start: %s", strerror(errno));
        return -1;
    }
    for (unsigned i = 0; i < count && result == 0; i++)
        result = start(&workers, i);
    if (result == 0) {
        watch(&workers);
    } else {
        message_print("can't start %u processes: %s", count, strerror(errno));
        stop_all(&workers);
    }
    (void)munmap(workers.groups, count * sizeof(*workers.groups));
    free(workers.list);
    return result;
}
