#include "gateways/fastcgi_params.h"
#include "gateways/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    VALUES_MAX = 512, /* bytes of a GET_VALUES that are read: ten times what there is to ask */
    UNREAD_MAX = 128 << 10, /* a web server that asks more and reads nothing is none */
    CHUNKS = 4,             /* read from a connection in one turn */
};

/* Records of our own, for which no request waits. */
static void reply(struct proxy_front *front, const uint8_t *bytes, size_t size)
{
    struct proxy_stream *const stream = &front->stream;

    if (stream->waiting_end - stream->waiting_at > UNREAD_MAX)
        stream->broken = true;
    else
        proxy_stream_put_small(stream, bytes, size);
}

static void reply_end(struct proxy_front *front, uint16_t id, enum fastcgi_protocol_status status)
{
    uint8_t end[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE];

    fastcgi_end_write(end, id, 0, status);
    reply(front, end, sizeof(end));
}

/* FastCGI 1.0 section 4.1: what is asked for and known. */
static void reply_values(struct proxy_front *front)
{
    const uint64_t most = front->proxy->settings->requests_max;
    uint8_t out[PROXY_STREAM_SMALL], *to = out + FASTCGI_HEADER_SIZE;
    bool given[3] = {false};
    struct fastcgi_pair pair;
    char number[24];

    for (size_t at = 0; fastcgi_pair_read(&pair, front->values + at, front->body_size - at) == 0;
         at += pair.size) {
        static const char *const names[] = {"FCGI_MPXS_CONNS", "FCGI_MAX_CONNS", "FCGI_MAX_REQS"};

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (given[i] || pair.name_size != strlen(names[i]) ||
                memcmp(pair.name, names[i], pair.name_size) != 0)
                continue;
            given[i] = true;
            (void)snprintf(number, sizeof(number), "%llu",
                           i == 0 ? 0ULL : (unsigned long long)(most > 0 ? most : 65535));
            to += fastcgi_pair_write_lengths(to, pair.name_size, strlen(number));
            to = mempcpy(to, pair.name, pair.name_size);
            to = mempcpy(to, number, strlen(number));
        }
    }
    fastcgi_header_write(out, FASTCGI_GET_VALUES_RESULT, 0,
                         (uint16_t)(to - out - FASTCGI_HEADER_SIZE), 0);
    reply(front, out, (size_t)(to - out));
}

static void collect_values(struct proxy_front *front, const struct fastcgi_piece *piece)
{
    size_t size = piece->content_size;

    if (piece->first)
        front->body_size = 0;
    if (front->values == NULL)
        front->values = malloc(VALUES_MAX);
    if (front->values == NULL)
        return;
    if (size > VALUES_MAX - front->body_size)
        size = VALUES_MAX - front->body_size;
    memcpy(front->values + front->body_size, piece->content, size);
    front->body_size += size;
    if (!piece->last)
        return;
    reply_values(front);
    free(front->values);
    front->values = NULL;
}

static void manage(struct proxy_front *front, const struct fastcgi_piece *piece)
{
    uint8_t unknown[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE] = {0};

    if (piece->type == FASTCGI_GET_VALUES) {
        collect_values(front, piece);
    } else if (piece->last) {
        fastcgi_header_write(unknown, FASTCGI_UNKNOWN_TYPE, 0, FASTCGI_BODY_SIZE, 0);
        unknown[FASTCGI_HEADER_SIZE] = piece->type;
        reply(front, unknown, sizeof(unknown));
    }
}

/* Returns false for a record that is none. */
static bool begin(struct proxy_front *front, const struct fastcgi_piece *piece)
{
    uint16_t role;

    if (piece->length != FASTCGI_BODY_SIZE)
        return false;
    if (piece->first)
        front->body_size = 0;
    memcpy(front->body + front->body_size, piece->content, piece->content_size);
    front->body_size += piece->content_size;
    if (!piece->last)
        return true;
    role = (uint16_t)(front->body[0] << 8 | front->body[1]);
    if (role == 0 || role > FASTCGI_FILTER) {
        reply_end(front, piece->id, FASTCGI_UNKNOWN_ROLE);
        front->closing = (front->body[2] & FASTCGI_KEEP_CONN) == 0;
        return true;
    }
    front->exchange = proxy_exchange_new(front, piece->id, role, front->body[2]);
    if (front->exchange == NULL) {
        reply_end(front, piece->id, FASTCGI_OVERLOADED);
        front->closing = true;
        return true;
    }
    proxy_timer_set(front->proxy->loop, &front->proxy->waits, &front->timer);
    return true;
}

