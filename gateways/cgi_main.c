#include "gateways/cgi_listen.h"
#include "gateways/cgi_request.h"
#include "gateways/cgi_settings.h"
#include "gateways/cgi_wait.h"
#include "gateways/cgi_workers.h"
#include "lib/base/clock.h"
#include "lib/base/config_file.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/message.h"
#include "lib/base/options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_MS = 30000,    /* for a connection to bring its request */
    STOPPING_MS = 1000, /* the same, of a process that is to end */
    LINGER_MS = 2000,   /* for the rest of a body that nobody wants */
    IDLE_MS = 2000,     /* between two looks at a kept connection */
    OTHERS_MS = 2,      /* for other processes to take a connection */
    NO_ROOM_MS = 100,   /* before accept is tried again when there are no descriptors */
};

struct program {
    struct cgi_options options;
    struct cgi_settings settings;
};

static struct cgi_request *open_request(const struct program *program, cgi_process_group *group)
{
    static const struct resource_service service = {"microtrace-cgi", MICROTRACE_VERSION,
                                                    "https://opentelemetry.io/schemas/1.45.0"};
    struct cgi_request *const r = malloc(sizeof(*r));
    struct observer *const observer = malloc(sizeof(*observer));
    struct telemetry *const telemetry = r != NULL && observer != NULL
                                            ? telemetry_open(&program->settings.telemetry, &service)
                                            : NULL;

    if (telemetry == NULL) {
        message_print("out of memory");
        free(observer);
        free(r);
        return NULL;
    }
    r->settings = &program->settings;
    r->options = &program->options;
    r->telemetry = telemetry;
    r->observer = observer;
    r->group = group;
    r->stop = NULL;
    observer_init(observer, &program->settings.observer, telemetry);
    observer_count_worker(observer, service.name, group != NULL);
    return r;
}

static void close_request(struct cgi_request *r)
{
    observer_free(r->observer);
    free(r->observer);
    telemetry_close(r->telemetry);
    free(r);
}

/* Waits for the variables. Returns whether there are all of them, and somebody who waits. */
static bool receive(struct cgi_front *front)
{
    const uint64_t begin = clock_monotonic_ms();
    struct pollfd peer = {.fd = front->in, .events = POLLIN};

    while (front->state == CGI_FRONT_HEAD) {
        const uint64_t end = begin + (cgi_listen_stopping ? STOPPING_MS : HEAD_MS);
        const uint64_t now = clock_monotonic_ms();

        if (now >= end)
            break;
        if (cgi_wait(&peer, 1, end - now) > 0)
            cgi_front_read(front);
        cgi_front_write(front);
    }
    return front->state == CGI_FRONT_OPEN;
}

/* Over a Unix socket; over TCP a close can't be told from a half-close. */
static bool has_hung_up(int connection)
{
    struct pollfd peer = {.fd = connection};

    return poll(&peer, 1, 0) == 1 && (peer.revents & POLLHUP) != 0;
}

/* A close with unread data would reset the connection, and may take the answer with it. */
static void linger(struct cgi_front *front, int connection)
{
    const uint64_t end = clock_monotonic_ms() + LINGER_MS;
    struct pollfd peer = {.fd = connection, .events = POLLIN};
    char ignored[16384];
    uint64_t now;

    if (front->body_ended || front->state != CGI_FRONT_OPEN || shutdown(connection, SHUT_WR) != 0)
        return;
    while ((now = clock_monotonic_ms()) < end && cgi_wait(&peer, 1, end - now) > 0 &&
           read(connection, ignored, sizeof(ignored)) > 0)
        continue;
}

/*
 * Waits for the next request of a connection that the web server keeps. Another connection that
 * nobody takes is a request that waits, while this one may be idle for long: then it is given up.
 */
static bool has_next(int connection)
{
    struct pollfd waits[] = {{.fd = connection, .events = POLLIN},
                             {.fd = CGI_LISTEN_FD, .events = POLLIN}};

    while (!cgi_listen_stopping && cgi_wait(waits, 2, IDLE_MS) >= 0) {
        if (waits[0].revents != 0)
            return (waits[0].revents & POLLIN) != 0;
        if (waits[1].revents == 0)
            continue;
        /* A process that is idle has it soon. */
        clock_sleep_ns(clock_ms_to_ns(OTHERS_MS));
        if (cgi_wait(&waits[1], 1, 0) > 0)
            return cgi_wait(&waits[0], 1, 0) > 0;
    }
    return false;
}

