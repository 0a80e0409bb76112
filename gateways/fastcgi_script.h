/*
 * What a script is called in labels and span names, by what the web server says of it.
 */
#ifndef GATEWAYS_FASTCGI_SCRIPT_H
#define GATEWAYS_FASTCGI_SCRIPT_H

/*
 * The URL path of the script in `file` (SCRIPT_FILENAME): `name` (SCRIPT_NAME) where that ends with
 * the file's own name, else the file's name alone, with its slash. A web server that sends many
 * paths to one file may give each of them as SCRIPT_NAME, and they are the client's choice. Returns
 * a part of one of the two; NULL if `file` has no slash. `name` may be NULL.
 */
const char *fastcgi_script_path(const char *file, const char *name);

#endif
