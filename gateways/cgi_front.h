/*
 * The web server's side of one request: FastCGI 1.0 over a connection, or plain CGI over
 * descriptors 0 and 1. One request a connection: a process that serves one at a time must not be
 * kept by a connection that is idle. Nothing here blocks.
 */
#ifndef GATEWAYS_CGI_FRONT_H
#define GATEWAYS_CGI_FRONT_H

#include "gateways/fastcgi_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CGI_FRONT_PARAMS_MAX = 262144, /* bytes of a request's variables */
    CGI_FRONT_VARIABLES_MAX = 1024,
    CGI_FRONT_BODY_MAX = 65536,  /* bytes of a body that wait for the script */
    CGI_FRONT_PIECE_MAX = 32768, /* bytes that cgi_front_put takes at once */
    /* A whole header, pieces of a body, and what goes to the server's log in between. */
    CGI_FRONT_OUT_MAX = 6 * CGI_FRONT_PIECE_MAX,
    CGI_FRONT_ERROR_MAX = CGI_FRONT_PIECE_MAX, /* bytes that may wait where more of that comes */
};

enum cgi_front_state {
    CGI_FRONT_HEAD, /* the variables are not all there */
    CGI_FRONT_OPEN,
    CGI_FRONT_BROKEN, /* no FastCGI, or more than there is room for */
    CGI_FRONT_GONE,   /* the web server does not wait for the answer any more */
};

/* Allocated once a process. */
struct cgi_front {
    bool is_fastcgi;
    int in, out; /* one descriptor twice for FastCGI */
    enum cgi_front_state state;
    bool body_ended;
    /* The request's variables, NAME=value, from CGI_FRONT_OPEN on; NULL-terminated. */
    const char *const *variables;
    /* The body's bytes that nobody has taken: body[body_at] to body[body_end - 1]. */
    size_t body_at, body_end;
    uint8_t body[CGI_FRONT_BODY_MAX];

    struct fastcgi_cursor cursor;
    bool begun;
    bool too_large; /* more variables than there is room for; those that fit are there */
    uint16_t id;
    size_t begin_size, raw_size, params_size, out_at, out_free, out_end;
    uint8_t begin_body[FASTCGI_BODY_SIZE]; /* of BEGIN_REQUEST */
    uint8_t raw[CGI_FRONT_PIECE_MAX];
    uint8_t params[CGI_FRONT_PARAMS_MAX];
    const char *list[CGI_FRONT_VARIABLES_MAX + 1];
    char text[CGI_FRONT_PARAMS_MAX + 2 * CGI_FRONT_VARIABLES_MAX];
    uint8_t out_bytes[CGI_FRONT_OUT_MAX];
};

/* Begins with a connection that was accepted and does not block. The caller closes it. */
void cgi_front_begin_fastcgi(struct cgi_front *front, int connection);

/* Whether the connection may bring another request (FCGI_KEEP_CONN), now that this one has ended.
 */
bool cgi_front_can_go_on(const struct cgi_front *front);

/* Begins with the connection's next request. */
void cgi_front_next(struct cgi_front *front);

/*
 * Begins with the one request of a CGI process, by its environment; its body is left to whoever
 * gets descriptor 0.
 */
void cgi_front_begin_cgi(struct cgi_front *front);

/* Bytes of a body that there is room for; reading more makes no sense. */
size_t cgi_front_room(const struct cgi_front *front);

/* Reads what is there, after poll has said so, and changes the state accordingly. */
void cgi_front_read(struct cgi_front *front);

/* Bytes that cgi_front_put can take now; up to CGI_FRONT_PIECE_MAX. */
size_t cgi_front_capacity(const struct cgi_front *front);

/*
 * Takes bytes of the answer; there is room for them. They are kept until cgi_front_release: what
 * has been written of an answer may be all that a client gets, and looks whole to it.
 */
void cgi_front_put(struct cgi_front *front, const void *bytes, size_t size);

/* Takes a line of at most 8192 bytes for the server's log, or drops it where much is waiting. */
void cgi_front_put_error(struct cgi_front *front, const void *bytes, size_t size);

/* Takes the request's end, behind all that was put. There is always room. */
void cgi_front_put_end(struct cgi_front *front);

/* All that was put may be written. */
void cgi_front_release(struct cgi_front *front);

/* Whether there is something that is kept. */
bool cgi_front_is_kept(const struct cgi_front *front);

/* Whether there is something to write. */
bool cgi_front_is_pending(const struct cgi_front *front);

/* Writes what can be written now. */
void cgi_front_write(struct cgi_front *front);

#endif
