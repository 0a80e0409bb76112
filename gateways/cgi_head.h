/*
 * The header of a script's answer (RFC 3875 section 6), checked. Pure; head_line_write_head writes
 * it anew with our X-Request-ID and traceresponse.
 */
#ifndef GATEWAYS_CGI_HEAD_H
#define GATEWAYS_CGI_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CGI_HEAD_MAX = 65536, /* bytes of a header */
    CGI_HEAD_LENGTH_UNKNOWN = -1,
};

struct cgi_head {
    int status;     /* of Status or a status line, 302 for Location alone, or 200 */
    int64_t length; /* of Content-Length, or CGI_HEAD_LENGTH_UNKNOWN */
};

/*
 * How many of the `size` bytes are header, with the empty line that ends it; 0 if it does not end.
 * Lines end with LF or CR LF. `from` bytes were looked at before.
 */
size_t cgi_head_size(const char *bytes, size_t size, size_t from);

/*
 * Reads a header of `size` bytes, with its end. A status line ("HTTP/1.1 200 OK", as scripts write
 * that think that they talk to the client) counts as Status. Returns 0; or -1 if a line is no
 * field, if it holds a NUL or a CR that ends no line, if Status is not a number from 200 to 599, or
 * if none of Content-Type, Location and Status is there (section 6.2: at least one).
 */
int cgi_head_read(struct cgi_head *head, const char *bytes, size_t size);

#endif
