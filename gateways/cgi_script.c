#include "gateways/cgi_script.h"

#include "gateways/fastcgi_script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *cgi_script_variable(const char *const *variables, const char *name)
{
    const size_t length = strlen(name);

    for (; *variables != NULL; variables++) {
        if (strncmp(*variables, name, length) == 0 && (*variables)[length] == '=')
            return *variables + length + 1;
    }
    return NULL;
}

static enum cgi_script_result look_at(const char *path)
{
    struct stat status, self;

    if (stat(path, &status) != 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG ? CGI_SCRIPT_MISSING
                                                                            : CGI_SCRIPT_FORBIDDEN;
    /* Ourselves: a wrapper that is called as a script would never come to an end. */
    if (stat("/proc/self/exe", &self) == 0 && self.st_dev == status.st_dev &&
        self.st_ino == status.st_ino)
        return CGI_SCRIPT_FORBIDDEN;
    if (!S_ISREG(status.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0)
        return CGI_SCRIPT_FORBIDDEN;
    return CGI_SCRIPT_FOUND;
}

/* Looks at ever shorter fronts, from slash to slash, until there is something. */
static enum cgi_script_result split(struct cgi_script *script, const char *root, const char *name)
{
    const size_t root_length = strlen(root);
    char whole[PATH_MAX];
    enum cgi_script_result result;

    if (root_length + strlen(name) >= sizeof(whole) || root[0] != '/')
        return CGI_SCRIPT_FORBIDDEN;
    (void)stpcpy(stpcpy(whole, root), name);
    (void)strcpy(script->path, whole);
    while ((result = look_at(script->path)) == CGI_SCRIPT_MISSING) {
        char *const slash = strrchr(script->path, '/');

        if (slash == NULL || slash < script->path + root_length)
            break;
        *slash = '\0';
    }
    if (result != CGI_SCRIPT_FOUND) {
        /* A folder on the way to a file that is not there is not what was asked for. */
        const bool is_front = strlen(script->path) < strlen(whole);

        (void)strcpy(script->path, whole);
        return is_front ? CGI_SCRIPT_MISSING : result;
    }
    (void)strcpy(script->path_info, whole + strlen(script->path));
    (void)strcpy(script->url_path, script->path + root_length);
    script->was_split = script->path_info[0] != '\0';
    return result;
}

static void set_url_path(struct cgi_script *script, const char *name)
{
    const char *const fits = name != NULL && strlen(name) < PATH_MAX ? name : NULL;
    const char *const path = fastcgi_script_path(script->path, fits);

    if (path != NULL)
        (void)strcpy(script->url_path, path);
}

enum cgi_script_result cgi_script_find(struct cgi_script *script, const char *const *variables,
                                       const char *path, const struct cgi_allowed *allowed)
{
    const char *const root = cgi_script_variable(variables, "DOCUMENT_ROOT");
    const char *const name = cgi_script_variable(variables, "SCRIPT_NAME");
    enum cgi_script_result result;

    script->path[0] = script->url_path[0] = script->path_info[0] = '\0';
    script->was_split = false;
    if (path == NULL)
        path = cgi_script_variable(variables, "SCRIPT_FILENAME");
    if (path != NULL) {
        if (path[0] != '/' || strlen(path) >= sizeof(script->path))
            return CGI_SCRIPT_FORBIDDEN;
        (void)strcpy(script->path, path);
        result = look_at(path);
        set_url_path(script, name);
    } else if (root != NULL && name != NULL) {
        result = split(script, root, name);
    } else {
        return CGI_SCRIPT_FORBIDDEN;
    }
    for (size_t i = 0; i < allowed->count && result == CGI_SCRIPT_FOUND; i++) {
        if (strcmp(allowed->paths[i], script->path) == 0)
            return result;
    }
    return allowed->count == 0 || result != CGI_SCRIPT_FOUND ? result : CGI_SCRIPT_FORBIDDEN;
}
