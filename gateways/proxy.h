/*
 * microtrace-proxy: its objects and what its files do with each other's. A front is a connection of
 * the web server's, a back one to the upstream, and an exchange is the request that joins the two.
 * A front has at most one exchange at a time (others are refused, FCGI_CANT_MPX_CONN), so has a
 * back, and an exchange has at most one back.
 */
#ifndef GATEWAYS_PROXY_H
#define GATEWAYS_PROXY_H

#include "gateways/head_line.h"
#include "gateways/proxy_address.h"
#include "gateways/proxy_head.h"
#include "gateways/proxy_loop.h"
#include "gateways/proxy_params.h"
#include "gateways/proxy_scripts.h"
#include "gateways/proxy_settings.h"
#include "gateways/proxy_stream.h"
#include "gateways/stderr_lines.h"
#include "http/observer.h"
#include "lib/base/notify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROXY_ABORT_MS = 2000,  /* how long the upstream may take to end an aborted request */
    PROXY_GRACE_MS = 2,     /* unanswered for so long: perhaps nobody has taken it yet */
    PROXY_AGAIN_MS = 20,    /* until that is looked at again */
    PROXY_PAUSE_MS = 100,   /* without descriptors, until the next connection is taken */
    PROXY_LINGER_MS = 2000, /* how long a connection waits for the web server to close it */
};

/* All of the process. */
struct proxy {
    const struct proxy_settings *settings;
    struct proxy_address listen, upstream;
    struct proxy_loop *loop;
    struct proxy_chunk chunk;
    char *scratch; /* a head, while it is written: PROXY_HEAD_MAX + HEAD_LINE_ADDED_MAX bytes */
    struct telemetry *telemetry;
    struct observer *observer;
    struct proxy_scripts *scripts;
    struct notify notify; /* the service manager */
    struct proxy_source listener;
    struct proxy_source signals;
    struct proxy_front *fronts; /* all of them, linked */
    struct proxy_back *idle;    /* kept connections, the one used last first */
    unsigned idle_count;
    struct proxy_front *held; /* whose answers go out at the end of this turn, linked */
    bool gathered;            /* something is told and not appended yet */
    uint64_t exchange_count;
    unsigned untaken; /* exchanges on new connections that perhaps nobody has taken yet */
    unsigned owed;    /* connections to be closed for them, once one is idle */
    bool stopping;    /* ends when the last request has ended */
    bool stopped;     /* at once */
    struct proxy_timer_queue connects, waits, ends, aborts, keeps, lingers, pauses, graces, agains;
    struct proxy_timer pause; /* in accepting connections */
    struct proxy_timer_queue pings;
    struct proxy_timer ping; /* of the service manager's watchdog */
};

/* How a request that the proxy answers itself, or ends, failed. */
enum proxy_failure {
    PROXY_OK,
    PROXY_PARAMS_BAD,
    PROXY_PARAMS_TOO_LARGE,
    PROXY_TOO_MANY,         /* REQUESTS_MAX */
    PROXY_OUT_OF_RESOURCES, /* memory, descriptors */
    PROXY_UPSTREAM_DOWN,
    PROXY_UPSTREAM_FULL,
    PROXY_CONNECT_TIMEOUT,
    PROXY_TIMEOUT,
    PROXY_END_TIMEOUT,
    PROXY_UPSTREAM_CLOSED,
    PROXY_BAD_RECORD,
    PROXY_BAD_HEAD,
    PROXY_LONG_HEAD,
    PROXY_NO_HEAD,
    PROXY_OVERLOADED, /* the upstream says so */
    PROXY_REFUSED,    /* the upstream says that it can't */
    PROXY_CLIENT_GONE,
    PROXY_FAILURES,
};

struct proxy_front {
    struct proxy_stream stream; /* first */
    struct proxy_garbage garbage;
    struct proxy *proxy;
    struct proxy_front *previous, *next;
    struct proxy_front *held_previous, *held_next;
    bool held;
    struct proxy_exchange *exchange;
    struct proxy_timer timer;        /* lingers, or the parameters of a request are overdue */
    uint8_t body[FASTCGI_BODY_SIZE]; /* of BEGIN_REQUEST, as far as it is there */
    uint8_t *values;                 /* of GET_VALUES, as far as it is there */
    size_t body_size;
    bool closing;     /* after what waits is written */
    bool lingers;     /* all is written: waits for the web server to close */
    bool half_closed; /* the web server sends no more, and waits for the answer */
    bool unread;      /* what it still sends belongs to a request that has ended */
};

struct proxy_back {
    struct proxy_stream stream; /* first */
    struct proxy_garbage garbage;
    struct proxy *proxy;
    struct proxy_exchange *exchange; /* NULL: idle, in the list that these link */
    struct proxy_back *previous, *next;
    struct proxy_timer keep; /* its time for new requests is over */
    bool connecting;
    bool reused;                     /* has served a request before */
    bool old;                        /* `keep` was due */
    uint8_t body[FASTCGI_BODY_SIZE]; /* of END_REQUEST */
    size_t body_size;
};

