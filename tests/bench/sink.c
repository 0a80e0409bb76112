/*
 * An OTLP/HTTP endpoint that takes everything and keeps nothing, fast enough never to be what a
 * benchmark measures: HTTP/1.1 with kept connections, one thread, epoll.
 *
 *     sink PORT-FILE [count] [latency]
 *
 * POST: the answer is 200 {}. With `count` the records of uncompressed bodies are counted; with
 * `latency` the time from each span's end to its body's arrival is noted.
 * GET: the answer is what was seen since the last GET, as JSON, all times in ns of the wall clock.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS = 64,
    HEAD_MAX = 8192,
    BODY_MAX = 64 << 20,
    STEP_US = 100, /* of the latencies */
    STEPS = 100000,
};

struct connection {
    int fd;
    char head[HEAD_MAX + 1];
    size_t head_len;
    bool in_body, packed, protobuf;
    size_t body_left, body_len;
};

static struct {
    unsigned long long requests, bytes, records, first_ns, last_ns, latencies, steps[STEPS];
} seen;

static bool counting, timing;
static char *body; /* of the one request that is being read by a counting sink */
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static unsigned long long occurrences(const char *text, size_t len, const char *of)
{
    const char *const end = text + len;
    const size_t of_len = strlen(of);
    unsigned long long count = 0;

    while ((text = memmem(text, (size_t)(end - text), of, of_len)) != NULL) {
        count++;
        text += of_len;
    }
    return count;
}

/*
 * Counts the fields `path` of a protobuf message: field path[0] of it, of each of them path[1], ...
 */
static unsigned long long fields(const unsigned char *at, size_t len, const unsigned *path)
{
    const unsigned char *const end = at + len;
    unsigned long long count = 0;

    while (at < end) {
        uint64_t word[2] = {0, 0}; /* key, then length or number */
        for (int i = 0; i < 2; i++) {
            if (i == 1 && (word[0] & 7) % 4 == 1) { /* fixed 64 or 32 bits */
                at += (word[0] & 7) == 1 ? 8 : 4;
                break;
            }
            for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
                word[i] |= (uint64_t)(*at & 0x7f) << shift;
                if (!(*at++ & 0x80))
                    break;
            }
        }
        if ((word[0] & 7) != 2)
            continue;
        if (word[1] > (uint64_t)(end - at))
            return count;
        if (word[0] >> 3 == path[0])
            count += path[1] == 0 ? 1 : fields(at, word[1], path + 1);
        at += word[1];
    }
    return count;
}

static void note_latencies(size_t len, uint64_t now)
{
    static const char key[] = "\"endTimeUnixNano\":\"";
    const char *at = body, *const end = body + len;

    while ((at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)) != NULL) {
        const uint64_t ended = strtoull(at += sizeof(key) - 1, NULL, 10);
        const uint64_t step = now > ended ? (now - ended) / 1000 / STEP_US : 0;

        seen.steps[step < STEPS ? step : STEPS - 1]++;
        seen.latencies++;
    }
}

static void see_body(const struct connection *c)
{
    static const unsigned spans[] = {1, 2, 2, 0}; /* resource, scope, span; of log records too */
    const uint64_t now = now_ns();

    if (seen.requests++ == 0)
        seen.first_ns = now;
    seen.last_ns = now;
    seen.bytes += c->body_len;
    if (c->packed || !counting)
        return;
    body[c->body_len] = '\0';
    if (c->protobuf) {
        seen.records += fields((unsigned char *)body, c->body_len, spans);
    } else {
        const unsigned long long found = occurrences(body, c->body_len, "\"startTimeUnixNano\":");

        seen.records +=
            found > 0 ? found : occurrences(body, c->body_len, "\"observedTimeUnixNano\":");
    }
    if (timing)
        note_latencies(c->body_len, now);
}

static double percentile_ms(double share)
{
    unsigned long long sum = 0;

    for (int i = 0; i < STEPS; i++) {
        sum += seen.steps[i];
        if (seen.latencies > 0 && (double)sum >= share * (double)seen.latencies)
            return (i + 1) * STEP_US / 1000.0;
    }
    return -1;
}

static void answer(const struct connection *c, const char *text)
{
    char out[1024];
    const int len = snprintf(out, sizeof(out),
                             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                             "Content-Length: %zu\r\n\r\n%s",
                             strlen(text), text);

    if (write(c->fd, out, (size_t)len) != len)
        fprintf(stderr, "sink: an answer was not sent: %s\n", strerror(errno));
}

