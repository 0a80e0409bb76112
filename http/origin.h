/*
 * Where a request came from and what it was sent to, as its span tells it (OpenTelemetry HTTP
 * semantic conventions, "Setting server.address and server.port attributes", client.address).
 */
#ifndef HTTP_ORIGIN_H
#define HTTP_ORIGIN_H

#include "http/request.h"
#include "lib/base/text.h"
#include "lib/trace/forwarded.h"

/* Borrowed from the request; `at` is NULL for what is not known. */
struct origin {
    struct text server, server_port; /* of Host; an IPv6 address without brackets */
    struct text client, client_port;
    const char *scheme; /* "http" or "https" */
};

/* Finds it, by what proxies say of the request where `proxies` has its peer. */
void origin_find(struct origin *origin, const struct request *request,
                 const struct forwarded_proxies *proxies);

#endif
