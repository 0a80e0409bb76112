#include "cli/doctor.h"
#include "cli/doctor_checks.h"
#include "cli/doctor_commands.h"
#include "lib/base/config.h"
#include "lib/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VARIABLE "MICROTRACE_AGENT_LISTEN"
#define STANDARD "127.0.0.1:9464" /* metrics-agent --help has it */

enum {
    HOST_MAX = 256,
    LISTENS = 0x0a, /* TCP_LISTEN, as /proc/net/tcp has it */
    DESCRIPTORS_MAX = 65536,
};

/* Whether the agent could listen there: 0, or an errno. */
static int try_listen(const struct addrinfo *address)
{
    const int on = 1, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0)
        error = errno;
    (void)close(fd);
    return error;
}

/* The inode of a socket that listens on that port; 0 for none. */
static unsigned long find_socket(const char *table, unsigned wanted)
{
    FILE *const file = fopen(table, "re");
    unsigned long inode = 0, found = 0;
    unsigned port, state;
    char line[512];

    while (file != NULL && found == 0 && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%*u: %*[0-9A-Fa-f]:%x %*s %x %*s %*s %*s %*u %*u %lu", &port, &state,
                   &inode) == 3 &&
            state == LISTENS && port == wanted)
            found = inode;
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

/* Whether the process has it open. */
static bool has_socket(const char *pid, const char *wanted)
{
    char path[320], link[64];
    const struct dirent *entry;
    bool found = false;
    DIR *fds;
    int left = DESCRIPTORS_MAX;

    (void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    fds = opendir(path);
    while (fds != NULL && !found && left-- > 0 && (entry = readdir(fds)) != NULL) {
        ssize_t len;

        (void)snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, entry->d_name);
        len = readlink(path, link, sizeof(link) - 1);
        link[len > 0 ? len : 0] = '\0';
        found = strcmp(link, wanted) == 0;
    }
    if (fds != NULL)
        (void)closedir(fds);
    return found;
}

/* "it is NAME's (pid N)" */
static struct doctor_text whose(unsigned port)
{
    unsigned long inode = find_socket("/proc/net/tcp", port);
    struct doctor_text out = {"another user's program has it"};
    const struct dirent *entry;
    char wanted[64], path[320], name[64] = "";
    DIR *proc;

    if (inode == 0)
        inode = find_socket("/proc/net/tcp6", port);
    (void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    proc = inode != 0 ? opendir("/proc") : NULL;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        FILE *file;

        if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name) ||
            !has_socket(entry->d_name, wanted))
            continue;
        (void)snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
        file = fopen(path, "re");
        if (file != NULL && fgets(name, sizeof(name), file) != NULL)
            name[strcspn(name, "\n")] = '\0';
        if (file != NULL)
            (void)fclose(file);
        out = doctor_format("%s (pid %s) has it", name, entry->d_name);
        break;
    }
    if (proc != NULL)
        (void)closedir(proc);
    return out;
}

static void check(struct doctor *doctor, const char *listen, const char *host, unsigned port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    const unsigned other = port < 65535 ? port + 1 : 9464;
    const bool bracket = strchr(host, ':') != NULL;
    struct addrinfo *found = NULL;
    struct doctor_text mend;
    char number[16];
    int error;

    (void)snprintf(number, sizeof(number), "%u", port);
    error = getaddrinfo(host, number, &hints, &found);
    if (error != 0) {
        doctor_wrong(doctor, doctor_commands_set(VARIABLE, STANDARD).text,
                     VARIABLE ": \"%.200s\" can't be used: %s", listen, gai_strerror(error));
        return;
    }
    error = try_listen(found);
    freeaddrinfo(found);
    mend = doctor_commands_set(
        VARIABLE,
        doctor_format("%s%.200s%s:%u", bracket ? "[" : "", host, bracket ? "]" : "", other).text);
    if (error == EADDRINUSE)
        doctor_wrong(doctor, mend.text, "the agent can't listen on %.200s: %s; %s", listen,
                     strerror(error), whose(port).text);
    else if (error != 0)
        doctor_wrong(doctor, doctor_commands_set(VARIABLE, STANDARD).text,
                     "the agent can't listen on %.200s: %s", listen, strerror(error));
}

void doctor_port_check(struct doctor *doctor)
{
    const char *const set = config_get(VARIABLE);
    const char *const listen = set != NULL && set[0] != '\0' ? set : STANDARD;
    const struct agent_status *const status = &doctor->report.agent.status;
    struct text host, port;
    uint64_t number;
    char name[HOST_MAX];

    /* It has its port, or another one than this user's environment says. */
    if (doctor->report.view.agent != SPOOL_VIEW_AGENT_NONE && doctor->reported) {
        if (doctor->report.agent.state == SPOOL_AGENT_LIVE && !status->drain && set != NULL &&
            strcmp(status->listen, listen) != 0)
            doctor_note(doctor, "the agent listens on %.200s; " VARIABLE " says %.200s here",
                        status->listen, listen);
        return;
    }
    /* What can't be read metrics-agent --check has said. */
    if (text_split_host_port(text_of(listen), &host, &port) != 0 || port.at == NULL ||
        host.len >= sizeof(name) || text_parse_uint(port, &number) != 0)
        return;
    memcpy(name, host.at, host.len);
    name[host.len] = '\0';
    check(doctor, listen, name, (unsigned)number);
}
