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
};

/* What is enabled; `own` is the folder that the server's package makes at each boot. */
static const struct server {
    const char *name, *own;
    const char *patterns[PATTERNS_MAX];
} servers[] = {
    {"lighttpd",
     "/run/lighttpd",
     {"/etc/lighttpd/lighttpd.conf", "/etc/lighttpd/conf-enabled/*.conf", NULL}},
    {"nginx",
     "/run/nginx",
     {"/etc/nginx/nginx.conf", "/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*", NULL}},
    {"apache2",
     "/run/apache2",
     {"/etc/apache2/apache2.conf", "/etc/apache2/conf-enabled/*.conf",
      "/etc/apache2/sites-enabled/*.conf", NULL}},
};

/* Programs that a server's configuration starts. */
static const char *const programs[] = {"analyze", "microtrace-cgi", "microtrace-proxy"};

/* One file of a server. */
struct file {
    struct doctor *doctor;
    const struct server *server;
    const char *path;
    bool starts;      /* it names a program: the server binds the sockets in it */
    char *first_with; /* the file that starts `analyze`, of this server */
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

static bool is_program(const char *path)
{
    const char *const name = strrchr(path, '/') + 1;

    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (strcmp(name, programs[i]) == 0)
            return true;
    }
    return false;
}

static void check_program(struct file *file, const char *path)
{
    if (access(path, X_OK) != 0) {
        doctor_wrong(file->doctor, disable(file).text,
                     "%s can't start what %.200s names: %.200s: %s", file->server->name, file->path,
                     path, strerror(errno));
        return;
    }
    if (strcmp(strrchr(path, '/'), "/analyze") != 0)
        return;
    if (file->first_with[0] == '\0')
        (void)snprintf(file->first_with, PATH_MAX_BYTES, "%s", file->path);
    else if (strcmp(file->first_with, file->path) != 0)
        doctor_wrong(file->doctor, disable(file).text,
                     "%s has two snippets that start analyze, %.200s and %.200s: one is enough",
                     file->server->name, file->first_with, file->path);
}

/* A socket that the server itself binds. */
static void check_bound(struct file *file, const char *path, const char *dir)
{
    const bool in_run = strncmp(dir, "/run/", 5) == 0 || strncmp(dir, "/var/run/", 9) == 0;
    struct stat status;
    const bool there = stat(dir, &status) == 0;

    if (strcmp(dir, file->server->own) == 0 ||
        (there && (!in_run || doctor_dirs_has_tmpfiles(dir))))
        return;
    doctor_wrong(
        file->doctor,
        doctor_format("sed -i 's|%s|%s%s|' %s && %s", path, file->server->own, strrchr(path, '/'),
                      doctor_quote(file->path).text, reload(file->server).text)
            .text,
        "%s does not start%s: %.200s wants a socket in %.200s, which %s", file->server->name,
        there ? " after a reboot" : "", file->path, dir, there ? "is gone then" : "does not exist");
}

/* A socket that somebody else is to listen on. */
static void check_listener(struct file *file, const char *path)
{
    char unit[PATH_MAX_BYTES];
    struct stat status;

    if (stat(path, &status) == 0 || errno != ENOENT)
        return;
    (void)snprintf(unit, sizeof(unit), "%s", strrchr(path, '/') + 1);
    doctor_wrong(
        file->doctor,
        strncmp(unit, "microtrace-", 11) == 0
            ? doctor_format(
                  "systemctl enable --now %s",
                  doctor_quote(doctor_format("%.*s.socket", (int)strcspn(unit, "."), unit).text)
                      .text)
                  .text
            : disable(file).text,
        "%s sends requests to %.200s (%.200s), and nobody listens there", file->server->name, path,
        file->path);
}

static void check_socket(struct file *file, const char *path)
{
    char dir[PATH_MAX_BYTES];

    (void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
    if (file->starts)
        check_bound(file, path, dir);
    else
        check_listener(file, path);
}

/* Calls `take` for each absolute path that stands outside comments. */
static void each_path(struct file *file, const char *text,
                      void (*take)(struct file *file, const char *path))
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "/._-@+";
    char before = '\n';

    for (; *text != '\0'; before = *text++) {
        size_t len;

        if (*text == '#' && strchr(" \t\n", before) != NULL) {
            text += strcspn(text, "\n");
            if (*text == '\0')
                return;
        }
        if (*text != '/' || strchr(letters, before) != NULL)
            continue;
        len = strspn(text, letters);
        if (len > 1 && len < PATH_MAX_BYTES) {
            char path[PATH_MAX_BYTES];

            (void)snprintf(path, sizeof(path), "%.*s", (int)len, text);
            take(file, path);
        }
        text += len - 1;
    }
}

static void take_program(struct file *file, const char *path)
{
    if (!is_program(path) || strstr(path, "/bin/") == NULL)
        return;
    file->starts = true;
    check_program(file, path);
}

static void take_socket(struct file *file, const char *path)
{
    const size_t len = strlen(path);

    if (len > 5 && strcmp(path + len - 5, ".sock") == 0)
        check_socket(file, path);
}

static void check_modules(struct file *file, const char *text)
{
    static const struct {
        const char *word, *module;
    } needs[] = {
        {"proxy:unix:", "proxy_fcgi"}, {"proxy:fcgi:", "proxy_fcgi"}, {"FcgidWrapper", "fcgid"}};

    for (size_t i = 0;
         strcmp(file->server->name, "apache2") == 0 && i < sizeof(needs) / sizeof(needs[0]); i++) {
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
    each_path(file, text, take_program);
    each_path(file, text, take_socket);
    check_modules(file, text);
}

void doctor_servers_check(struct doctor *doctor)
{
    for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
        char first_with[PATH_MAX_BYTES] = "";

        for (const char *const *pattern = servers[i].patterns; *pattern != NULL; pattern++) {
            glob_t files;

            if (glob(*pattern, 0, NULL, &files) != 0)
                continue;
            for (size_t k = 0; k < files.gl_pathc; k++)
                check_file(&(struct file){.doctor = doctor,
                                          .server = &servers[i],
                                          .path = files.gl_pathv[k],
                                          .first_with = first_with});
            globfree(&files);
        }
    }
}
