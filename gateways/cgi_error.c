#include "gateways/cgi_error.h"

#include <stddef.h>

const struct cgi_error cgi_errors[CGI_ERRORS] = {
    [CGI_ERROR_NONE] = {NULL, 200, "OK", NULL},
    [CGI_ERROR_NOT_FOUND] = {"not_found", 404, "Not Found", NULL},
    [CGI_ERROR_FORBIDDEN] = {"forbidden", 403, "Forbidden",
                             "the script is no file that may be executed, or not allowed by "
                             "--allow, or no absolute path is given"},
    [CGI_ERROR_TOO_LARGE] = {"request_too_large", 431, "Request Header Fields Too Large",
                             "the request has more variables than a process can be given"},
    [CGI_ERROR_SPAWN] = {"spawn_failed", 503, "Service Unavailable",
                         "there is no room for the script's process"},
    [CGI_ERROR_EXEC] = {"exec_failed", 502, "Bad Gateway",
                        "the script can't be started: is its first line right?"},
    [CGI_ERROR_TIMEOUT] = {"gateway_timeout", 504, "Gateway Timeout",
                           "the script was silent for MICROTRACE_CGI_TIMEOUT, and was ended"},
    [CGI_ERROR_NO_OUTPUT] = {"no_output", 502, "Bad Gateway", "the script ended without an answer"},
    [CGI_ERROR_BAD_HEADER] = {"bad_header", 502, "Bad Gateway",
                              "the script's answer does not begin with a CGI header"},
    [CGI_ERROR_HEADER_TOO_LARGE] = {"header_too_large", 502, "Bad Gateway",
                                    "the header of the script's answer has more than 64 KiB"},
    [CGI_ERROR_OUTPUT_TOO_LARGE] = {"output_too_large", 502, "Bad Gateway",
                                    "the script's answer passed MICROTRACE_CGI_OUTPUT_MAX, and "
                                    "was cut"},
    [CGI_ERROR_KILLED] = {"killed", 502, "Bad Gateway", "the script was ended by a signal"},
    [CGI_ERROR_CLIENT_GONE] = {"client_gone", 0, "", NULL},
};
