#include "supervisor/instance.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"
#include "lib/control/chaos.h"
#include "lib/metrics/words.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PORT_TRIES = 20, /* PORT_PAUSE_NS apart: one second */
    PORT_PAUSE_NS = 50000000,
};

/* Makes `path` and what is missing above it; only what is made gets the mode and the group. */
static int make_directory(const char *path)
{
    const struct group *group = getgrnam("microtrace");
    const gid_t gid = group != NULL ? group->gr_gid : (gid_t)-1;
    char parent[PATH_MAX];
    if (instance_dir_make(path, gid) == 0)
        return 0;
    snprintf(parent, sizeof(parent), "%s", path);
    char *slash = strrchr(parent, '/');
    if (errno != ENOENT || slash == NULL || slash == parent)
        return -1;
    *slash = '\0';
    return make_directory(parent) == 0 ? instance_dir_make(path, gid) : -1;
}

/* Root would do there whatever the directory's owner has prepared. */
static bool is_strangers(const struct stat *st)
{
    const struct passwd *packages = NULL;
    if (geteuid() != 0 || st->st_uid == 0)
        return false;
    packages = getpwnam("microtrace");
    return packages == NULL || st->st_uid != packages->pw_uid;
}

/* A link below STATE_DIR is followed if it is ours: a member of the group may have put it there. */
static int stat_directory(const struct settings *s, const char *path, struct stat *st)
{
    if (make_directory(path) != 0 || lstat(path, st) != 0)
        return -1;
    errno = ELOOP;
    if (S_ISLNK(st->st_mode) &&
        ((path != s->root && st->st_uid != geteuid() && st->st_uid != 0) || stat(path, st) != 0))
        return -1;
    errno = ENOTDIR;
    return S_ISDIR(st->st_mode) ? 0 : -1;
}

static int prepare_directory(const struct settings *s, const char *path, int access_mode)
{
    char unsafe[INSTANCE_DIR_REASON_MAX];
    struct stat st;
    if (stat_directory(s, path, &st) != 0 || access(path, access_mode) != 0)
        message_print("STATE_DIR '%s' can't be used: %s: %s; choose a folder that you can write "
                      "to, such as STATE_DIR=$HOME/microtrace",
                      s->state_dir, path, instance_file_error(errno));
    else if (instance_dir_check(&st, path, unsafe) != INSTANCE_DIR_SAFE)
        message_print("STATE_DIR '%s' can't be used: %s", s->state_dir, unsafe);
    else if (is_strangers(&st))
        message_print("STATE_DIR '%s' can't be used: %s belongs to user %u: run this as that user, "
                      "choose another STATE_DIR, or take it over: chown -R root %s",
                      s->state_dir, path, (unsigned)st.st_uid, path);
    else
        return INSTANCE_OK;
    return INSTANCE_INVALID;
}

/* Tells whoever looks (microtrace load) where the instance answers; it is no loss if it can't. */
static void write_address(int fd, const struct settings *s)
{
    char address[128], line[160];
    settings_reachable(&s->http, address, sizeof(address));
    int len = snprintf(line, sizeof(line), "http://%s\n", address);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, line, (size_t)len, 0) != len)
        message_print("STATE_DIR '%s': the instance's address can't be kept: %s", s->state_dir,
                      strerror(errno));
}

