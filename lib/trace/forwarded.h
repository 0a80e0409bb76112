/*
 * What proxies say of a request: Forwarded (RFC 7239) and X-Forwarded-For, -Proto and -Host. Anyone
 * can send these fields, so they count only where the connection comes from a proxy that is
 * trusted, and only as far back as such proxies vouch for them. Pure.
 */
#ifndef LIB_TRACE_FORWARDED_H
#define LIB_TRACE_FORWARDED_H

#include "lib/base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FORWARDED_PROXIES_MAX = 32,
    FORWARDED_HOPS_MAX = 16, /* of one request; a longer list counts as none */
};

struct forwarded_network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};

struct forwarded_proxies {
    struct forwarded_network list[FORWARDED_PROXIES_MAX];
    unsigned count;
};

/*
 * Reads addresses and networks, as "192.0.2.1,10.0.0.0/8,::1"; NULL or "" for none. Returns 0, or
 * -1 where one is neither, or where there are too many.
 */
int forwarded_parse_proxies(struct forwarded_proxies *proxies, const char *list);

/* A request's header fields; NULL where it has none. */
struct forwarded_fields {
    const char *forwarded;
    const char *x_for;   /* X-Forwarded-For */
    const char *x_proto; /* X-Forwarded-Proto */
    const char *x_host;  /* X-Forwarded-Host */
};

/* What they say, borrowed from them; nothing where they do not. */
struct forwarded {
    struct text client, client_port; /* an IP address without brackets, and its port */
    struct text host;                /* HOST, HOST:PORT, ... */
    bool https, http;                /* the scheme, where it is one of them */
};

/*
 * Reads the fields of a request whose connection comes from the address `peer`. The client is the
 * last one in the list that is not itself trusted. Forwarded goes before X-Forwarded-*.
 */
void forwarded_read(struct forwarded *out, const struct forwarded_proxies *proxies,
                    const char *peer, const struct forwarded_fields *fields);

#endif