static void parameters(struct proxy_exchange *x, const struct fastcgi_piece *piece)
{
    if (x->began)
        return;
    if (x->params.size + piece->content_size > x->proxy->settings->params_max)
        x->params_too_large = true;
    else if (proxy_params_add(&x->params, piece->content, piece->content_size) != 0)
        x->out_of_memory = true;
    if (piece->length == 0 && piece->last) {
        proxy_timer_stop(&x->front->timer);
        proxy_exchange_start(x);
    }
}

/* Returns false for what no web server sends. */
static bool take(struct proxy_front *front, const struct fastcgi_piece *piece)
{
    struct proxy_exchange *const x = front->exchange;

    if (piece->id == 0) {
        manage(front, piece);
        return true;
    }
    if (x == NULL)
        return piece->type != FASTCGI_BEGIN_REQUEST || begin(front, piece);
    if (piece->id != x->id) {
        if (piece->type == FASTCGI_BEGIN_REQUEST && piece->last)
            reply_end(front, piece->id, FASTCGI_CANT_MPX_CONN);
        return true;
    }
    switch (piece->type) {
    case FASTCGI_PARAMS:
        parameters(x, piece);
        break;
    case FASTCGI_STDIN:
    case FASTCGI_DATA:
        if (x->began)
            proxy_exchange_input(x, piece);
        break;
    case FASTCGI_ABORT_REQUEST:
        if (piece->last)
            proxy_exchange_abort(x);
        break;
    default:
        break;
    }
    return true;
}

/* The web server has gone. */
static void gone(struct proxy_front *front)
{
    if (front->exchange != NULL)
        proxy_exchange_fail(front->exchange, PROXY_CLIENT_GONE);
    proxy_front_close(front);
}

/*
 * It sends no more. A unix socket that is closed says so; over TCP a close can't be told from a
 * half-close, and the next write will show.
 */
static void ended(struct proxy_front *front, uint32_t events)
{
    const bool waits = front->exchange != NULL ? front->exchange->input_ended : front->held;

    if (!waits || (events & (EPOLLHUP | EPOLLERR)) != 0)
        gone(front);
    else
        front->half_closed = true;
}

static bool is_held_up(const struct proxy_front *front)
{
    const struct proxy_exchange *const x = front->exchange;

    return x != NULL && x->back != NULL && proxy_stream_waits(&x->back->stream);
}

static enum proxy_stream_read read_once(struct proxy_front *front)
{
    struct proxy_chunk *const chunk = &front->proxy->chunk;
    struct fastcgi_piece piece;
    enum proxy_stream_read read = proxy_stream_read(&front->stream, chunk);
    enum fastcgi_result result;

    if (read != PROXY_STREAM_DATA)
        return read;
    while ((result = proxy_stream_next(&front->stream, chunk, &piece)) == FASTCGI_PIECE) {
        if (front->closing)
            continue;
        if (!take(front, &piece))
            return PROXY_STREAM_LOST;
        if (front->stream.source.fd < 0)
            return PROXY_STREAM_NOTHING;
    }
    if (front->exchange != NULL && front->exchange->back != NULL)
        proxy_back_settle(front->exchange->back);
    return result == FASTCGI_BAD ? PROXY_STREAM_LOST : PROXY_STREAM_DATA;
}

static void linger(struct proxy_front *front)
{
    enum proxy_stream_read read = proxy_stream_read(&front->stream, &front->proxy->chunk);

    if (read == PROXY_STREAM_END || read == PROXY_STREAM_LOST)
        proxy_front_close(front);
}

static void read_all(struct proxy_front *front, uint32_t events)
{
    enum proxy_stream_read read;

    for (unsigned i = 0; i < CHUNKS && !is_held_up(front); i++) {
        read = read_once(front);
        if (front->stream.source.fd < 0)
            return;
        if (read == PROXY_STREAM_END) {
            ended(front, events);
            return;
        }
        if (read == PROXY_STREAM_LOST) {
            gone(front);
            return;
        }
        /* Most requests come in one piece, and asking for another costs a system call. */
        if (read == PROXY_STREAM_NOTHING ||
            (front->exchange == NULL || front->exchange->input_ended))
            return;
    }
}

