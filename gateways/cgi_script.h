/*
 * Which script a request is for, found as fcgiwrap finds it: SCRIPT_FILENAME, or the longest front
 * of DOCUMENT_ROOT and SCRIPT_NAME that is a file; the rest is PATH_INFO.
 */
#ifndef GATEWAYS_CGI_SCRIPT_H
#define GATEWAYS_CGI_SCRIPT_H

#include "gateways/cgi_settings.h"

#include <limits.h>
#include <stdbool.h>

enum cgi_script_result {
    CGI_SCRIPT_FOUND,
    CGI_SCRIPT_MISSING,   /* there is no such file */
    CGI_SCRIPT_FORBIDDEN, /* it is no file, not executable, or not allowed; or none is named */
};

struct cgi_script {
    char path[PATH_MAX]; /* absolute; "" where none is named */
    /*
     * Its URL path, for the label `path`: SCRIPT_NAME where that ends with the file's name, else a
     * slash and the file's name, so that no client can make any number of them.
     */
    char url_path[PATH_MAX];
    bool was_split;           /* the variables are to be replaced by these two */
    char path_info[PATH_MAX]; /* "": to be taken away */
};

/*
 * Finds it by the variables of the request, a NULL-terminated list of NAME=value; `path`, if not
 * NULL, takes the place of SCRIPT_FILENAME. What is filled in is valid whatever it returns.
 */
enum cgi_script_result cgi_script_find(struct cgi_script *script, const char *const *variables,
                                       const char *path, const struct cgi_allowed *allowed);

/* The value of a variable of such a list, or NULL. */
const char *cgi_script_variable(const char *const *variables, const char *name);

#endif
