/*
 * load PORT CLIENTS REQUESTS: POSTs to /analyze on 127.0.0.1, from CLIENTS connections at once that
 * are kept alive, REQUESTS altogether; every tenth is bad, of each kind in turn. Checks each answer
 * and prints what the clients saw as JSON: the count of each status, and of each kind of error.
 * Exit status 1 where an answer was wrong or did not come. As any HTTP client, it asks once more on
 * a new connection where a kept one was closed without a byte of the answer, and counts that.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 16384,
    CLIENTS_MAX = 256,
    TIMEOUT_S = 60,
};

enum kind {
    GOOD,
    NOT_JSON,
    MISSING,
    NO_NUMBER,
    NOT_FOUND,
    KINDS,
};

static const struct {
    const char *name, *path, *body, *expected; /* expected: in the answer's body */
    int status;
} kinds[KINDS] = {
    [GOOD] = {"good", "/analyze", "{\"a\": 10.5, \"b\": 3.5}",
              "{\"sum\": 14.0, \"difference\": 7.0}", 200},
    [NOT_JSON] = {"json_invalid", "/analyze", "{\"a\": ", "json_invalid", 422},
    [MISSING] = {"missing", "/analyze", "{\"a\": 1}", "missing", 422},
    [NO_NUMBER] = {"float_type", "/analyze", "{\"a\": 1, \"b\": \"2\"}", "float_type", 422},
    [NOT_FOUND] = {"not_found", "/nowhere", "{}", "Not Found", 404},
};

struct client {
    pthread_t thread;
    unsigned number;
    unsigned step; /* the number of clients: it sends request `number`, number + step, ... */
    unsigned requests;
    unsigned seen[KINDS];
    unsigned retried;
    bool failed;
};

static struct sockaddr_in server = {.sin_family = AF_INET};

static int connect_server(void)
{
    const int on = 1;
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd == -1 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
        connect(fd, (const struct sockaddr *)&server, sizeof(server)) != 0) {
        perror("load: connect");
        exit(1);
    }
    return fd;
}

/* Reads one answer into `answer`, NUL-terminated. Returns its length, or -1. */
static ssize_t read_answer(int fd, char answer[ANSWER_MAX])
{
    size_t len = 0;
    size_t whole = 0;
    while (whole == 0 || len < whole) {
        ssize_t n = read(fd, answer + len, ANSWER_MAX - 1 - len);
        if (n <= 0)
            return -1;
        len += (size_t)n;
        answer[len] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        const char *length = strcasestr(answer, "\r\nContent-Length: ");
        if (end != NULL && (length == NULL || length > end))
            return -1;
        if (end != NULL)
            whole = (size_t)(end + 4 - answer) + strtoul(length + 18, NULL, 10);
    }
    return len == whole ? (ssize_t)len : -1;
}

static bool right(const char *answer, enum kind kind, const char *request_id)
{
    char expected[128];
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || atoi(answer + 9) != kinds[kind].status)
        return false;
    snprintf(expected, sizeof(expected), "\r\nX-Request-ID: %s\r\n", request_id);
    return strstr(answer, expected) != NULL && strstr(answer, kinds[kind].expected) != NULL;
}

/* Sends the request and reads its answer, over *fd, which may be another connection afterwards. */
static bool ask(struct client *client, int *fd, const char *request, size_t len,
                char answer[ANSWER_MAX])
{
    for (int try = 0; try < 2; try++) {
        answer[0] = '\0';
        if (send(*fd, request, len, MSG_NOSIGNAL) == (ssize_t)len &&
            read_answer(*fd, answer) != -1) {
            if (strcasestr(answer, "\r\nConnection: close\r\n") != NULL) {
                close(*fd);
                *fd = connect_server();
            }
            return true;
        }
        if (answer[0] != '\0')
            return false;
        close(*fd);
        *fd = connect_server();
        client->retried += try == 0;
    }
    return false;
}

static void *run_client(void *argument)
{
    struct client *client = argument;
    char request[1024], answer[ANSWER_MAX], id[64];
    int fd = connect_server();
    for (unsigned i = client->number; i < client->requests; i += client->step) {
        enum kind kind = i % 10 == 9 ? 1 + i / 10 % (KINDS - 1) : GOOD;
        snprintf(id, sizeof(id), "load-%u", i);
        int len = snprintf(request, sizeof(request),
                           "POST %s HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: %s\r\n"
                           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                           kinds[kind].path, id, strlen(kinds[kind].body), kinds[kind].body);
        if (!ask(client, &fd, request, (size_t)len, answer)) {
            fprintf(stderr, "load: %s: no answer\n", id);
            client->failed = true;
            break;
        }
        if (!right(answer, kind, id)) {
            fprintf(stderr, "load: %s (%s): wrong answer: %s\n", id, kinds[kind].name, answer);
            client->failed = true;
            break;
        }
        client->seen[kind]++;
    }
    close(fd);
    return NULL;
}

static unsigned sum(const struct client *clients, unsigned count, enum kind kind)
{
    unsigned total = 0;
    for (unsigned i = 0; i < count; i++)
        total += clients[i].seen[kind];
    return total;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    if (argc != 4) {
        fputs("usage: load PORT CLIENTS REQUESTS\n", stderr);
        return 2;
    }
    unsigned count = (unsigned)atoi(argv[2]);
    unsigned requests = (unsigned)atoi(argv[3]);
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (count == 0 || count > CLIENTS_MAX) {
        fprintf(stderr, "load: 1 to %d clients\n", CLIENTS_MAX);
        return 2;
    }

    bool failed = false;
    for (unsigned i = 0; i < count; i++) {
        clients[i].number = i;
        clients[i].step = count;
        clients[i].requests = requests;
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
            return 1;
    }
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(clients[i].thread, NULL);
        failed = failed || clients[i].failed;
    }

    unsigned good = sum(clients, count, GOOD);
    unsigned not_found = sum(clients, count, NOT_FOUND);
    unsigned invalid = 0, retried = 0;
    for (enum kind kind = NOT_JSON; kind < NOT_FOUND; kind++)
        invalid += sum(clients, count, kind);
    printf("{\"200\": %u, \"422\": %u, \"404\": %u", good, invalid, not_found);
    for (enum kind kind = NOT_JSON; kind < KINDS; kind++)
        printf(", \"%s\": %u", kinds[kind].name, sum(clients, count, kind));
    for (unsigned i = 0; i < count; i++)
        retried += clients[i].retried;
    printf(", \"retried\": %u}\n", retried);
    return failed;
}
