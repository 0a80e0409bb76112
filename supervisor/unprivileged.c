#include "supervisor/unprivileged.h"

#include "lib/base/instance_file.h"
#include "lib/base/message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    PARENT_MODE = 0755,
    GROUPS_MAX = 256,
    NAME_ROOM = 64,
    PRIVILEGED_PORTS = 1024,
};

struct user {
    char name[NAME_ROOM];
    uid_t uid;
    gid_t gid;
};

/* The directories of an instance. */
enum { ROOT, RUN, UPLOAD, SPOOL, DIRECTORIES };

static const struct {
    const char *name; /* NULL: STATE_DIR itself */
    int parent;
} places[DIRECTORIES] = {
    [ROOT] = {NULL, ROOT},
    [RUN] = {"run", ROOT},
    [UPLOAD] = {"upload", RUN},
    [SPOOL] = {"spool", ROOT},
};

/* One of them, and what was done to it. */
struct directory {
    char path[PATH_MAX + 16];
    int parent_fd;
    const char *name; /* below the parent */
    int fd;
    bool made;
    bool handed;
    gid_t group; /* before */
};

static int fail(char reason[UNPRIVILEGED_REASON_MAX], const struct user *user, const char *path,
                int error)
{
    (void)snprintf(reason, UNPRIVILEGED_REASON_MAX, "user %s can't use %.300s: %s", user->name,
                   path, strerror(error));
    return -1;
}

static int find_user(const char *name, struct user *user)
{
    const struct passwd *const found = getpwnam(name);

    if (found == NULL || strlen(found->pw_name) >= NAME_ROOM)
        return -1;
    (void)snprintf(user->name, NAME_ROOM, "%s", found->pw_name);
    user->uid = found->pw_uid;
    user->gid = found->pw_gid;
    return 0;
}

/* Whether the process that is that user for a moment may use the paths. */
static int check_paths(const struct user *user, const char *const paths[], const int access[],
                       char reason[UNPRIVILEGED_REASON_MAX])
{
    gid_t groups[GROUPS_MAX];
    const int group_count = getgroups(GROUPS_MAX, groups);
    int result = 0;

    if (group_count < 0 || initgroups(user->name, user->gid) != 0 || setegid(user->gid) != 0 ||
        seteuid(user->uid) != 0) {
        (void)snprintf(reason, UNPRIVILEGED_REASON_MAX, "it can't become user %s: %s", user->name,
                       strerror(errno));
        result = -1;
    }
    for (size_t i = 0; result == 0 && paths[i] != NULL; i++) {
        if (faccessat(AT_FDCWD, paths[i], access[i], AT_EACCESS) != 0 && errno != ENOENT)
            result = fail(reason, user, paths[i], errno);
    }
    if (seteuid(0) != 0 || setegid(0) != 0 ||
        (group_count >= 0 && setgroups((size_t)group_count, groups) != 0))
        abort(); /* neither one user nor the other: nothing may go on like that */
    return result;
}

/* What the agent reads for its exports: a certificate, a key, headers. */
static bool is_export_file(const char *variable)
{
    static const char prefix[] = "OTEL_EXPORTER_OTLP_";
    static const char *const ends[] = {"HEADERS_FILE=", "CERTIFICATE=", "CLIENT_KEY="};
    const char *const value = strchr(variable, '=');

    if (value == NULL || value[1] == '\0' || strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
        return false;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const size_t len = strlen(ends[i]);

        if ((size_t)(value + 1 - variable) > len && memcmp(value + 1 - len, ends[i], len) == 0)
            return true;
    }
    return false;
}

static int check_needs(const struct user *user, const char *const needs[],
                       char reason[UNPRIVILEGED_REASON_MAX])
{
    enum { MOST = 32 };
    const char *paths[MOST + 1];
    int access[MOST];
    struct stat status;
    size_t count = 0;

    for (; needs[count] != NULL && count < MOST; count++) {
        paths[count] = needs[count];
        access[count] =
            stat(needs[count], &status) == 0 && (status.st_mode & 0111) != 0 ? R_OK | X_OK : R_OK;
    }
    for (char *const *at = environ; *at != NULL && count < MOST; at++) {
        if (is_export_file(*at)) {
            paths[count] = strchr(*at, '=') + 1;
            access[count++] = R_OK;
        }
    }
    paths[count] = NULL;
    return check_paths(user, paths, access, reason);
}

