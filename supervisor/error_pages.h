/*
 * What lighttpd answers a failed request with when no analyze process puts it into words: JSON, in
 * one file a status.
 */
#ifndef SUPERVISOR_ERROR_PAGES_H
#define SUPERVISOR_ERROR_PAGES_H

/* Writes the files into the folder `dir`, which exists. Returns 0, or -1 after a line on stderr. */
int error_pages_write(const char *dir);

#endif