struct proxy_exchange {
    struct proxy_garbage garbage;
    struct proxy *proxy;
    struct proxy_front *front;
    struct proxy_back *back; /* NULL: none yet, or none any more */
    uint16_t id;
    uint16_t role;
    bool keep;        /* the web server asks to keep its connection */
    bool input_ended; /* all of STDIN has come */
    bool began;       /* told to the observer; ended once `told` is set as well */
    bool told;
    bool answered; /* a part of the answer has gone to the web server */
    bool head_done;
    bool aborted; /* ABORT_REQUEST was passed on */
    bool retried;
    bool lasts;       /* longer than PROXY_GRACE_MS */
    bool replayable;  /* `opening` is all that the upstream has got */
    bool repeatable;  /* a method without effects: it may be sent twice */
    bool counted;     /* in proxy->untaken */
    bool has_no_body; /* HEAD */
    bool params_too_large;
    bool too_many; /* requests at once */
    bool out_of_memory;
    struct proxy_params params;
    uint8_t *opening;                  /* what the upstream gets first, kept until it answers */
    size_t opening_size, opening_room; /* bytes behind that may be used */
    char *head;                        /* of the answer, as far as it is there */
    size_t head_size;
    int status;              /* of the answer, 0 before its head */
    int64_t body_left;       /* bytes of the body to come, or PROXY_HEAD_LENGTH_UNKNOWN */
    struct stderr_lines err; /* its `line` is allocated once there is any */
    uint64_t begin_ns, connected_ns, first_byte_ns; /* monotonic; 0: not yet */
    uint32_t app_status;
    bool on_kept_connection;
    struct proxy_timer wait, end; /* on connects, waits or aborts; on ends */
    struct proxy_timer grace;     /* on graces, then on agains */
    /* Zero up to here at the beginning. */
    struct request request;
    struct observed observed;
};

/* --- proxy.c --- */

/*
 * Sets up what `settings`, the addresses and the listener's descriptor (or -1 for none) stand in
 * for. Returns 0, or -1 after a line on stderr.
 */
int proxy_open(struct proxy *proxy);

/*
 * Waits once, and does what there is to do. Answers that end in this turn are told of by one append
 * a spool, and then go out. Returns 0, or -1 with errno.
 */
int proxy_turn(struct proxy *proxy);

/* No new connections; those without a request end, the others when theirs is answered. */
void proxy_stop(struct proxy *proxy);

/* Ends all connections, and releases everything. */
void proxy_close(struct proxy *proxy);

/* --- proxy_front.c --- */

/* Takes a connection that was accepted. Closes it if memory runs out. */
void proxy_front_open(struct proxy *proxy, int fd);

/* Ends the connection at once; its exchange has ended. */
void proxy_front_close(struct proxy_front *front);

/* An answer has ended: it goes out at the end of this turn, once it is told. */
void proxy_front_hold(struct proxy_front *front);

/* Lets those go that were held. */
void proxy_front_let_go(struct proxy *proxy);

/* Writes what was put; looks what is to be waited for, and whether the connection is to end. */
void proxy_front_settle(struct proxy_front *front);

/* --- proxy_back.c --- */

/*
 * Gives the exchange a connection: an idle one, or with `fresh` a new one in any case. Returns
 * PROXY_OK or the failure.
 */
enum proxy_failure proxy_back_find(struct proxy_exchange *x, bool fresh);

/* Takes the connection from its exchange: keeps it if `usable` and there is no reason not to. */
void proxy_back_release(struct proxy_back *back, bool usable);

/* As proxy_front_settle. */
void proxy_back_settle(struct proxy_back *back);

/*
 * Whether somebody has read what was written to it. Over TCP the kernel takes it, and nobody can
 * say: false.
 */
bool proxy_back_is_taken(const struct proxy_back *back);

/* Closes one that is idle; where there is none, the next one that would be. */
void proxy_back_close_one(struct proxy *proxy);

/* Closes all that are idle. */
void proxy_back_close_idle(struct proxy *proxy);

/* --- proxy_exchange.c: from the parameters to the end --- */

/* Begins; NULL if memory runs out. */
struct proxy_exchange *proxy_exchange_new(struct proxy_front *front, uint16_t id, uint16_t role,
                                          uint8_t flags);

/* The parameters are all there: goes to the upstream, or answers. */
void proxy_exchange_start(struct proxy_exchange *x);

/* A piece of STDIN or DATA. */
void proxy_exchange_input(struct proxy_exchange *x, const struct fastcgi_piece *piece);

/* ABORT_REQUEST. */
void proxy_exchange_abort(struct proxy_exchange *x);

/* The connection is there. */
void proxy_exchange_connected(struct proxy_exchange *x);

/*
 * Ends it for a failure: with an answer of its own if there is none yet, else by ending the web
 * server's connection, so that this sees a broken answer. The exchange is gone afterwards.
 */
void proxy_exchange_fail(struct proxy_exchange *x, enum proxy_failure failure);

/* The upstream's END_REQUEST. The exchange is gone afterwards. */
void proxy_exchange_complete(struct proxy_exchange *x, uint32_t app_status, uint8_t status);

/* The upstream's connection is gone. The exchange may be gone afterwards. */
void proxy_exchange_back_lost(struct proxy_exchange *x, bool nothing_taken);

/* The upstream has sent something. */
void proxy_exchange_first_byte(struct proxy_exchange *x);

/* Sets or stops the timer for what is waited for now. */
void proxy_exchange_time(struct proxy_exchange *x);

/* --- proxy_answer.c: what comes from the upstream --- */

/* Pieces of STDOUT and STDERR. Returns PROXY_OK, or why the answer can't be used. */
enum proxy_failure proxy_answer_output(struct proxy_exchange *x, const struct fastcgi_piece *piece);
void proxy_answer_stderr(struct proxy_exchange *x, const struct fastcgi_piece *piece);

/* What was put has gone out, or has been copied. */
void proxy_answer_sent(struct proxy_exchange *x);

/* Looks, before what was put goes out, whether with it the client has all of its answer. */
void proxy_answer_sent_all(struct proxy_exchange *x);

/* Puts an answer in words for the failure. */
void proxy_answer_failure(struct proxy_exchange *x, enum proxy_failure failure);

/* Gathers span, log line and metrics, once; proxy_turn appends them. */
void proxy_answer_tell(struct proxy_exchange *x, enum proxy_failure failure);

#endif