static void ready(struct proxy_source *source, uint32_t events)
{
    struct proxy_front *const front = (struct proxy_front *)source;

    if (front->lingers) {
        linger(front);
        return;
    }
    if ((events & ~(uint32_t)EPOLLOUT) != 0 && !front->half_closed && !is_held_up(front))
        read_all(front, events);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        front->stream.broken = true;
    if (front->stream.source.fd >= 0)
        proxy_front_settle(front);
}

static void due(struct proxy_timer *timer)
{
    struct proxy_front *const front =
        (struct proxy_front *)((char *)timer - offsetof(struct proxy_front, timer));

    gone(front);
}

void proxy_front_open(struct proxy *proxy, int fd)
{
    struct proxy_front *const front = calloc(1, sizeof(*front));

    proxy_stream_init(front != NULL ? &front->stream : &(struct proxy_stream){.broken = false},
                      proxy->loop, fd, ready);
    if (front == NULL) {
        proxy_stream_close(&(struct proxy_stream){.source.fd = fd});
        return;
    }
    front->proxy = proxy;
    front->timer.due = due;
    front->next = proxy->fronts;
    if (front->next != NULL)
        front->next->previous = front;
    proxy->fronts = front;
    read_all(front, 0);
    if (front->stream.source.fd >= 0)
        proxy_front_settle(front);
}

static void unlink_held(struct proxy_front *front)
{
    if (front->held_previous != NULL)
        front->held_previous->held_next = front->held_next;
    else
        front->proxy->held = front->held_next;
    if (front->held_next != NULL)
        front->held_next->held_previous = front->held_previous;
    front->held_previous = front->held_next = NULL;
    front->held = false;
}

void proxy_front_hold(struct proxy_front *front)
{
    struct proxy *const proxy = front->proxy;

    proxy_stream_hold(&front->stream);
    if (front->held)
        return;
    front->held = true;
    front->held_next = proxy->held;
    if (front->held_next != NULL)
        front->held_next->held_previous = front;
    proxy->held = front;
}

void proxy_front_let_go(struct proxy *proxy)
{
    while (proxy->held != NULL) {
        struct proxy_front *const front = proxy->held;

        unlink_held(front);
        proxy_front_settle(front);
    }
}

void proxy_front_close(struct proxy_front *front)
{
    if (front->stream.source.fd < 0)
        return;
    if (front->held)
        unlink_held(front);
    proxy_timer_stop(&front->timer);
    proxy_stream_close(&front->stream);
    free(front->values);
    front->values = NULL;
    if (front->previous != NULL)
        front->previous->next = front->next;
    else
        front->proxy->fronts = front->next;
    if (front->next != NULL)
        front->next->previous = front->previous;
    proxy_loop_free_later(front->proxy->loop, &front->garbage, front);
}

/* All is written. A close with unread data would reset the connection, and take the answer along.
 */
static void end(struct proxy_front *front)
{
    if (shutdown(front->stream.source.fd, SHUT_WR) != 0) {
        proxy_front_close(front);
        return;
    }
    front->lingers = true;
    proxy_timer_set(front->proxy->loop, &front->proxy->lingers, &front->timer);
    if (proxy_loop_watch(front->proxy->loop, &front->stream.source, EPOLLIN) != 0)
        proxy_front_close(front);
}

void proxy_front_settle(struct proxy_front *front)
{
    struct proxy_stream *const stream = &front->stream;
    const bool waited = proxy_stream_waits(stream);
    uint32_t events = 0;

    if (front->lingers || front->held)
        return;
    proxy_stream_flush(stream);
    if (stream->broken) {
        gone(front);
        return;
    }
    if (front->half_closed && front->exchange == NULL)
        front->closing = true;
    if (front->closing && !proxy_stream_waits(stream)) {
        if (front->unread)
            end(front);
        else
            proxy_front_close(front);
        return;
    }
    if (!front->half_closed && !front->closing && !is_held_up(front))
        events |= EPOLLIN | EPOLLRDHUP;
    if (proxy_stream_waits(stream))
        events |= EPOLLOUT;
    /* Most requests have their answer before it would be worth to watch whether the peer goes. */
    else if (stream->source.watched == 0 && front->exchange != NULL &&
             front->exchange->input_ended && !front->exchange->lasts)
        events = 0;
    if (proxy_loop_watch(front->proxy->loop, &stream->source, events) != 0)
        gone(front);
    /* What has been written makes room for what the upstream sends. */
    else if (waited && !proxy_stream_waits(stream) && front->exchange != NULL &&
             front->exchange->back != NULL)
        proxy_back_settle(front->exchange->back);
}
