/*
 * Secrets in the query of a URL (OpenTelemetry HTTP semantic conventions, url.query and url.full):
 * the values of X-Amz-Signature, X-Amz-Credential, X-Amz-Security-Token, AWSAccessKeyId, Signature,
 * sig and X-Goog-Signature become REDACTED, and so do those of the names that a user adds. Names
 * are compared in their case, percent-decoded. Pure.
 */
#ifndef LIB_TRACE_REDACT_H
#define LIB_TRACE_REDACT_H

#include "lib/base/text.h"

enum {
    REDACT_QUERY_MAX = 8192, /* bytes of a query with a secret that are kept */
};

/*
 * The query without its secrets: `query` itself where it has none, else a copy in `out`, cut at
 * REDACT_QUERY_MAX. `more` are further names, separated by commas, or NULL.
 */
struct text redact_query(char out[REDACT_QUERY_MAX], struct text query, const char *more);

#endif
