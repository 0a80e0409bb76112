#include "lib/metrics/guard.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

/* A handler has no argument but the address: the ranges have to be global. */
static struct {
    _Atomic uintptr_t base; /* 0: free */
    _Atomic size_t size;
    atomic_bool hit;
} ranges[METRICS_GUARD_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;

static bool replace(uintptr_t address)
{
    for (int i = 0; i < METRICS_GUARD_MAX; i++) {
        uintptr_t base = atomic_load(&ranges[i].base);
        size_t size = atomic_load(&ranges[i].size);
        if (base == 0 || address < base || address - base >= size)
            continue;
        /* Another thread may have replaced it first: doing it twice could lose its stores. */
        if (atomic_exchange(&ranges[i].hit, true))
            return true;
        return mmap((void *)base, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
    }
    return false;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
    if (info->si_code > 0 && replace((uintptr_t)info->si_addr))
        return;
    if (previous.sa_flags & SA_SIGINFO) {
        previous.sa_sigaction(sig, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(sig);
    } else {
        /* The access is tried again on return, and ends the process as it would have. */
        signal(SIGBUS, SIG_DFL);
        if (info->si_code <= 0)
            raise(SIGBUS);
    }
}

/* Whether our handler is in place. Another part of the program may have put its own there since. */
static bool install(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus,
                               .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    struct sigaction current;

    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, NULL, &current) < 0)
        return false;
    if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_sigbus)
        return true;
    previous = current;
    return sigaction(SIGBUS, &action, NULL) == 0;
}

void metrics_guard_before_fork(void)
{
    pthread_mutex_lock(&lock);
}

void metrics_guard_after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

int metrics_guard_add(void *base, size_t size)
{
    int found = -1;

    assert(base != NULL && size > 0);
    pthread_mutex_lock(&lock);
    bool installed = install();
    for (int i = 0; installed && found < 0 && i < METRICS_GUARD_MAX; i++) {
        if (atomic_load(&ranges[i].base) == 0) {
            atomic_store(&ranges[i].hit, false);
            atomic_store(&ranges[i].size, size);
            atomic_store(&ranges[i].base, (uintptr_t)base);
            found = i;
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

bool metrics_guard_hit(int guard)
{
    return guard >= 0 && atomic_load_explicit(&ranges[guard].hit, memory_order_relaxed);
}

void metrics_guard_remove(int guard)
{
    if (guard < 0)
        return;
    pthread_mutex_lock(&lock);
    atomic_store(&ranges[guard].base, 0);
    pthread_mutex_unlock(&lock);
}