/* Makes what is missing above `path`, for everybody to pass. */
static int make_parents(const char *path)
{
    char parent[PATH_MAX + 8];

    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        if (mkdir(parent, PARENT_MODE) == 0) {
            if (chmod(parent, PARENT_MODE) != 0) /* the umask */
                return -1;
        } else if (errno != EEXIST) {
            return -1;
        }
    }
    return 0;
}

/* The directory's entries, from the first on; NULL where they can't be had. */
static DIR *open_entries(int dir_fd)
{
    const int copy = instance_dir_open(dir_fd, ".");
    DIR *const entries = copy >= 0 ? fdopendir(copy) : NULL;

    if (entries == NULL && copy >= 0)
        (void)close(copy);
    return entries;
}

/* Whether STATE_DIR is for an instance alone. */
static bool holds_nothing_else(int dir_fd)
{
    DIR *const entries = open_entries(dir_fd);
    const struct dirent *entry;
    bool nothing = true;

    if (entries == NULL)
        return false;
    while (nothing && (entry = readdir(entries)) != NULL)
        nothing = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                  strcmp(entry->d_name, places[RUN].name) == 0 ||
                  strcmp(entry->d_name, places[SPOOL].name) == 0;
    (void)closedir(entries);
    return nothing;
}

/*
 * Makes the directory, or takes what is there if it is one that we made as root. Where somebody
 * else may exchange what is in it, root does nothing. Returns 0, or -1 and errno.
 */
