/*
 * The page's part of the agent's HTTP server: which requests are its own (page_query.h), their
 * headers, and those that wait for a sample or for the looker. Who waits is suspended, takes
 * neither the thread nor the processor, and is answered after HTTP_PAGE_WAIT_S at the latest: well
 * within the time that connections.h gives a client.
 *
 * For one thread, that of libmicrohttpd.
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_PAGE_H
#define METRICS_AGENT_SCRAPE_HTTP_PAGE_H

#include "metrics-agent/page/page.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_PAGE_WAIT_S = 10,
    HTTP_PAGE_LIVE_MAX = 16,        /* that wait for a sample; more are answered at once */
    HTTP_PAGE_TRACES_MAX = 16,      /* that wait for the looker; more are told to come again */
    HTTP_PAGE_SENDING_MAX = 8 << 20 /* bytes of their answers that are not sent yet; the same */
};

struct http_page;
struct http_page_request;

/* `page` and `listen` are borrowed. NULL if memory runs out. */
struct http_page *http_page_open(struct page *page, const char *listen);

/* After the daemon has ended. NULL does nothing. */
void http_page_close(struct http_page *server);

/* A request for this URI, as it came. NULL if it is none for the page, or memory runs out. */
struct http_page_request *http_page_begin(const char *uri);

/* Answers it, or suspends the connection; is called again then. As an MHD_AccessHandlerCallback. */
enum MHD_Result http_page_handle(struct http_page *server, struct http_page_request *request,
                                 struct MHD_Connection *connection, const char *method);

/* The request is over, one way or the other. */
void http_page_end(struct http_page *server, struct http_page_request *request);

/*
 * Resumes those who have waited long enough. Returns when to call again at the latest (monotonic
 * ns), UINT64_MAX for never; besides that after each sample, and when looker_fd is readable.
 */
uint64_t http_page_run(struct http_page *server, uint64_t now_ns);

/* Resumes all, as libmicrohttpd wants it before its end. From then on nobody waits. */
void http_page_stop(struct http_page *server);

#endif
