#include "gateways/cgi_wait.h"

#include "lib/base/clock.h"

#include <errno.h>
#include <limits.h>

enum { RETRY_MS = 10 };

int cgi_wait(struct pollfd *waits, unsigned count, uint64_t ms)
{
    int found = poll(waits, count, ms < INT_MAX ? (int)ms : INT_MAX);

    if (found >= 0)
        return found;
    if (errno == EINTR)
        return 0;
    clock_sleep_ns(clock_ms_to_ns(ms < RETRY_MS ? ms : RETRY_MS));
    found = 0;
    for (unsigned i = 0; i < count; i++) {
        waits[i].revents = waits[i].fd >= 0 ? waits[i].events : 0;
        found += waits[i].revents != 0;
    }
    return found;
}
