#include "cli/doctor.h"
#include "cli/doctor_checks.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_MAX = 1 << 18, /* bytes of one file of configuration */
    PATH_MAX_BYTES = 512,
    PATTERNS_MAX = 4,
    PROGRAMS = 3,
};

/* What is enabled; `own` is the folder that the server's package makes at each boot. */
static const struct server {
    const char *name, *own;
    const char *patterns[PATTERNS_MAX];
    const char *includes, *included; /* the word that enables further files, or NULL; and these */
} servers[] = {
    {"lighttpd",
     "/run/lighttpd",
     {"/etc/lighttpd/lighttpd.conf", "/etc/lighttpd/conf-enabled/*.conf", NULL},
     NULL,
     NULL},
    {"nginx",
     "/run/nginx",
     {"/etc/nginx/nginx.conf", "/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*", NULL},
     "snippets/microtrace-",
     "/etc/nginx/snippets/microtrace-*.conf"},
    {"apache2",
     "/run/apache2",
     {"/etc/apache2/apache2.conf", "/etc/apache2/conf-enabled/*.conf",
      "/etc/apache2/sites-enabled/*.conf", NULL},
     NULL,
     NULL},
};

/* Programs that a server's configuration starts, and whether one snippet is enough for all. */
static const struct {
    const char *name;
    bool once;
} programs[PROGRAMS] = {{"analyze", true}, {"microtrace-cgi", true}, {"microtrace-proxy", false}};

/* One file of a server. */
struct file {
    struct doctor *doctor;
    const struct server *server;
    const char *path;
    bool includes;                 /* further ones */
    char (*first)[PATH_MAX_BYTES]; /* by program, the file of this server that starts it */
};

static struct doctor_text reload(const struct server *server)
{
    return access("/run/systemd/system", F_OK) == 0
               ? doctor_format("systemctl restart %s", server->name)
               : doctor_format("service %s restart", server->name);
}

static struct doctor_text disable(const struct file *file)
{
    return doctor_format("rm %s && %s", doctor_quote(file->path).text, reload(file->server).text);
}

/* Returns PROGRAMS for none of ours. */
static int program_of(const char *path)
{
    int i = 0;

    while (i < PROGRAMS && strcmp(strrchr(path, '/') + 1, programs[i].name) != 0)
        i++;
    return strstr(path, "/bin/") != NULL ? i : PROGRAMS;
}

static void check_program(struct file *file, const char *path, int which)
{
    char *const first = file->first[which];

    if (access(path, X_OK) != 0) {
        doctor_wrong(file->doctor, disable(file).text,
                     "%s can't start what %.200s names: %.200s: %s", file->server->name, file->path,
                     path, strerror(errno));
        return;
    }
    if (first[0] == '\0')
        (void)snprintf(first, PATH_MAX_BYTES, "%s", file->path);
    else if (programs[which].once && strcmp(first, file->path) != 0)
        doctor_wrong(file->doctor, disable(file).text,
                     "%s has two snippets that start %s, %.200s and %.200s: one is enough",
                     file->server->name, programs[which].name, first, file->path);
}

/* A socket that the server itself binds. */
static void check_bound(struct file *file, const char *path)
{
    const char *const name = strrchr(path, '/');
    const struct doctor_text dir = doctor_format("%.*s", (int)(name - path), path);
    const bool in_run = strncmp(path, "/run/", 5) == 0 || strncmp(path, "/var/run/", 9) == 0;
    struct stat status;
    const bool there = stat(dir.text, &status) == 0;

    if (strcmp(dir.text, file->server->own) == 0 ||
        (there && (!in_run || doctor_dirs_has_tmpfiles(dir.text))))
        return;
    doctor_wrong(file->doctor,
                 doctor_format("sed -i 's|%s|%s%s|' %s && %s", path, file->server->own, name,
                               doctor_quote(file->path).text, reload(file->server).text)
                     .text,
                 "%s does not start%s: %.200s wants a socket in %.200s, which %s",
                 file->server->name, there ? " after a reboot" : "", file->path, dir.text,
                 there ? "is gone then" : "does not exist");
}

/* systemd's unit of a socket of ours: microtrace-proxy-NAME.sock is one of a template's. */
static struct doctor_text unit_of(const char *path)
{
    static const char proxy[] = "microtrace-proxy-";
    const char *const name = strrchr(path, '/') + 1;
    const size_t len = strcspn(name, "."), start = sizeof(proxy) - 1;

    if (strncmp(name, proxy, start) == 0)
        return doctor_format("microtrace-proxy@%.*s.socket", (int)(len - start), name + start);
    return doctor_format("%.*s.socket", (int)len, name);
}

