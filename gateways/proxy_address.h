/*
 * Where the proxy listens and where it connects: addresses as its command line has them, and
 * non-blocking sockets of them.
 */
#ifndef GATEWAYS_PROXY_ADDRESS_H
#define GATEWAYS_PROXY_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PROXY_ADDRESS_REASON_MAX = 256 };

struct proxy_address {
    const char *text; /* as it was given, borrowed */
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
};

/*
 * Reads "/PATH", "unix:/PATH", "HOST:PORT" or "[HOST]:PORT"; a host's name is looked up here, once.
 * Returns 0, or -1 with a sentence in `reason`.
 */
int proxy_address_parse(struct proxy_address *address, const char *text,
                        char reason[PROXY_ADDRESS_REASON_MAX]);

/* Whether both were read from the same address. */
bool proxy_address_is_same(const struct proxy_address *a, const struct proxy_address *b);

/*
 * Listens. A unix socket gets `mode`, in the place of one that nobody listens on any more. Returns
 * the descriptor, or -1 with a sentence in `reason`.
 */
int proxy_address_listen(const struct proxy_address *address, uint32_t mode,
                         char reason[PROXY_ADDRESS_REASON_MAX]);

/*
 * The listening socket that came with the process: by systemd (LISTEN_FDS, sd_listen_fds(3)) or as
 * descriptor 0 (FastCGI 1.0 section 2.2, spawn-fcgi). Returns the descriptor, or -1.
 */
int proxy_address_inherited(void);

/*
 * Begins to connect. Returns the descriptor; *connecting says that its outcome will be known once
 * it can be written to. Or -1 with errno: EAGAIN where the queue of a unix socket is full.
 */
int proxy_address_connect(const struct proxy_address *address, bool *connecting);

#endif
