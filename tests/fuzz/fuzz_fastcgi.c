/*
 * Any bytes on a connection of the web server's, which then stays half open or is closed: the
 * process reads nothing that was not sent, and answers the next connection's request as if there
 * had been no other. libfcgi is in between, as in the program. What makes libfcgi end a process,
 * which is a parameter that no memory can hold, is left out; tests/integration/fastcgi.bats has it.
 */
#include "fcgi-app/gateway.h"
#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    INPUT_MAX = 65536, /* what a socket takes without a reader */
    UNREAD_MAX = 1024,
};

/* FastCGI 1.0 specification, section 8. */
#define RECORD(type, id, length, padding) "\x01" type "\0" id "\0" length padding "\0"
#define BEGIN(role, keep)                 RECORD("\x01", "\x01", "\x08", "\0") "\0" role keep "\0\0\0\0\0"
#define PARAMETERS                                                                                 \
    RECORD("\x04", "\x01", "\x3b", "\0")                                                           \
    "\x0e\x04REQUEST_METHODPOST\x0b\x08SCRIPT_NAME/analyze\x0e\x02"                                \
    "CONTENT_LENGTH13"
#define END_OF(type)        RECORD(type, "\x01", "\0", "\0")
#define BODY                RECORD("\x05", "\x01", "\x0d", "\0") "{\"a\":1,\"b\":2}"
#define REQUEST(role, keep) BEGIN(role, keep) PARAMETERS END_OF("\x04") BODY END_OF("\x05")

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED(REQUEST("\x01", "\0")),
    /* a kept connection with two requests; other roles, the one with a second stream */
    FUZZ_SEED(REQUEST("\x01", "\x01") REQUEST("\x01", "\0")),
    FUZZ_SEED(REQUEST("\x02", "\0")),
    FUZZ_SEED(REQUEST("\x03", "\0") RECORD("\x08", "\x01", "\x01", "\0") "x" END_OF("\x08")),
    FUZZ_SEED(REQUEST("\x09", "\x01")),
    /* management records, before a request and within */
    FUZZ_SEED(RECORD("\x09", "\0", "\x10", "\0") "\x0e\0FCGI_MAX_CONNS" REQUEST("\x01", "\0")),
    FUZZ_SEED(BEGIN("\x01", "\0") RECORD("\x09", "\0", "\x10", "\0") "\x0e\0FCGI_MAX_CONNS" RECORD(
        "\x0b", "\0", "\x03", "\x05") "abcdefgh" PARAMETERS),
    /* an abort, another request's records between, a body after its end, a second begin */
    FUZZ_SEED(BEGIN("\x01", "\x01") PARAMETERS END_OF("\x04") END_OF("\x02") REQUEST("\x01", "\0")),
    FUZZ_SEED(BEGIN("\x01", "\0")
                  RECORD("\x04", "\x02", "\x04", "\0") "\x01\x01xy" REQUEST("\x01", "\0")),
    FUZZ_SEED(REQUEST("\x01", "\x01") BODY BODY),
    FUZZ_SEED(BEGIN("\x01", "\x01") BEGIN("\x01", "\x01") PARAMETERS),
    /* padding, a parameter across two records, a long one, one that is not there */
    FUZZ_SEED(BEGIN("\x01", "\0")
                  RECORD("\x04", "\x01", "\x06", "\x03") "\x04\x02"
                                                         "HTTPpad" RECORD("\x04", "\x01", "\x02",
                                                                          "\0") "on" END_OF("\x04")
                                                             BODY END_OF("\x05")),
    FUZZ_SEED(BEGIN("\x01", "\0") RECORD("\x04", "\x01", "\x0b",
                                         "\0") "\x80\0\0\x04\x80\0\0\x80HTT" END_OF("\x04")),
    {NULL, 0},
};

/* libfcgi forgets 48 bytes for each FCGI_GET_VALUES whose content is cut off. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfcgi.so";
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "print_suppressions=0";
}

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size = sizeof(sa_family_t);

static struct gateway *open_gateway(void)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* An abstract address of the kernel's choice. */
    assert(fd >= 0 && bind(fd, (struct sockaddr *)&address, address_size) == 0);
    address_size = sizeof(address);
    assert(getsockname(fd, (struct sockaddr *)&address, &address_size) == 0);
    assert(listen(fd, 8) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO && close(fd) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    return gateway_fcgi();
}

static int send_bytes(const void *bytes, size_t len)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(fd >= 0 && connect(fd, (const struct sockaddr *)&address, address_size) == 0);
    assert(send(fd, bytes, len, 0) == (ssize_t)len && shutdown(fd, SHUT_WR) == 0);
    return fd;
}

/* Every string that the request has is one; what is derived lies within. */
static void look(const struct request *request)
{
    const char *const texts[] = {request->method_text, request->script_name, request->query,
                                 request->user_agent,  request->host,        request->request_id};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert(texts[i] == NULL || strlen(texts[i]) < INPUT_MAX);
    assert(strlen(request->path) <= REQUEST_PATH_MAX);
    assert(request->url_path == NULL || request->url_path_length <= strlen(request->url_path));
}

/* Serves until the request whose X-Request-ID is `last` has been answered. */
static void serve(struct gateway *gateway, const char *last)
{
    static char body[INPUT_MAX], out[256];
    struct request request;
    struct reply reply;
    bool found = false;

    while (!found) {
        assert(gateway->next(gateway, &request) == GATEWAY_REQUEST);
        look(&request);
        found = request.request_id != NULL && strcmp(request.request_id, last) == 0;
        if (request.abandoned) {
            assert(!found);
            gateway->drop(gateway);
            continue;
        }
        reply_init(&reply, out, sizeof(out));
        reply.request_id = found ? last : "other";
        assert(gateway->read_body(gateway, body, sizeof(body)) <= sizeof(body));
        assert(gateway->reply(gateway, &reply) || !found);
    }
}

static void assert_answered(int fd, const char *id)
{
    char answer[4096];
    ssize_t len = 0, n;

    while ((n = read(fd, answer + len, sizeof(answer) - (size_t)len)) > 0)
        len += n;
    assert(n == 0 && memmem(answer, (size_t)len, "Status: 200 OK", 14) != NULL);
    assert(memmem(answer, (size_t)len, id, strlen(id)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct gateway *gateway;
    char good[] = BEGIN("\x01", "\0")
        RECORD("\x04", "\x01", "\x23", "\0") "\x11\x10"
                                             "HTTP_X_REQUEST_ID"
                                             "0123456789abcdef" END_OF("\x04") END_OF("\x05");
    char id[17];
    uint64_t random;
    int hostile, next;

    if (gateway == NULL)
        gateway = open_gateway();
    assert(gateway != NULL);
    if (size > INPUT_MAX)
        return 0;
    assert(getrandom(&random, sizeof(random), 0) == sizeof(random));
    (void)snprintf(id, sizeof(id), "%016lx", (unsigned long)random);
    memcpy(memmem(good, sizeof(good), "0123456789abcdef", 16), id, 16);
    hostile = send_bytes(data, size);
    next = send_bytes(good, sizeof(good) - 1);
    /* The answers to so few records find room in the socket: nobody reads them. */
    if (size > UNREAD_MAX || size % 4 == 0) {
        (void)close(hostile);
        hostile = -1;
    }
    serve(gateway, id);
    if (hostile >= 0)
        (void)close(hostile);
    assert_answered(next, id);
    (void)close(next);
    return 0;
}
