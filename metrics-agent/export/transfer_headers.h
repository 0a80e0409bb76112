/*
 * The header fields of one signal's requests: those of OTLP/HTTP, and what the settings add.
 */
#ifndef METRICS_AGENT_EXPORT_TRANSFER_HEADERS_H
#define METRICS_AGENT_EXPORT_TRANSFER_HEADERS_H

#include "metrics-agent/agent_settings.h"
#include "metrics-agent/header_file.h"

#include <curl/curl.h>
#include <stdbool.h>

struct transfer_headers {
    struct curl_slist *list;
    struct header_file file; /* its path is NULL if none is set */
};

/* Returns 0, or -1 if memory runs out. To be closed in any case. */
int transfer_headers_open(struct transfer_headers *headers, const struct agent_export *export);

/*
 * To be called while no request is under way: follows a file of headers that has changed. Returns
 * true if `list` is another one now, which curl has to be told before the next request.
 */
bool transfer_headers_refresh(struct transfer_headers *headers, const struct agent_export *export);

void transfer_headers_close(struct transfer_headers *headers);

#endif
