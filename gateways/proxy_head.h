/*
 * The head of a program's answer: the header fields before the first empty line (RFC 3875 section
 * 6), read as far as the proxy has to know them. Pure; head_line_write_head writes them anew with
 * our X-Request-ID and traceresponse.
 */
#ifndef GATEWAYS_PROXY_HEAD_H
#define GATEWAYS_PROXY_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_HEAD_MAX = 65536, /* bytes of a head; lighttpd takes no longer one either */
    PROXY_HEAD_LENGTH_UNKNOWN = -1,
};

struct proxy_head {
    size_t size;    /* bytes, with the empty line */
    int status;     /* of Status, or of a status line, or what a head without it means */
    int64_t length; /* of Content-Length, or PROXY_HEAD_LENGTH_UNKNOWN */
};

enum proxy_head_result {
    PROXY_HEAD_DONE,
    PROXY_HEAD_PARTIAL, /* no empty line yet */
    PROXY_HEAD_BAD, /* no head: a line without a name or with a CR in it, a status that is none */
};

/*
 * Reads the head at the front of `size` bytes. Lines end with CR LF or LF. With PROXY_HEAD_PARTIAL
 * the caller reads more, up to PROXY_HEAD_MAX, and gives all of it again; lines that are complete
 * have been looked at, so what can't be a head is bad at once.
 */
enum proxy_head_result proxy_head_read(struct proxy_head *head, const char *bytes, size_t size);

#endif
