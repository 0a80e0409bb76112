#include "supervisor/settings.h"

#include "lib/base/message.h"
#include "lib/base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    WORKERS_MAX = 256,
    ADDRESS_MAX = 256, /* of a HOST:PORT as text */
    BODY_MAX = 16 << 20,
    SPARE_REQUEST_KB = 1024, /* what lighttpd lets through beyond MAX_BODY_BYTES */
};

/* The longest socket name below the run directory, as lighttpd makes it. */
#define SOCKET_NAME_LONGEST "/analyze.sock-255"

static const struct config_setting rows[] = {
    {.name = "PORT",
     .type = CONFIG_UINT,
     .offset = offsetof(struct settings, port),
     .min = 1,
     .max = 65535,
     .fallback = "8000",
     .help = "Where lighttpd listens."},
    {.name = "BIND",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings, bind),
     .fallback = "127.0.0.1",
     .help = "The address that it listens on."},
    {.name = "AGENT_LISTEN",
     .type = CONFIG_HOST_PORT,
     .offset = offsetof(struct settings, agent_listen),
     .fallback = "127.0.0.1:9464",
     .help = "Where the agent answers scrapes."},
    {.name = "WORKERS",
     .type = CONFIG_UINT,
     .offset = offsetof(struct settings, workers),
     .min = 1,
     .max = WORKERS_MAX,
     .fallback = "4",
     .help = "How many analyze processes."},
    {.name = "STATE_DIR",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings, state_dir),
     .fallback = "var",
     .help = "Holds run/ and spool/."},
    {.name = "MAX_BODY_BYTES",
     .type = CONFIG_UINT,
     .unit = CONFIG_UNIT_BYTES,
     .offset = offsetof(struct settings, max_body_bytes),
     .min = 1,
     .max = BODY_MAX,
     .fallback = "65536",
     .help = "The longest request body that analyze reads."},
    {.name = "REQUEST_TIMEOUT",
     .type = CONFIG_UINT,
     .offset = offsetof(struct settings, request_timeout),
     .unit = CONFIG_UNIT_S,
     .min = 1,
     .max = 3600,
     .fallback = "60",
     .help = "How long a request may wait for its answer; then it is answered 504."},
    {.name = "RUN_AS",
     .type = CONFIG_STRING,
     .offset = offsetof(struct settings, run_as),
     .help = "The user that all of it runs as if root starts it; root to stay root. Unset: "
             "microtrace if that user exists, else www-data; root, with a message, if that "
             "user can't read the programs or pass STATE_DIR's parents."},
    {.name = "METRICS_PUBLIC",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct settings, metrics_public),
     .fallback = "false",
     .help = "Whether lighttpd answers /metrics for other machines too, or 403."},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct config_table table = {rows, ROWS};
const struct config_table *const settings_tables[] = {&table, NULL};

static int resolve(const char *name, const char *host, const char *port,
                   struct sockaddr_storage *address, socklen_t *len)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        message_print("%s '%s' is no address of this machine (%s): use 127.0.0.1, 0.0.0.0 or ::1",
                      name, host, gai_strerror(error));
        return -1;
    }
    memcpy(address, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

/* `text` was checked by config_load to be HOST:PORT or [HOST]:PORT. */
static int resolve_listen(const char *name, const char *text, struct sockaddr_storage *address,
                          socklen_t *len)
{
    char host[ADDRESS_MAX];
    struct text parsed, port;
    if (text_split_host_port(text_of(text), &parsed, &port) != 0 || parsed.len >= sizeof(host)) {
        message_print("%s '%s' is too long", name, text);
        return -1;
    }
    memcpy(host, parsed.at, parsed.len);
    host[parsed.len] = '\0';
    return resolve(name, host, port.at, address, len);
}

static int absolute_state_dir(struct settings *s)
{
    char here[PATH_MAX];
    if (s->state_dir[0] == '/') {
        here[0] = '\0';
    } else if (getcwd(here, sizeof(here)) == NULL) {
        message_print("the current directory can't be read: %s", strerror(errno));
        return -1;
    }
    const char *between = here[0] == '\0' ? "" : "/";
    const char *dir = strncmp(s->state_dir, "./", 2) == 0 ? s->state_dir + 2 : s->state_dir;
    int len = snprintf(s->root, sizeof(s->root), "%s%s%s", here, between, dir);
    const size_t longest =
        sizeof(((struct sockaddr_un *)0)->sun_path) - 1 - strlen("/run" SOCKET_NAME_LONGEST);
    if (len < 0 || (size_t)len > longest) {
        message_print(
            "STATE_DIR '%s' is too long for the sockets in it (%d bytes, at most %zu): use a "
            "shorter path, such as STATE_DIR=$HOME/microtrace",
            s->state_dir, len, longest);
        return -1;
    }
    snprintf(s->run, sizeof(s->run), "%.*s/run", len, s->root);
    snprintf(s->spool, sizeof(s->spool), "%.*s/spool", len, s->root);
    return 0;
}

int settings_load(struct settings *s)
{
    char error[CONFIG_ERROR_MAX];
    memset(s, 0, sizeof(*s));
    if (config_load(rows, ROWS, s, NULL, error) != 0) {
        message_print("%s", error);
        return -1;
    }
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)s->port);
    if (absolute_state_dir(s) != 0 || resolve("BIND", s->bind, port, &s->http, &s->http_len) != 0 ||
        resolve_listen("AGENT_LISTEN", s->agent_listen, &s->agent, &s->agent_len) != 0)
        return -1;
    return 0;
}

