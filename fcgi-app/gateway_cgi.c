#include "fcgi-app/gateway.h"

#include "fcgi-app/route.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

/* How long a process stays for a body that nobody wants: nginx's lingering_time and _timeout. */
enum { LINGER_MS = 30000, LINGER_PAUSE_MS = 5000 };

struct gateway_cgi {
    struct gateway base;
    bool done;
    int64_t unread; /* bytes of the body that were not read; of a chunked one more than can come */
};

static int next(struct gateway *base, struct request *request)
{
    struct gateway_cgi *gateway = (struct gateway_cgi *)base;

    if (gateway->done)
        return GATEWAY_END;
    gateway->done = true;
    request_from_environment(request, (const char *const *)environ);
    request_path_of_program(request, route_is);
    /*
     * Without a length there is no body (RFC 3875 section 4.1.2): stdin may never end. Apache hands
     * a chunked body over without its length, and ends it.
     */
    if (request->content_length == REQUEST_LENGTH_UNKNOWN && !request_is_chunked(request))
        request->content_length = 0;
    gateway->unread = request_is_chunked(request) ? INT64_MAX : request->content_length;
    return GATEWAY_REQUEST;
}

static size_t read_body(struct gateway *base, char *buffer, size_t length)
{
    struct gateway_cgi *gateway = (struct gateway_cgi *)base;
    size_t got = 0;

    while (got < length) {
        ssize_t n = read(STDIN_FILENO, buffer + got, length - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    gateway->unread = got < length ? 0 : gateway->unread - (int64_t)got;
    return got;
}

/*
 * Apache's mod_cgid takes an answer only when it is rid of the whole body, and loses it if that
 * can't be written: stdin and stdout are one socket, which a close with unread data resets.
 */
static void read_rest(struct gateway_cgi *gateway)
{
    const uint64_t end_ms = clock_monotonic_ms() + LINGER_MS;
    struct pollfd body = {.fd = STDIN_FILENO, .events = POLLIN};
    char ignored[16384];

    while (gateway->unread > 0 && clock_monotonic_ms() < end_ms &&
           poll(&body, 1, LINGER_PAUSE_MS) == 1) {
        const size_t most =
            gateway->unread < (int64_t)sizeof(ignored) ? (size_t)gateway->unread : sizeof(ignored);
        const ssize_t n = read(STDIN_FILENO, ignored, most);

        if (n <= 0)
            return;
        gateway->unread -= n;
    }
}

static bool reply(struct gateway *base, const struct reply *reply)
{
    char head[REPLY_HEAD_MAX];
    struct iovec parts[2] = {
        {.iov_base = head, .iov_len = reply_write_head(reply, head)},
        {.iov_base = reply->body.buf, .iov_len = reply_body_length(reply)},
    };

    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t n = writev(STDOUT_FILENO, parts, 2);
        size_t left;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        left = (size_t)n;
        for (int i = 0; i < 2; i++) {
            size_t taken = left < parts[i].iov_len ? left : parts[i].iov_len;

            parts[i].iov_base = (char *)parts[i].iov_base + taken;
            parts[i].iov_len -= taken;
            left -= taken;
        }
    }
    read_rest((struct gateway_cgi *)base);
    return true;
}

struct gateway *gateway_cgi(void)
{
    static struct gateway_cgi gateway = {
        .base = {.next = next, .read_body = read_body, .reply = reply},
    };

    return &gateway.base;
}
