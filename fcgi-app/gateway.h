/*
 * What brings requests in and takes answers out: FastCGI, or plain CGI, behind one interface.
 */
#ifndef FCGI_APP_GATEWAY_H
#define FCGI_APP_GATEWAY_H

#include "fcgi-app/reply.h"
#include "http/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What `next` of a gateway returns, besides -1. */
enum { GATEWAY_END, GATEWAY_REQUEST, GATEWAY_IDLE };

struct gateway {
    /*
     * Waits for the next request and fills *request, which borrows from the gateway until the next
     * call. One that is `abandoned` wants `drop`, any other `reply`. Returns GATEWAY_REQUEST,
     * GATEWAY_END if there are no more, GATEWAY_IDLE if none has come for some seconds, or -1 with
     * a line on stderr.
     */
    int (*next)(struct gateway *gateway, struct request *request);

    /* Reads up to `length` bytes of the body; fewer only if the client sent fewer. */
    size_t (*read_body)(struct gateway *gateway, char *buffer, size_t length);

    /* Sends the answer and ends the request. Returns false where nobody was there to take it. */
    bool (*reply)(struct gateway *gateway, const struct reply *reply);

    /* Ends an abandoned request. NULL where there are none. */
    void (*drop)(struct gateway *gateway);
};

/* The gateway of a process whose descriptor 0 is FastCGI's listening socket; NULL on failure. */
struct gateway *gateway_fcgi(void);

/* The gateway of a process that was started for one request (RFC 3875). */
struct gateway *gateway_cgi(void);

#endif
