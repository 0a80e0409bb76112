/*
 * The page's answers: what http_answer.h sends, with the headers that keep a page from being
 * misused (Content-Security-Policy and others).
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_SEND_H
#define METRICS_AGENT_SCRAPE_HTTP_SEND_H

#include <microhttpd.h>
#include <stdbool.h>

/* A header of the request, or NULL. */
const char *http_send_header(struct MHD_Connection *connection, const char *name);

/* {"detail":"<why>"} */
enum MHD_Result http_send_refusal(struct MHD_Connection *connection, unsigned status,
                                  const char *why);

/* The same as 503, with when to come again. */
enum MHD_Result http_send_busy(struct MHD_Connection *connection, const char *why);

/* Sends a response with HTML, which it takes; NULL if there was no memory for it. */
enum MHD_Result http_send_html(struct MHD_Connection *connection, unsigned status,
                               struct MHD_Response *response, bool packed);

/* The style or the script, by its path. */
enum MHD_Result http_send_asset(struct MHD_Connection *connection, const char *path);

#endif