/* The numeric host and port of `address`; as seen by a client if `reach`. */
static void numeric(const struct sockaddr_storage *address, bool reach, char host[ADDRESS_MAX],
                    unsigned *port)
{
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        const struct in6_addr *shown = &in6->sin6_addr;
        if (reach && memcmp(shown, &in6addr_any, sizeof(*shown)) == 0)
            shown = &in6addr_loopback;
        char text[INET6_ADDRSTRLEN];
        inet_ntop(AF_INET6, shown, text, sizeof(text));
        snprintf(host, ADDRESS_MAX, "[%s]", text);
        *port = ntohs(in6->sin6_port);
        return;
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    struct in_addr shown = in->sin_addr;
    if (reach && shown.s_addr == htonl(INADDR_ANY))
        shown.s_addr = htonl(INADDR_LOOPBACK);
    inet_ntop(AF_INET, &shown, host, ADDRESS_MAX);
    *port = ntohs(in->sin_port);
}

void settings_reachable(const struct sockaddr_storage *address, char *text, size_t size)
{
    char host[ADDRESS_MAX];
    unsigned port;
    numeric(address, true, host, &port);
    snprintf(text, size, "%s:%u", host, port);
}

int settings_export(const struct settings *s, const char *programs)
{
    char http_host[ADDRESS_MAX], agent_host[ADDRESS_MAX], agent_proxy[ADDRESS_MAX];
    unsigned http_port, agent_port;
    numeric(&s->http, false, http_host, &http_port);
    numeric(&s->agent, false, agent_host, &agent_port);
    numeric(&s->agent, true, agent_proxy, &agent_port);
    char *proxy = agent_proxy;
    if (*proxy == '[') { /* lighttpd wants it bare here, bracketed in server.bind */
        proxy++;
        proxy[strcspn(proxy, "]")] = '\0';
    }

    char port[24], workers[24], listen[ADDRESS_MAX + 16], agent_port_text[24], request_kb[24];
    char request_timeout[24];
    snprintf(port, sizeof(port), "%u", http_port);
    snprintf(workers, sizeof(workers), "%" PRIu64, s->workers);
    snprintf(listen, sizeof(listen), "%s:%u", agent_host, agent_port);
    snprintf(agent_port_text, sizeof(agent_port_text), "%u", agent_port);
    snprintf(request_kb, sizeof(request_kb), "%" PRIu64,
             s->max_body_bytes / 1024 + SPARE_REQUEST_KB);

    snprintf(request_timeout, sizeof(request_timeout), "%" PRIu64, s->request_timeout);

    const struct {
        const char *name, *value;
    } variables[] = {
        {"PORT", port},
        {"BIND", http_host},
        {"WORKERS", workers},
        {"STATE_DIR", s->root},
        {"AGENT_HOST", proxy},
        {"AGENT_PORT", agent_port_text},
        {"MAX_REQUEST_KB", request_kb},
        {"REQUEST_TIMEOUT", request_timeout},
        /* A regular expression of client addresses. */
        {"LIGHTTPD_METRICS_CLIENTS", s->metrics_public ? "." : "^(127\\.|::1$|::ffff:127\\.)"},
        {"MICROTRACE_PROGRAMS", programs},
        {"MICROTRACE_RUN_DIR", s->run},
        {"MICROTRACE_SPOOL_DIR", s->spool},
        {"MICROTRACE_AGENT_LISTEN", listen},
    };
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        if (setenv(variables[i].name, variables[i].value, 1) != 0) {
            message_print("setenv: %s", strerror(errno));
            return -1;
        }
    }
    /* lighttpd.conf reads it, so it has to exist; empty means that there are none. */
    const char *const assets = config_get("MICROTRACE_DOCS_ASSETS");
    if (setenv("MICROTRACE_DOCS_ASSETS", assets != NULL ? assets : "", 0) != 0) {
        message_print("setenv: %s", strerror(errno));
        return -1;
    }
    return 0;
}
