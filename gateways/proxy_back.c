#include "gateways/proxy.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void link_idle(struct proxy_back *back)
{
    struct proxy *const proxy = back->proxy;

    back->previous = NULL;
    back->next = proxy->idle;
    if (back->next != NULL)
        back->next->previous = back;
    proxy->idle = back;
    proxy->idle_count++;
}

static void unlink_idle(struct proxy_back *back)
{
    struct proxy *const proxy = back->proxy;

    if (back->previous != NULL)
        back->previous->next = back->next;
    else
        proxy->idle = back->next;
    if (back->next != NULL)
        back->next->previous = back->previous;
    back->previous = back->next = NULL;
    proxy->idle_count--;
}

/* It has no exchange, and is in no list. */
static void close_back(struct proxy_back *back)
{
    proxy_timer_stop(&back->keep);
    proxy_stream_close(&back->stream);
    proxy_loop_free_later(back->proxy->loop, &back->garbage, back);
}

static void close_idle(struct proxy_back *back)
{
    unlink_idle(back);
    close_back(back);
}

void proxy_back_close_one(struct proxy *proxy)
{
    if (proxy->idle != NULL)
        close_idle(proxy->idle);
    else if (proxy->owed < proxy->untaken)
        proxy->owed++;
}

void proxy_back_close_idle(struct proxy *proxy)
{
    while (proxy->idle != NULL)
        close_idle(proxy->idle);
}

static void keep_due(struct proxy_timer *timer)
{
    struct proxy_back *const back =
        (struct proxy_back *)((char *)timer - offsetof(struct proxy_back, keep));

    back->old = true;
    if (back->exchange == NULL)
        close_idle(back);
}

/* The connection is gone, or never was. */
static void lost(struct proxy_back *back)
{
    if (back->exchange == NULL)
        close_idle(back);
    else
        proxy_exchange_back_lost(back->exchange, back->stream.written == 0);
}

/*
 * The END_REQUEST: the exchange ends with its last byte. What the connection may be used for after
 * it is known here: all was sent, and nothing comes that was not asked for.
 */
static void take_end(struct proxy_back *back, const struct fastcgi_piece *piece)
{
    struct proxy_exchange *const x = back->exchange;
    uint32_t app_status = 0;

    if (piece->first)
        back->body_size = 0;
    memcpy(back->body + back->body_size, piece->content, piece->content_size);
    back->body_size += piece->content_size;
    if (!piece->last)
        return;
    for (int i = 0; i < 4; i++)
        app_status = app_status << 8 | back->body[i];
    proxy_exchange_complete(x, app_status, back->body[4]);
}

static enum proxy_failure take(struct proxy_back *back, const struct fastcgi_piece *piece)
{
    struct proxy_exchange *const x = back->exchange;

    if (piece->id != x->id)
        return PROXY_OK;
    switch (piece->type) {
    case FASTCGI_STDOUT:
        return proxy_answer_output(x, piece);
    case FASTCGI_STDERR:
        proxy_answer_stderr(x, piece);
        return PROXY_OK;
    case FASTCGI_END_REQUEST:
        if (piece->length != FASTCGI_BODY_SIZE)
            return PROXY_BAD_RECORD;
        take_end(back, piece);
        return PROXY_OK;
    default:
        return PROXY_OK;
    }
}

static enum proxy_stream_read read_once(struct proxy_back *back)
{
    struct proxy_chunk *const chunk = &back->proxy->chunk;
    const enum proxy_stream_read read = proxy_stream_read(&back->stream, chunk);
    enum proxy_failure failure;
    enum fastcgi_result result;
    struct fastcgi_piece piece;

    if (read != PROXY_STREAM_DATA)
        return read;
    if (back->exchange == NULL)
        return PROXY_STREAM_LOST; /* nobody asked */
    proxy_exchange_first_byte(back->exchange);
    while ((result = proxy_stream_next(&back->stream, chunk, &piece)) == FASTCGI_PIECE) {
        failure = take(back, &piece);
        if (failure != PROXY_OK) {
            proxy_exchange_fail(back->exchange, failure);
            return PROXY_STREAM_NOTHING;
        }
        if (back->exchange == NULL)
            return PROXY_STREAM_NOTHING; /* it has ended */
    }
    if (result == FASTCGI_BAD) {
        proxy_exchange_fail(back->exchange, PROXY_BAD_RECORD);
        return PROXY_STREAM_NOTHING;
    }
    proxy_answer_sent_all(back->exchange);
    proxy_front_settle(back->exchange->front);
    if (back->exchange != NULL)
        proxy_answer_sent(back->exchange);
    return PROXY_STREAM_DATA;
}

static bool is_held_up(const struct proxy_back *back)
{
    return back->exchange != NULL && proxy_stream_waits(&back->exchange->front->stream);
}

