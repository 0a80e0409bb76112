/*
 * Where the connections of a FastCGI server come from: fcgiwrap's forms of a socket, systemd's
 * sockets, or descriptor 0 (FastCGI 1.0 specification, section 2.2).
 */
#ifndef GATEWAYS_CGI_LISTEN_H
#define GATEWAYS_CGI_LISTEN_H

#include <signal.h>

enum { CGI_LISTEN_FD = 0 };

/*
 * Makes descriptor 0 the listening socket: the one of `url` (unix:/path, tcp:a.b.c.d:port,
 * tcp6:[address]:port), or that of systemd (LISTEN_FDS), or what it is already. A Unix socket that
 * nobody listens on any more is replaced. Returns 0, or -1 after a line on stderr.
 */
int cgi_listen(const char *url);

/* Whether cgi_listen can read `url` (or NULL). Returns 0, or -1 after a line on stderr. */
int cgi_listen_check(const char *url);

/* Whether descriptor 0 is one. */
int cgi_listen_is_ready(void);

/* Listens no more, and takes a Unix socket away that cgi_listen made. */
void cgi_listen_end(const char *url);

/* Makes SIGTERM, SIGINT and SIGUSR1 end cgi_listen_accept. Returns 0 or -1. */
int cgi_listen_stop_on_signals(void);

/* Set by them. */
extern volatile sig_atomic_t cgi_listen_stopping;

/*
 * Waits for a connection, and returns it, not blocking; or -1 with errno: 0 if the process is to
 * end, EAGAIN if none came for two seconds, or what is wrong with the socket.
 */
int cgi_listen_accept(void);

#endif
