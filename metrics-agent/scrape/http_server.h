/*
 * The agent's own HTTP: GET /metrics and GET /healthz, by libmicrohttpd in the caller's loop.
 * Clients that send nothing, or little at a time, keep nobody else away (connections.h).
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_SERVER_H
#define METRICS_AGENT_SCRAPE_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

enum {
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
 * Listens on `listen`, HOST:PORT or [HOST]:PORT, and raises this process's soft limit of open files
 * to its hard limit. Returns NULL with one line in `reason` that says what is wrong and how to mend
 * it.
 */
struct http_server *http_server_open(const char *listen, http_server_metrics *metrics,
                                     http_server_problem *problem, void *context,
                                     char reason[HTTP_SERVER_REASON_MAX]);

void http_server_close(struct http_server *server);

/* The descriptor to wait on for reading. */
int http_server_fd(const struct http_server *server);

/*
 * Shuts down connections whose time is over. Returns the milliseconds after which this and
 * http_server_run are due without the descriptor; UINT64_MAX for never.
 */
uint64_t http_server_timeout_ms(const struct http_server *server);

void http_server_run(struct http_server *server);

#endif
