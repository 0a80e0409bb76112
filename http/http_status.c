#include "http/http_status.h"

#include <assert.h>
#include <stddef.h>

const struct http_status http_status_table[HTTP_STATUS_COUNT] = {
    {200, "200", "OK"},
    {400, "400", "Bad Request"},
    {401, "401", "Unauthorized"},
    {403, "403", "Forbidden"},
    {404, "404", "Not Found"},
    {405, "405", "Method Not Allowed"},
    {408, "408", "Request Timeout"},
    {411, "411", "Length Required"},
    {412, "412", "Precondition Failed"},
    {413, "413", "Content Too Large"},
    {414, "414", "URI Too Long"},
    {415, "415", "Unsupported Media Type"},
    {416, "416", "Range Not Satisfiable"},
    {417, "417", "Expectation Failed"},
    {422, "422", "Unprocessable Content"},
    {429, "429", "Too Many Requests"},
    {431, "431", "Request Header Fields Too Large"},
    {500, "500", "Internal Server Error"},
    {501, "501", "Not Implemented"},
    {502, "502", "Bad Gateway"},
    {503, "503", "Service Unavailable"},
    {504, "504", "Gateway Timeout"},
    {505, "505", "HTTP Version Not Supported"},
};

const struct http_status *http_status_find(int code)
{
    const struct http_status *fallback = NULL;

    for (size_t i = 0; i < HTTP_STATUS_COUNT; i++) {
        if (http_status_table[i].code == code)
            return &http_status_table[i];
        if (http_status_table[i].code == 500)
            fallback = &http_status_table[i];
    }
    assert(fallback != NULL);
    return fallback;
}