static void answer_stats(const struct connection *c)
{
    char text[512];

    snprintf(text, sizeof(text),
             "{\"requests\":%llu,\"bytes\":%llu,\"records\":%llu,\"first_ns\":%llu,"
             "\"last_ns\":%llu,\"latencies\":%llu,\"p50_ms\":%.1f,\"p99_ms\":%.1f}",
             seen.requests, seen.bytes, seen.records, seen.first_ns, seen.last_ns, seen.latencies,
             percentile_ms(0.5), percentile_ms(0.99));
    memset(&seen, 0, sizeof(seen));
    answer(c, text);
}

/* The value of a header, or NULL; the head ends with NUL. */
static const char *header(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);

    return found != NULL ? found + strlen(name) : NULL;
}

static void begin_request(struct connection *c)
{
    const char *length = header(c->head, "\r\nContent-Length:");
    const char *encoding = header(c->head, "\r\nContent-Encoding:");
    const char *type = header(c->head, "\r\nContent-Type:");

    c->body_left = length != NULL ? strtoull(length, NULL, 10) : 0;
    c->body_len = 0;
    c->packed = encoding != NULL && strncasecmp(encoding + strspn(encoding, " "), "gzip", 4) == 0;
    c->protobuf =
        type != NULL && strncmp(type + strspn(type, " "), "application/x-protobuf", 22) == 0;
    if (header(c->head, "\r\nTransfer-Encoding:") != NULL || c->body_left > BODY_MAX) {
        fprintf(stderr, "sink: a request without a length that it takes\n");
        exit(1);
    }
    if (header(c->head, "\r\nExpect: 100") != NULL &&
        write(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 25)
        die("write");
    c->in_body = true;
}

/* Bytes of the body, copied only by a counting sink. */
static void take_body(struct connection *c, const char *bytes, size_t len)
{
    if (counting)
        memcpy(body + c->body_len, bytes, len);
    c->body_len += len;
    c->body_left -= len;
}

static void finish_request(struct connection *c)
{
    c->in_body = false;
    if (strncmp(c->head, "GET", 3) == 0) {
        answer_stats(c);
        return;
    }
    see_body(c);
    answer(c, "{}");
}

/* Requests come one after the other on a connection: nothing follows a body. */
static bool receive(struct connection *c)
{
    static char buffer[1 << 20];
    /* A counting sink reads where it counts. */
    const bool direct = c->in_body && counting;
    const size_t want = direct && c->body_left < sizeof(buffer) ? c->body_left : sizeof(buffer);
    const ssize_t got = read(c->fd, direct ? body + c->body_len : buffer, want);
    const char *at = buffer;
    size_t left = got > 0 ? (size_t)got : 0;

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (direct) {
        c->body_len += left;
        c->body_left -= left;
        left = 0;
    }
    while (left > 0 && !c->in_body) {
        c->head[c->head_len++] = *at++;
        left--;
        c->head[c->head_len] = '\0';
        if (c->head_len >= 4 && memcmp(c->head + c->head_len - 4, "\r\n\r\n", 4) == 0) {
            begin_request(c);
            c->head_len = 0;
        } else if (c->head_len == HEAD_MAX) {
            return false;
        }
    }
    if (c->in_body && left > 0)
        take_body(c, at, left < c->body_left ? left : c->body_left);
    if (c->in_body && c->body_left == 0)
        finish_request(c);
    return true;
}

static int listen_on(const char *port_file)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    FILE *file;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, CONNECTIONS) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        die("listen");
    file = fopen(port_file, "w");
    if (file == NULL || fprintf(file, "%d\n", ntohs(address.sin_port)) < 0 || fclose(file) != 0)
        die(port_file);
    return fd;
}

static void add(int fd, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
}

static void take_connection(int listener)
{
    struct connection *c = calloc(1, sizeof(*c));
    const int on = 1;

    if (c == NULL || (c->fd = accept(listener, NULL, NULL)) < 0)
        die("accept");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    add(c->fd, c);
}

int main(int argc, char **argv)
{
    struct epoll_event events[CONNECTIONS];
    int listener;

    for (int i = 2; i < argc; i++) {
        counting = true;
        timing = timing || strcmp(argv[i], "latency") == 0;
    }
    if (argc < 2 || (body = malloc(BODY_MAX + 1)) == NULL ||
        (epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("sink");
    listener = listen_on(argv[1]);
    add(listener, NULL);
    for (;;) {
        const int ready = epoll_wait(epoll_fd, events, CONNECTIONS, -1);

        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == NULL) {
                take_connection(listener);
            } else if (!receive(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
