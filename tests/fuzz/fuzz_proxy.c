/*
 * Any bytes from a web server, or from an application server, whole or cut: microtrace-proxy reads
 * nothing that was not sent, what it passes on is FastCGI, it keeps no request whose connection has
 * gone, and the next request is answered. The first byte says whose bytes the rest is, and how it
 * is cut.
 */
#include "gateways/proxy.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    FROM_UPSTREAM = 1, /* bits of the first byte */
    STAYS_OPEN = 2,
    CUT_SHIFT = 2,
    BACKS_MAX = 64,
    TURNS = 6, /* until what was sent has gone through */
};

#define RECORD(type, id, length, padding) "\x01" type "\0" id "\0" length padding "\0"
#define BEGIN(role, keep)                 RECORD("\x01", "\x01", "\x08", "\0") "\0" role keep "\0\0\0\0\0"
#define PARAMETERS                                                                                 \
    RECORD("\x04", "\x01", "\x27", "\0")                                                           \
    "\x0e\x04REQUEST_METHODPOST\x0b\x06SCRIPT_NAME/a.php"
#define END_OF(type)        RECORD(type, "\x01", "\0", "\0")
#define REQUEST(role, keep) BEGIN(role, keep) PARAMETERS END_OF("\x04") BODY END_OF("\x05")
#define BODY                RECORD("\x05", "\x01", "\x0d", "\0") "{\"a\":1,\"b\":2}"
#define HEAD                RECORD("\x06", "\x01", "\x18", "\0") "Status: 200\r\nX: y\r\n\r\nhi\n"
#define ENDED               RECORD("\x03", "\x01", "\x08", "\0") "\0\0\0\0\0\0\0\0"

const struct fuzz_seed fuzz_seeds[] = {
    /* the web server's: one request, two, with a cut in each byte, in eights */
    FUZZ_SEED("\x00" REQUEST("\x01", "\0")),
    FUZZ_SEED("\x02" REQUEST("\x01", "\x01") REQUEST("\x01", "\x01")),
    FUZZ_SEED("\x04" REQUEST("\x01", "\x01")),
    FUZZ_SEED("\x20" REQUEST("\x01", "\x01")),
    FUZZ_SEED("\x00" REQUEST("\x03", "\0") RECORD("\x08", "\x01", "\x01", "\0") "x" END_OF("\x08")),
    FUZZ_SEED("\x00" BEGIN("\x01", "\x01") BEGIN("\x01", "\x01") PARAMETERS END_OF("\x02")),
    FUZZ_SEED("\x02" RECORD("\x09", "\0", "\x11", "\0") "\x0f\0FCGI_MPXS_CONNS" RECORD(
        "\x4d", "\0", "\x01", "\0") "x" REQUEST("\x01", "\0")),
    FUZZ_SEED("\x02" BEGIN("\x01", "\x01") PARAMETERS END_OF("\x04") END_OF("\x02")),
    /* the upstream's: an answer, one in pieces, with standard error, without an end, with too much
     */
    FUZZ_SEED("\x01" HEAD END_OF("\x06") ENDED),
    FUZZ_SEED("\x05" HEAD END_OF("\x06") ENDED),
    FUZZ_SEED("\x01" RECORD("\x07", "\x01", "\x04", "\x04") "err\npad " HEAD ENDED HEAD),
    FUZZ_SEED("\x03" HEAD),
    FUZZ_SEED("\x01" RECORD("\x06", "\x01", "\x03", "\0") "A: "),
    FUZZ_SEED("\x01" RECORD("\x06", "\x01", "\x17", "\0") "Content-Length: 0\r\n\r\nxx"),
    FUZZ_SEED("\x01" RECORD("\x06", "\x01", "\x11", "\0") "Status: 103\r\n\r\nA:" HEAD ENDED),
    FUZZ_SEED("\x01" RECORD("\x03", "\x01", "\x08", "\0") "\0\0\0\0\2\0\0\0"),
    {NULL, 0},
};

static const char good[] = REQUEST("\x01", "\0");
static const char answer[] = HEAD ENDED;

/* The proxy, and the application server behind it. */
static struct proxy proxy;
static int upstream;
static int backs[BACKS_MAX], back_count;
static const uint8_t *upstream_bytes; /* what it says; NULL for `answer`, once for each request */
static size_t upstream_size, upstream_cut;
static bool upstream_closes;

static void nothing(struct proxy_source *source, uint32_t events)
{
    (void)source;
    (void)events;
}

/* So that no turn waits. */
static struct proxy_source always = {.ready = nothing};

