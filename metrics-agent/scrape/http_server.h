/*
 * The agent's own HTTP: GET /metrics and GET /healthz, by libmicrohttpd in the caller's loop.
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_SERVER_H
#define METRICS_AGENT_SCRAPE_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_SERVER_CONNECTIONS_MAX = 64,
    HTTP_SERVER_TIMEOUT_S = 15,
    HTTP_SERVER_REASON_MAX = 256,
};

/* The text that /metrics answers with. */
struct http_server_page {
    char *text; /* malloc'd; becomes the server's */
    size_t length;
    const char *content_type; /* static */
};

/*
 * Makes the page for a request with this Accept header (NULL for none). Returns 0, or -1 with one
 * line in `reason`: the answer is then 503.
 */
typedef int http_server_metrics(void *context, const char *accept, struct http_server_page *page,
                                char reason[HTTP_SERVER_REASON_MAX]);

/* What GET /healthz answers as 503, one line; NULL while all is well. */
typedef const char *http_server_problem(void *context);

struct http_server;

/*
 * Listens on `listen`, HOST:PORT or [HOST]:PORT. Returns NULL with one line in `reason` that says
 * what is wrong and how to mend it.
 */
struct http_server *http_server_open(const char *listen, http_server_metrics *metrics,
                                     http_server_problem *problem, void *context,
                                     char reason[HTTP_SERVER_REASON_MAX]);

void http_server_close(struct http_server *server);

/* The descriptor to wait on for reading. */
int http_server_fd(const struct http_server *server);

/* Milliseconds after which http_server_run is due without the descriptor; UINT64_MAX for never. */
uint64_t http_server_timeout_ms(const struct http_server *server);

void http_server_run(struct http_server *server);

#endif