static void finish_connecting(struct proxy_back *back)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(back->stream.source.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error != 0) {
        proxy_exchange_fail(back->exchange,
                            error == ETIMEDOUT ? PROXY_CONNECT_TIMEOUT : PROXY_UPSTREAM_DOWN);
        return;
    }
    back->connecting = false;
    proxy_exchange_connected(back->exchange);
    proxy_back_settle(back);
    if (back->exchange != NULL)
        proxy_front_settle(back->exchange->front);
}

static void ready(struct proxy_source *source, uint32_t events)
{
    struct proxy_back *const back = (struct proxy_back *)source;
    enum proxy_stream_read read = PROXY_STREAM_NOTHING;

    if (back->connecting) {
        finish_connecting(back);
        return;
    }
    if (is_held_up(back)) {
        /* What it has sent is read later. */
        if ((events & (EPOLLHUP | EPOLLERR)) != 0)
            back->stream.broken = true;
    } else if ((events & ~(uint32_t)EPOLLOUT) != 0) {
        read = read_once(back);
    }
    if (back->stream.source.fd < 0)
        return;
    if (read == PROXY_STREAM_END || read == PROXY_STREAM_LOST) {
        lost(back);
        return;
    }
    proxy_back_settle(back);
}

void proxy_back_settle(struct proxy_back *back)
{
    struct proxy_stream *const stream = &back->stream;
    const bool waited = proxy_stream_waits(stream);
    uint32_t events = 0;

    if (back->connecting) {
        proxy_stream_hold(stream);
        events = EPOLLOUT;
    } else {
        proxy_stream_flush(stream);
        if (!is_held_up(back))
            events |= EPOLLIN | EPOLLRDHUP;
        if (proxy_stream_waits(stream))
            events |= EPOLLOUT;
    }
    if (proxy_loop_watch(back->proxy->loop, &stream->source, events) != 0 && back->exchange != NULL)
        proxy_exchange_fail(back->exchange, PROXY_OUT_OF_RESOURCES);
    else if (back->exchange != NULL)
        proxy_exchange_time(back->exchange);
    /* What has been written makes room for what the web server sends. */
    if (waited && !proxy_stream_waits(stream) && back->exchange != NULL)
        proxy_front_settle(back->exchange->front);
}

bool proxy_back_is_taken(const struct proxy_back *back)
{
    int unread;

    return back->proxy->upstream.any.sa_family == AF_UNIX &&
           ioctl(back->stream.source.fd, SIOCOUTQ, &unread) == 0 && unread == 0;
}

/* Whether the peer has closed an idle connection, and we have not been told yet. */
static bool is_stale(const struct proxy_back *back)
{
    char byte;

    return recv(back->stream.source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/*
 * A request that must not be repeated gets no connection that may be stale; others find out.
 */
static struct proxy_back *take_idle(struct proxy *proxy, bool careful)
{
    struct proxy_back *back;

    while ((back = proxy->idle) != NULL) {
        unlink_idle(back);
        if (!careful || !is_stale(back))
            return back;
        close_back(back);
    }
    return NULL;
}

static enum proxy_failure connect_back(struct proxy *proxy, struct proxy_back **out)
{
    struct proxy_back *back;
    bool connecting;
    const int fd = proxy_address_connect(&proxy->upstream, &connecting);

    if (fd < 0 && errno == EAGAIN)
        return PROXY_UPSTREAM_FULL;
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS
                   ? PROXY_OUT_OF_RESOURCES
                   : PROXY_UPSTREAM_DOWN;
    *out = back = calloc(1, sizeof(*back));
    if (back == NULL) {
        proxy_stream_close(&(struct proxy_stream){.source.fd = fd});
        return PROXY_OUT_OF_RESOURCES;
    }
    proxy_stream_init(&back->stream, proxy->loop, fd, ready);
    back->proxy = proxy;
    back->connecting = connecting;
    back->keep.due = keep_due;
    proxy_timer_set(proxy->loop, &proxy->keeps, &back->keep);
    return PROXY_OK;
}

enum proxy_failure proxy_back_find(struct proxy_exchange *x, bool fresh)
{
    struct proxy *const proxy = x->proxy;
    struct proxy_back *back = fresh ? NULL : take_idle(proxy, !x->repeatable);
    enum proxy_failure failure;

    if (back == NULL) {
        failure = connect_back(proxy, &back);
        if (failure != PROXY_OK)
            return failure;
    }
    back->exchange = x;
    back->stream.written = 0;
    x->back = back;
    x->on_kept_connection = back->reused;
    return PROXY_OK;
}

void proxy_back_release(struct proxy_back *back, bool usable)
{
    struct proxy *const proxy = back->proxy;

    back->exchange->back = NULL;
    back->exchange = NULL;
    if (!usable || back->old || back->stream.broken || proxy_stream_waits(&back->stream) ||
        back->stream.tail_size > 0 || proxy->stopping || proxy->owed > 0 ||
        proxy->idle_count >= proxy->settings->keep) {
        if (proxy->owed > 0)
            proxy->owed--;
        close_back(back);
        return;
    }
    back->reused = true;
    link_idle(back);
    proxy_back_settle(back);
}