static void open_once(void)
{
    static struct proxy_settings settings;
    char program[] = "fuzz", option[] = "--upstream", value[] = "127.0.0.1:1";
    char *arguments[] = {program, option, value, NULL};

    if (proxy.loop != NULL)
        return;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("MICROTRACE_RUN_DIR", "/nonexistent", 1);
    (void)setenv("MICROTRACE_SPOOL_DIR", "/nonexistent", 1);
    (void)setenv("MICROTRACE_PROXY_BUFFER_BYTES", "4096", 1);
    assert(proxy_settings_read(&settings, 3, arguments) < 0);
    proxy.settings = &settings;
    proxy.listener.fd = -1;
    upstream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    proxy.upstream.text = "fuzz";
    proxy.upstream.un.sun_family = AF_UNIX;
    proxy.upstream.size = sizeof(sa_family_t);
    /* An abstract address of the kernel's choice. */
    assert(upstream >= 0 && bind(upstream, &proxy.upstream.any, proxy.upstream.size) == 0);
    proxy.upstream.size = sizeof(proxy.upstream.un);
    assert(getsockname(upstream, &proxy.upstream.any, &proxy.upstream.size) == 0 &&
           listen(upstream, BACKS_MAX) == 0 && proxy_open(&proxy) == 0);
    always.fd = eventfd(1, EFD_CLOEXEC);
    assert(always.fd >= 0 && proxy_loop_watch(proxy.loop, &always, EPOLLIN) == 0);
}

static void turn(void);

static void send_cut(int fd, const uint8_t *bytes, size_t size, size_t cut)
{
    for (size_t at = 0, part; at < size; at += part) {
        part = cut > 0 && cut < size - at ? cut : size - at;
        if (send(fd, bytes + at, part, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)part)
            return;
        if (cut > 0)
            assert(proxy_turn(&proxy) == 0);
    }
}

/* Takes new connections; reads what there is, and answers each BEGIN_REQUEST by its id. */
static void serve(void)
{
    uint8_t in[8192], out[sizeof(answer)];
    ssize_t size;
    int fd;

    while (back_count < BACKS_MAX && (fd = accept(upstream, NULL, NULL)) >= 0) {
        assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
        backs[back_count++] = fd;
    }
    for (int i = 0; i < back_count; i++) {
        if (backs[i] < 0 || (size = read(backs[i], in, sizeof(in))) < 0)
            continue;
        if (size >= FASTCGI_HEADER_SIZE && in[1] == FASTCGI_BEGIN_REQUEST) {
            if (upstream_bytes != NULL) {
                send_cut(backs[i], upstream_bytes, upstream_size, upstream_cut);
            } else {
                memcpy(out, answer, sizeof(out));
                out[3] = in[3];
                out[2] = in[2];
                memcpy(out + 34, in + 2, 2);
                send_cut(backs[i], out, sizeof(out) - 1, 0);
            }
        }
        if (size == 0 || (upstream_bytes != NULL && upstream_closes)) {
            (void)close(backs[i]);
            backs[i] = -1;
        }
    }
}

static void turn(void)
{
    for (int i = 0; i < TURNS; i++) {
        assert(proxy_turn(&proxy) == 0);
        serve();
    }
}

/* Reads what has come from the proxy: FastCGI, of types that an application has. */
static bool look(int fd, struct fastcgi_cursor *cursor)
{
    static uint8_t bytes[1 << 20];
    struct fastcgi_piece piece;
    const ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    bool ended = false;

    for (size_t at = 0; size > 0 && at < (size_t)size; at += piece.size) {
        assert(fastcgi_cursor_next(cursor, bytes + at, (size_t)size - at, &piece) == FASTCGI_PIECE);
        assert(piece.type == FASTCGI_STDOUT || piece.type == FASTCGI_STDERR ||
               piece.type == FASTCGI_END_REQUEST || piece.type == FASTCGI_GET_VALUES_RESULT ||
               piece.type == FASTCGI_UNKNOWN_TYPE);
        ended = ended || (piece.type == FASTCGI_END_REQUEST && piece.last);
    }
    return ended;
}

static int open_front(void)
{
    int ends[2];

    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    proxy_front_open(&proxy, ends[0]);
    return ends[1];
}

static void assert_serves(void)
{
    struct fastcgi_cursor cursor = {.inside = false};
    const int fd = open_front();

    upstream_bytes = NULL;
    send_cut(fd, (const uint8_t *)good, sizeof(good) - 1, 0);
    turn();
    assert(look(fd, &cursor) && !cursor.inside);
    (void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fastcgi_cursor cursor = {.inside = false};
    int fd;

    if (size == 0 || size > 4096)
        return 0;
    open_once();
    fd = open_front();
    upstream_bytes = NULL;
    if ((data[0] & FROM_UPSTREAM) != 0) {
        upstream_bytes = data + 1;
        upstream_size = size - 1;
        upstream_cut = data[0] >> CUT_SHIFT;
        upstream_closes = (data[0] & STAYS_OPEN) == 0;
        send_cut(fd, (const uint8_t *)good, sizeof(good) - 1, 0);
    } else {
        send_cut(fd, data + 1, size - 1, data[0] >> CUT_SHIFT);
    }
    turn();
    (void)look(fd, &cursor);
    (void)close(fd);
    turn();
    assert(proxy.fronts == NULL && proxy.exchange_count == 0 && proxy.untaken == 0);
    assert_serves();
    for (int i = 0; i < back_count; i++) {
        if (backs[i] >= 0)
            (void)close(backs[i]);
    }
    back_count = 0;
    turn();
    assert(proxy.fronts == NULL && proxy.exchange_count == 0);
    return 0;
}