/* A socket that somebody else is to listen on. Whoever uses analyze alone needs no other one. */
static void check_listener(struct file *file, const char *path)
{
    struct doctor_text mend;
    struct stat status;

    if (strncmp(strrchr(path, '/'), "/microtrace-", 12) != 0 || stat(path, &status) == 0 ||
        errno != ENOENT)
        return;
    mend = doctor_format("systemctl enable --now %s", doctor_quote(unit_of(path).text).text);
    if (strstr(path, "analyze") != NULL)
        doctor_wrong(file->doctor, mend.text,
                     "%s sends requests to %.200s (%.200s), and nobody listens there",
                     file->server->name, path, file->path);
    else
        doctor_note(file->doctor,
                    "%s would send requests to %.200s (%.200s), and nobody listens there: %.300s",
                    file->server->name, path, file->path, mend.text);
}

/* Whether the word stands before `at`, in its line. */
static bool is_behind(const char *word, const char *at, const char *text)
{
    const char *start = at, *found;

    while (start > text && start[-1] != '\n')
        start--;
    found = strstr(start, word);
    return found != NULL && found < at;
}

/* A path that stands at `at` in the text. */
static void take(struct file *file, const char *path, const char *at, const char *text)
{
    static const char unix_prefix[] = "unix:";
    const size_t prefix = sizeof(unix_prefix) - 1;
    const int which = program_of(path);

    if (which < PROGRAMS)
        check_program(file, path, which);
    else if (is_behind("\"socket\"", at, text))
        check_bound(file, path);
    else if ((size_t)(at - text) >= prefix && strncmp(at - prefix, unix_prefix, prefix) == 0)
        check_listener(file, path);
}

/* Takes each absolute path that stands outside comments. */
static void take_paths(struct file *file, const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "/._-@+";
    const char *at = text;
    char before = '\n';

    for (; *at != '\0'; before = *at++) {
        char path[PATH_MAX_BYTES];
        size_t len;

        if (*at == '#' && strchr(" \t\n", before) != NULL) {
            at += strcspn(at, "\n");
            if (*at == '\0')
                return;
        }
        if (*at != '/' || strchr(letters, before) != NULL)
            continue;
        len = strspn(at, letters);
        if (len > 1 && len < PATH_MAX_BYTES) {
            (void)snprintf(path, sizeof(path), "%.*s", (int)len, at);
            take(file, path, at, text);
        }
        at += len - 1;
    }
}

static void check_modules(struct file *file, const char *text)
{
    static const struct {
        const char *word, *module;
    } needs[] = {{"|fcgi://", "proxy_fcgi"}, {"FcgidWrapper", "fcgid"}};
    const bool apache = strcmp(file->server->name, "apache2") == 0;

    for (size_t i = 0; apache && i < sizeof(needs) / sizeof(needs[0]); i++) {
        const struct doctor_text module =
            doctor_format("/etc/apache2/mods-enabled/%s.load", needs[i].module);

        if (strstr(text, needs[i].word) != NULL && access(module.text, F_OK) != 0)
            doctor_wrong(
                file->doctor,
                doctor_format("a2enmod %s && %s", needs[i].module, reload(file->server).text).text,
                "%.300s needs Apache's module %s, which is not enabled", file->path,
                needs[i].module);
    }
}

/* Of another instance's configuration nothing is said. */
static bool is_ours(const struct doctor *doctor, const char *text)
{
    return strstr(text, doctor->standard ? "microtrace" : doctor->run_dir) != NULL;
}

static void check_file(struct file *file)
{
    static char text[FILE_MAX];
    struct stat status;
    size_t len;
    FILE *in;

    if (stat(file->path, &status) != 0 && errno == ENOENT) {
        if (strstr(file->path, "microtrace") != NULL)
            doctor_wrong(file->doctor, disable(file).text,
                         "%s does not start: %.300s leads to a file that is gone",
                         file->server->name, file->path);
        return;
    }
    in = fopen(file->path, "re");
    if (in == NULL) {
        if (errno == EACCES)
            doctor_note(file->doctor, "this user can't read %.300s", file->path);
        return;
    }
    len = fread(text, 1, sizeof(text) - 1, in);
    text[len] = '\0';
    (void)fclose(in);
    if (!is_ours(file->doctor, text))
        return;
    take_paths(file, text);
    check_modules(file, text);
    file->includes = file->server->includes != NULL && strstr(text, file->server->includes) != NULL;
}

/* Returns whether one of them includes further ones. */
static bool check_files(const struct file *of, const char *pattern)
{
    bool includes = false;
    glob_t files;

    if (glob(pattern, 0, NULL, &files) != 0)
        return false;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct file file = *of;

        file.path = files.gl_pathv[i];
        check_file(&file);
        includes = includes || file.includes;
    }
    globfree(&files);
    return includes;
}

void doctor_servers_check(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        char first[PROGRAMS][PATH_MAX_BYTES] = {""};
        const struct file file = {.doctor = doctor, .server = &servers[i], .first = first};
        bool includes = false;

        for (const char *const *pattern = servers[i].patterns; *pattern != NULL; pattern++)
            includes = check_files(&file, *pattern) || includes;
        if (includes)
            (void)check_files(&file, servers[i].included);
    }
}
