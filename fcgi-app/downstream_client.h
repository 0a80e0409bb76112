/*
 * One HTTP connection to the downstream service, kept alive from one request of this process to the
 * next (libcurl). Nothing that comes back is trusted: it is bounded in time and size, and goes
 * through no redirect and no proxy, whatever the environment says (a request's `Proxy` header is
 * in there as HTTP_PROXY under CGI).
 */
#ifndef FCGI_APP_DOWNSTREAM_CLIENT_H
#define FCGI_APP_DOWNSTREAM_CLIENT_H

#include "fcgi-app/downstream_policy.h"
#include "fcgi-app/downstream_settings.h"
#include "fcgi-app/downstream_target.h"

#include <stddef.h>
#include <stdint.h>

enum {
    DOWNSTREAM_CLIENT_BODY_MAX = 65536, /* bytes of an answer's body; a longer one is bad */
    DOWNSTREAM_CLIENT_HEAD_MAX = 65536, /* and of its header */
};

struct downstream_client;

/* The answer to one POST. */
struct downstream_response {
    enum downstream_outcome outcome; /* DOWNSTREAM_SUCCESS: 200 with a body within the limit */
    long status;                     /* 0 if there was none */
    uint64_t retry_after_ms;         /* of a Retry-After, seconds or date; 0 for none */
    const char *problem;             /* static text; NULL if the status says it all */
    const char *body;                /* NUL-terminated; lives until the next POST */
    size_t length;
};

/*
 * Loads libcurl, if that was not done before. `settings` are enabled and outlive it. Returns NULL
 * with a message in `error` if there is no libcurl, DOWNSTREAM_URL can't be used, or memory runs
 * out.
 */
struct downstream_client *downstream_client_open(const struct downstream_settings *settings,
                                                 char error[CONFIG_ERROR_MAX]);

/* NULL does nothing. */
void downstream_client_close(struct downstream_client *client);

/* Whom it calls; lives as long as the client. */
const struct downstream_target *downstream_client_target(const struct downstream_client *client);

/*
 * Adds a header field to the next POST. Has the form of propagation_inject's `put`: `client` is a
 * struct downstream_client.
 */
void downstream_client_put(void *client, const char *name, const char *value);

/*
 * POSTs `body`, JSON, with the fields put before, once: libcurl's own second try on a kept
 * connection that turns out dead is a failure here, so that each attempt is one on the wire.
 */
void downstream_client_post(struct downstream_client *client, const char *body, size_t length,
                            uint64_t timeout_ms, struct downstream_response *response);

#endif
