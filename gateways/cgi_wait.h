/*
 * poll(2) for descriptors that do not block: where it can't wait, for lack of memory, all of them
 * are tried.
 */
#ifndef GATEWAYS_CGI_WAIT_H
#define GATEWAYS_CGI_WAIT_H

#include <poll.h>
#include <stdint.h>

/*
 * Waits until something of `waits` can be done, for at most `ms` milliseconds. Returns how many of
 * them may be; 0 also where a signal came first.
 */
int cgi_wait(struct pollfd *waits, unsigned count, uint64_t ms);

#endif