static void serve_connection(struct cgi_request *r, int connection)
{
    bool goes_on = true;

    cgi_front_begin_fastcgi(&r->front, connection);
    while (goes_on && receive(&r->front)) {
        if (has_hung_up(connection)) {
            observer_dropped(r->observer);
            break;
        }
        cgi_request_serve(r, NULL);
        goes_on = cgi_request_is_ended(r) && cgi_front_can_go_on(&r->front) && has_next(connection);
        telemetry_refresh(r->telemetry);
        if (goes_on)
            cgi_front_next(&r->front);
    }
    linger(&r->front, connection);
    (void)close(connection);
}

/* One process of the FastCGI server. Returns its exit status. */
static int work(void *context, cgi_process_group *group)
{
    struct cgi_request *const r = open_request(context, group);
    int connection, result = EXIT_FAILURE;

    if (r == NULL)
        return EXIT_FAILURE;
    if (cgi_listen_stop_on_signals() != 0) {
        message_print("can't set up signals: %s", strerror(errno));
        close_request(r);
        return EXIT_FAILURE;
    }
    for (;;) {
        connection = cgi_listen_accept();
        if (connection < 0 && errno == 0) {
            result = EXIT_SUCCESS;
            break;
        }
        if (connection < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM)) {
            clock_sleep_ns(clock_ms_to_ns(NO_ROOM_MS));
            continue;
        }
        if (connection < 0 && errno != EAGAIN) {
            message_print("accept: %s", strerror(errno));
            break;
        }
        telemetry_refresh(r->telemetry);
        if (connection >= 0)
            serve_connection(r, connection);
    }
    close_request(r);
    return result;
}

/* At once, since the last script may take long: nobody is to wait in the queue for what ends. */
static void stop_listening(void *context)
{
    const struct program *const program = context;

    cgi_listen_end(program->options.listen);
}

static volatile sig_atomic_t given_up;

static void give_up(int number)
{
    (void)number;
    given_up = 1;
}

/*
 * The one request of a CGI process. Its script is what the web server's variables say; a path on
 * the command line has to be the same, since a query may become an argument (RFC 3875, 4.4).
 */
static int answer_cgi(struct program *program, const char *operand)
{
    const struct sigaction action = {.sa_handler = give_up};
    struct cgi_request *const r = open_request(program, NULL);
    const char *const path = getenv("SCRIPT_FILENAME");

    if (r == NULL)
        return EXIT_FAILURE;
    /* How a web server ends a CGI process whose client has gone. */
    (void)sigaction(SIGTERM, &action, NULL);
    r->stop = &given_up;
    cgi_front_begin_cgi(&r->front);
    cgi_request_serve(r,
                      operand != NULL && (path == NULL || strcmp(path, operand) != 0) ? "" : path);
    close_request(r);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct program program;
    const bool is_request = getenv("REQUEST_METHOD") != NULL && !cgi_listen_is_ready();
    struct notify notify;
    char error[CONFIG_ERROR_MAX];
    int result;

    descriptor_reserve_standard();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (!is_request) {
        result = cgi_options_read(&program.options, argc, argv);
        if (result != OPTIONS_GO)
            return result;
        config_names_check(message_say);
    }
    config_file_load(message_say);
    if (cgi_settings_load(&program.settings, error) != 0) {
        message_say(error);
        return OPTIONS_USAGE;
    }
    if (is_request)
        return answer_cgi(&program, argc > 1 ? argv[1] : NULL);
    if (program.options.check) {
        if (cgi_listen_check(program.options.listen) != 0)
            return OPTIONS_USAGE;
        telemetry_settings_check(&program.settings.telemetry);
        return EXIT_SUCCESS;
    }
    if (cgi_listen(program.options.listen) != 0)
        return OPTIONS_USAGE;
    /* Out of the environment, too, which the scripts get. */
    notify_open(&notify);
    result = cgi_workers_run((unsigned)program.options.processes, work, stop_listening, &program,
                             &notify);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
