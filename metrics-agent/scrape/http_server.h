/*
 * The agent's own HTTP: GET /metrics, GET /healthz and the page, by libmicrohttpd in the caller's
 * loop.
 * Clients that send nothing, or little at a time, keep nobody else away (connections.h).
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_SERVER_H
#define METRICS_AGENT_SCRAPE_HTTP_SERVER_H

#include "metrics-agent/page/page.h"
#include "metrics-agent/scrape/http_answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_SERVER_REASON_MAX = 256,
};

/*
 * Makes the text that /metrics answers a request with this Accept header (NULL for none). Returns
 * 0, or -1 with one line in `reason`: the answer is then 503.
 */
typedef int http_server_metrics(void *context, const char *accept, struct http_answer *answer,
                                char reason[HTTP_SERVER_REASON_MAX]);

/* What GET /healthz answers as 503, one line; NULL while all is well. */
typedef const char *http_server_problem(void *context);

struct http_server;

/*
 * Listens on `listen`, HOST:PORT or [HOST]:PORT, which is borrowed, and raises this process's soft
 * limit of open files to its hard limit. Returns NULL with one line in `reason` that says what is
 * wrong and how to mend it.
 */
struct http_server *http_server_open(const char *listen, http_server_metrics *metrics,
                                     http_server_problem *problem, void *context,
                                     char reason[HTTP_SERVER_REASON_MAX]);

void http_server_close(struct http_server *server);

/* Whether it listens on an address that only this machine reaches (127.0.0.0/8, ::1). */
bool http_server_is_local(const struct http_server *server);

/*
 * Serves the page too, which has to live longer than the server. Before the first http_server_run.
 * Returns 0, or -1 if memory runs out.
 */
int http_server_add_page(struct http_server *server, struct page *page);

/* The descriptor to wait on for reading; besides it that of the page's looker. */
int http_server_fd(const struct http_server *server);

/*
 * Shuts down connections whose time is over, and does what is due for the page. Returns the
 * milliseconds after which this and http_server_run are due without the descriptor; UINT64_MAX for
 * never.
 */
uint64_t http_server_timeout_ms(const struct http_server *server);

void http_server_run(struct http_server *server);

#endif
