/*
 * A request as a web server hands it over: the CGI meta-variables (RFC 3875 section 4.1) that the
 * programs behind it read, whether they came by FastCGI or in the environment.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http/method.h"
#include "lib/trace/forwarded.h"
#include "lib/trace/propagation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    REQUEST_PATH_MAX = 255, /* a longer path is no route */
    REQUEST_LENGTH_UNKNOWN = -1,
    REQUEST_LENGTH_BAD = -2,
    REQUEST_LENGTH_MISSING = -3, /* the server did not read the body for lack of a length */
};

struct request {
    /*
     * Borrowed until the next request; NULL where the server sent none. A header field that came in
     * two different values counts as none.
     */
    const char *method_text;
    const char *script_name;
    const char *path_info;
    const char *request_uri;
    const char *query;
    const char *https;
    const char *scheme_text;
    const char *host;
    struct forwarded_fields forwarded;
    const char *client_address;
    const char *client_port;
    const char *protocol;
    const char *user_agent;
    const char *content_type;
    const char *content_length_text;
    const char *transfer_encoding;
    const char *request_id;
    const char *request_start; /* X-Request-Start, as lib/base/request_start.h reads it */
    struct propagation_carrier trace;
    const char *baggage;
    const char *redirect_status;
    const char *metrics_forbidden; /* set where lighttpd.conf keeps /metrics from the client */

    /* Derived from them. */
    enum method method;
    int64_t content_length; /* bytes, or one of REQUEST_LENGTH_* */
    int error_status;       /* the status that a web server asks its error handler to word, or 0 */
    const char *url_path;   /* the path as sent, and nothing else; not NUL-terminated */
    size_t url_path_length;
    bool abandoned;                  /* the web server has closed the connection: nobody waits */
    char path[REQUEST_PATH_MAX + 1]; /* what the route is looked up by; "" for one too long */
};

/*
 * Fills *request from a NULL-terminated array of "NAME=value", which it borrows from. `path` is
 * SCRIPT_NAME followed by PATH_INFO. Of an error handler it is that of the failed request, without
 * the prefix that both have, if they have one.
 */
void request_from_environment(struct request *request, const char *const *environment);

/*
 * Sets `path` for a program that may be anywhere below the site's root: the whole path where that
 * is a route, else PATH_INFO, which is what follows the program's own path (RFC 3875
 * section 4.1.5). Without a PATH_INFO, as of a server that does not part the two, it is the last
 * segment of SCRIPT_NAME where that is a route, with or without its extension; else the path stays
 * whole.
 */
void request_path_of_program(struct request *request, bool (*is_route)(const char *path));

/* "https" or "http". */
const char *request_scheme(const struct request *request);

/* "1.1" of HTTP/1.1, "2" of HTTP/2.0; NULL where the protocol is no HTTP. */
const char *request_protocol_version(const struct request *request);

/* Whether the body came in chunks, without a length. */
bool request_is_chunked(const struct request *request);

/*
 * Whether a Content-Type says JSON: none at all, application/json or application/...+json, in any
 * case, with any parameters (RFC 9110 section 8.3.1, RFC 6839 section 3.1).
 */
bool request_content_is_json(const char *content_type);

#endif
