/*
 * What the person who reads that a request has failed may do about it: "; look at ...", static, to
 * be appended; "" for nothing known.
 */
#ifndef METRICS_AGENT_EXPORT_TRANSFER_REMEDY_H
#define METRICS_AGENT_EXPORT_TRANSFER_REMEDY_H

#include "metrics-agent/agent_settings.h"

#include <curl/curl.h>
#include <stddef.h>

/* Of an answer of `len` bytes with this status, which is no success. */
const char *transfer_remedy_of_answer(const struct agent_export *export, const char *answer,
                                      size_t len, long status);

/* Of a request without an answer. */
const char *transfer_remedy_of_error(const struct agent_export *export, CURLcode result);

#endif