static int take_lock(const struct settings *s)
{
    char path[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/lock", s->run);
    int fd = instance_file_open(AT_FDCWD, path, O_RDWR | O_CREAT, NULL);
    if (fd == -1) {
        message_print("STATE_DIR '%s' can't be used: %s: %s", s->state_dir, path,
                      instance_file_error(errno));
        return INSTANCE_INVALID;
    }
    /* The descriptor stays open: the kernel gives the lock back when this process ends. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        message_print(
            "STATE_DIR '%s' belongs to an instance that is running: stop that one, or choose "
            "another, such as STATE_DIR=var2 (and another PORT and AGENT_LISTEN)",
            s->state_dir);
        close(fd);
        return INSTANCE_TAKEN;
    }
    write_address(fd, s);
    return INSTANCE_OK;
}

void instance_clear_sockets(const struct settings *s)
{
    char pattern[PATH_MAX + 32];
    glob_t found;
    snprintf(pattern, sizeof(pattern), "%s/analyze.sock-*", s->run);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        (void)unlink(found.gl_pathv[i]);
    globfree(&found);
}

/*
 * A line of /proc/net/unix is "address: references protocol flags type state inode path". An
 * accepted or waiting connection has the path of the socket that it came to.
 */
bool instance_answering(const struct settings *s)
{
    enum { LISTENS = 1 << 16 };
    char start[PATH_MAX + 32], path[PATH_MAX + 32], line[PATH_MAX + 128];
    unsigned flags;
    bool answering = false;
    FILE *sockets = fopen("/proc/net/unix", "re");
    if (sockets == NULL)
        return true;
    snprintf(start, sizeof(start), "%s/analyze.sock-", s->run);
    while (!answering && fgets(line, sizeof(line), sockets) != NULL) {
        if (sscanf(line, "%*s %*x %*x %x %*x %*x %*u %4127[^\n]", &flags, path) == 2)
            answering = (flags & LISTENS) == 0 && strncmp(path, start, strlen(start)) == 0;
    }
    fclose(sockets);
    return answering;
}

/* A seed in the environment gives the same faults each time that the instance is started. */
static void restart_chaos(const struct settings *s)
{
    struct metrics_words_file file;
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/" METRICS_FILE_NAME, s->run);
    if (metrics_words_open(&file, path, true) != METRICS_FILE_OK)
        return;
    chaos_control_restart(&file.words);
    metrics_words_close(&file);
}

int instance_prepare(const struct settings *s)
{
    char upload[PATH_MAX + 8];
    snprintf(upload, sizeof(upload), "%s/upload", s->run);
    const int written = R_OK | W_OK | X_OK;
    if (prepare_directory(s, s->root, X_OK) != INSTANCE_OK ||
        prepare_directory(s, s->run, written) != INSTANCE_OK ||
        prepare_directory(s, upload, written) != INSTANCE_OK ||
        prepare_directory(s, s->spool, written) != INSTANCE_OK)
        return INSTANCE_INVALID;
    int status = take_lock(s);
    if (status != INSTANCE_OK)
        return status;
    instance_clear_sockets(s);
    restart_chaos(s);
    return INSTANCE_OK;
}

/* 0, or the errno of listening on `address`. */
static int try_listen(const struct sockaddr_storage *address, socklen_t len)
{
    const int on = 1;
    int error = 0;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)address, len) != 0 || listen(fd, 1) != 0)
        error = errno;
    close(fd);
    return error;
}

/* `host` is what the setting says of the address, `instead` another port of it. */
static int check_port(const struct sockaddr_storage *address, socklen_t len, const char *what,
                      const char *host, const char *instead)
{
    const struct timespec pause = {.tv_nsec = PORT_PAUSE_NS};
    int error = try_listen(address, len);
    for (int i = 0; error == EADDRINUSE && i < PORT_TRIES; i++) {
        (void)nanosleep(&pause, NULL);
        error = try_listen(address, len);
    }
    if (error == 0)
        return INSTANCE_OK;
    if (error == EADDRINUSE) {
        message_print("%s is in use: stop what listens there, or choose another: %s", what,
                      instead);
        return INSTANCE_TAKEN;
    }
    if (error == EADDRNOTAVAIL)
        message_print("%s can't be used: this machine has no such address", host);
    else
        message_print("%s can't be listened on (%s): choose another: %s", what, strerror(error),
                      instead);
    return INSTANCE_INVALID;
}

int instance_check_ports(const struct settings *s, bool with_agent)
{
    char what[384], host[384], instead[384];
    int status;
    unsigned other = s->port < 65535 ? (unsigned)s->port + 1 : 8000;
    snprintf(what, sizeof(what), "PORT %u on %s", (unsigned)s->port, s->bind);
    snprintf(instead, sizeof(instead), "make run PORT=%u", other);
    snprintf(host, sizeof(host), "BIND %s", s->bind);
    status = check_port(&s->http, s->http_len, what, host, instead);
    if (status != INSTANCE_OK || !with_agent)
        return status;
    snprintf(what, sizeof(what), "AGENT_LISTEN %s", s->agent_listen);
    const char *colon = strrchr(s->agent_listen, ':');
    unsigned agent = (unsigned)strtoul(colon + 1, NULL, 10);
    snprintf(instead, sizeof(instead), "make run AGENT_LISTEN=%.*s:%u",
             (int)(colon - s->agent_listen), s->agent_listen, agent < 65535 ? agent + 1 : 9464);
    return check_port(&s->agent, s->agent_len, what, what, instead);
}
