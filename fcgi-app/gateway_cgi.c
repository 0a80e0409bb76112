#include "fcgi-app/gateway.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

struct gateway_cgi {
    struct gateway base;
    bool done;
};

static int next(struct gateway *base, struct request *request)
{
    struct gateway_cgi *gateway = (struct gateway_cgi *)base;

    if (gateway->done)
        return GATEWAY_END;
    gateway->done = true;
    request_from_environment(request, (const char *const *)environ);
    request_path_of_script(request);
    /*
     * Without a length there is no body (RFC 3875 section 4.1.2): stdin may never end. Apache hands
     * a chunked body over without its length, and ends it.
     */
    if (request->content_length == REQUEST_LENGTH_UNKNOWN && !request_is_chunked(request))
        request->content_length = 0;
    return GATEWAY_REQUEST;
}

static size_t read_body(struct gateway *base, char *buffer, size_t length)
{
    size_t got = 0;

    (void)base;
    while (got < length) {
        ssize_t n = read(STDIN_FILENO, buffer + got, length - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

static bool reply(struct gateway *base, const struct reply *reply)
{
    char head[REPLY_HEAD_MAX];
    struct iovec parts[2] = {
        {.iov_base = head, .iov_len = reply_write_head(reply, head)},
        {.iov_base = reply->body.buf, .iov_len = reply_body_length(reply)},
    };

    (void)base;
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
    return true;
}

struct gateway *gateway_cgi(void)
{
    static struct gateway_cgi gateway = {
        .base = {.next = next, .read_body = read_body, .reply = reply},
    };

    return &gateway.base;
}
