/*
 * The HTTP status codes that our programs answer with, their own and those that a web server hands
 * them as an error handler.
 */
#ifndef HTTP_HTTP_STATUS_H
#define HTTP_HTTP_STATUS_H

enum {
    HTTP_STATUS_COUNT = 23,
};

struct http_status {
    int code;
    const char *text;   /* "404": a metric label */
    const char *reason; /* RFC 9110 section 15 */
};

extern const struct http_status http_status_table[HTTP_STATUS_COUNT];

/* The table's row for `code`, or that of 500 for a code not in it. */
const struct http_status *http_status_find(int code);

#endif
