/*
 * What all answers of the agent's HTTP server have in common.
 */
#ifndef METRICS_AGENT_SCRAPE_HTTP_ANSWER_H
#define METRICS_AGENT_SCRAPE_HTTP_ANSWER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct http_answer {
    char *text; /* malloc'd; becomes the server's */
    size_t length;
    const char *content_type; /* static */
};

/* Whether a header Accept-Encoding, NULL for none, names gzip and does not weigh it zero. */
bool http_answer_accepts_gzip(const char *header);

/* Replaces the text by its gzip; returns false and leaves it where that fails. */
bool http_answer_pack(struct http_answer *answer);

/* Adds a header to a response. Returns false if memory runs out. */
bool http_answer_add(struct MHD_Response *response, const char *name, const char *value);

/*
 * Sends the response, which it takes, with the headers that every answer has: X-Request-ID,
 * Content-Type unless `type` is NULL, X-Content-Type-Options, and Allow for 405. NULL in place of a
 * response closes the connection.
 */
enum MHD_Result http_answer_send(struct MHD_Connection *connection, unsigned status,
                                 struct MHD_Response *response, const char *type);

/* {"<key>":"<value>"}; NULL if it is too long or memory runs out. */
struct MHD_Response *http_answer_json(const char *key, const char *value);

extern const char http_answer_json_type[];

#endif
