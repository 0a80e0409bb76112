/*
 * Every way in which microtrace-cgi itself fails a request, declared once: the label `exception` of
 * errors_total, the answer's status, and what the answer, the log line and the server's log say.
 */
#ifndef GATEWAYS_CGI_ERROR_H
#define GATEWAYS_CGI_ERROR_H

enum cgi_error_kind {
    CGI_ERROR_NONE,
    CGI_ERROR_NOT_FOUND,
    CGI_ERROR_FORBIDDEN,
    CGI_ERROR_TOO_LARGE,
    CGI_ERROR_SPAWN,
    CGI_ERROR_EXEC,
    CGI_ERROR_TIMEOUT,
    CGI_ERROR_NO_OUTPUT,
    CGI_ERROR_BAD_HEADER,
    CGI_ERROR_HEADER_TOO_LARGE,
    CGI_ERROR_OUTPUT_TOO_LARGE, /* its status is the one that was sent */
    CGI_ERROR_KILLED,
    CGI_ERROR_CLIENT_GONE, /* never answered */
    CGI_ERRORS,
};

struct cgi_error {
    const char *name;
    int status;
    const char *reason; /* of the status (RFC 9110 section 15) */
    const char *text;   /* for people; NULL where it is no failure of anybody's */
};

extern const struct cgi_error cgi_errors[CGI_ERRORS];

#endif