static int hand_over(struct directory *dir, const struct user *user)
{
    const int follow = dir->parent_fd == AT_FDCWD ? 0 : O_NOFOLLOW;
    struct stat status;

    dir->fd = -1;
    dir->made = mkdirat(dir->parent_fd, dir->name, 0700) == 0;
    if (!dir->made && errno != EEXIST)
        return -1;
    dir->fd = openat(dir->parent_fd, dir->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | follow);
    if (dir->fd < 0 || fstat(dir->fd, &status) != 0)
        return -1;
    errno = EPERM;
    if ((status.st_uid != 0 && status.st_uid != user->uid) ||
        (status.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH)
        return -1;
    dir->group = status.st_gid;
    if (status.st_uid != 0 || (!dir->made && ((status.st_mode & 07777) != INSTANCE_DIR_MODE ||
                                              (follow == 0 && !holds_nothing_else(dir->fd)))))
        return 0;
    dir->handed = true;
    return fchown(dir->fd, user->uid, user->gid) == 0 && fchmod(dir->fd, INSTANCE_DIR_MODE) == 0
               ? 0
               : -1;
}

static void take_back(struct directory directories[DIRECTORIES])
{
    for (int i = DIRECTORIES; i-- > 0;) {
        struct directory *const dir = &directories[i];

        if (dir->handed && (fchown(dir->fd, 0, dir->group) != 0 ||
                            fchmod(dir->fd, dir->made ? 0700 : INSTANCE_DIR_MODE) != 0))
            message_print("%s: %s", dir->path, strerror(errno));
        if (dir->made)
            (void)unlinkat(dir->parent_fd, dir->name, AT_REMOVEDIR);
    }
}

/* Root's files in a directory that was root's. */
static void hand_over_files(const struct directory *dir, const struct user *user)
{
    DIR *const entries = open_entries(dir->fd);
    const struct dirent *entry;
    struct stat status;

    if (entries == NULL)
        return;
    while ((entry = readdir(entries)) != NULL) {
        int fd;

        if (fstatat(dir->fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(status.st_mode))
            continue;
        fd = openat(dir->fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        /* A second name may be a place where root wants to keep it. */
        if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == 0 &&
            status.st_nlink == 1 && fchown(fd, user->uid, user->gid) != 0)
            message_print("%s/%s: %s", dir->path, entry->d_name, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
    }
    (void)closedir(entries);
}

/* What hand_over_all returns where an instance runs; others will tell. */
enum { BUSY = 1 };

/* Whether an instance runs there: its directories stay as they are. */
static bool is_running(const struct directory *run)
{
    const int fd = openat(run->fd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool running = false;

    if (fd < 0)
        return false;
    running = flock(fd, LOCK_SH | LOCK_NB) != 0;
    (void)close(fd);
    return running;
}

static int hand_over_all(const struct settings *s, const struct user *user,
                         char reason[UNPRIVILEGED_REASON_MAX])
{
    static struct directory directories[DIRECTORIES];
    const char *paths[DIRECTORIES + 1] = {NULL};
    int access[DIRECTORIES], result = 0, count = 0;

    if (make_parents(s->root) != 0)
        return fail(reason, user, s->root, errno);
    for (; result == 0 && count < DIRECTORIES; count++) {
        struct directory *const dir = &directories[count], *parent;

        parent = &directories[places[count].parent];
        dir->name = count == ROOT ? s->root : places[count].name;
        dir->parent_fd = count == ROOT ? AT_FDCWD : parent->fd;
        (void)snprintf(dir->path, sizeof(dir->path), "%s%s%s", count == ROOT ? "" : parent->path,
                       count == ROOT ? "" : "/", dir->name);
        paths[count] = dir->path;
        access[count] = count == ROOT ? X_OK : R_OK | W_OK | X_OK;
        if (hand_over(dir, user) != 0)
            result = fail(reason, user, dir->path, errno);
        else if (count == RUN && dir->handed && is_running(dir))
            result = BUSY;
    }
    if (result == 0)
        result = check_paths(user, paths, access, reason);
    if (result != 0)
        take_back(directories);
    while (count-- > 0) {
        if (result == 0 && directories[count].handed && count != ROOT)
            hand_over_files(&directories[count], user);
        if (directories[count].fd >= 0)
            (void)close(directories[count].fd);
    }
    return result;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

/* Of root's rights keeps the one to listen below port 1024, for what is started too. */
static void keep_ports(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{
        .effective = 1U << CAP_NET_BIND_SERVICE,
        .permitted = 1U << CAP_NET_BIND_SERVICE,
        .inheritable = 1U << CAP_NET_BIND_SERVICE,
    }};

    if (syscall(SYS_capset, &header, data) != 0 ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0)
        message_print("the right to listen below port %d can't be kept: %s", PRIVILEGED_PORTS,
                      strerror(errno));
}

static void become(const struct settings *s, const struct user *user)
{
    const bool low = port_of(&s->http) < PRIVILEGED_PORTS || port_of(&s->agent) < PRIVILEGED_PORTS;

    if (prctl(PR_SET_KEEPCAPS, low ? 1 : 0, 0, 0, 0) != 0 ||
        initgroups(user->name, user->gid) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        abort(); /* it was tried a moment ago */
    if (low)
        keep_ports();
}

/* Tries it. Returns 0, BUSY, or -1 and the reason; if not 0, with nothing changed. */
static int try(const struct settings *s, const struct user *user, const char *const needs[],
               char reason[UNPRIVILEGED_REASON_MAX])
{
    int result = check_needs(user, needs, reason);

    if (result == 0)
        result = hand_over_all(s, user, reason);
    if (result == 0)
        become(s, user);
    return result;
}

/* Where that user prepares the names, root has no business. */
static bool is_users(const char *path, const struct user *user)
{
    struct stat status;

    return lstat(path, &status) == 0 && status.st_uid == user->uid;
}

enum unprivileged_result unprivileged_become(const struct settings *s, const char *const needs[],
                                             char reason[UNPRIVILEGED_REASON_MAX])
{
    struct user user;
    int result;

    if (s->run_as != NULL && find_user(s->run_as, &user) != 0) {
        message_print("RUN_AS: there is no user '%.60s'", s->run_as);
        return UNPRIVILEGED_FAILED;
    }
    if (s->run_as != NULL && geteuid() != 0 && user.uid != geteuid()) {
        message_print("RUN_AS: only root can run it as another user, such as %s", user.name);
        return UNPRIVILEGED_FAILED;
    }
    if (geteuid() != 0 || (s->run_as != NULL && user.uid == 0))
        return UNPRIVILEGED_DONE;
    if (s->run_as == NULL && find_user("microtrace", &user) != 0 &&
        find_user("www-data", &user) != 0) {
        (void)snprintf(reason, UNPRIVILEGED_REASON_MAX, "there is no user microtrace or www-data");
        return UNPRIVILEGED_KEPT;
    }
    result = try(s, &user, needs, reason);
    if (result == 0)
        return UNPRIVILEGED_DONE;
    if (result != BUSY && s->run_as != NULL) {
        message_print("RUN_AS: %s", reason);
        return UNPRIVILEGED_FAILED;
    }
    if (result != BUSY && (is_users(s->root, &user) || is_users(s->run, &user))) {
        message_print("%s, and STATE_DIR is that user's: mend that, or take it back: "
                      "chown -R root '%s'",
                      reason, s->root);
        return UNPRIVILEGED_FAILED;
    }
    return UNPRIVILEGED_KEPT;
}
