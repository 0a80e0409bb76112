/*
 * The body of an OTLP/HTTP request in protobuf, transcoded from the same request in JSON in one
 * walk, without building anything of it; and the little that is read of the answer. The messages
 * are those of opentelemetry-proto 1.x, the wire format is that of protobuf.dev, "Encoding". Pure.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_PROTOBUF_H
#define METRICS_AGENT_EXPORT_OTLP_PROTOBUF_H

#include "lib/base/text.h"
#include "metrics-agent/export/otlp_schema.h"

#include <stddef.h>
#include <stdint.h>

enum {
    OTLP_PROTOBUF_DEPTH_MAX = 100, /* messages within the request; libraries refuse more */
    OTLP_PROTOBUF_GROWTH = 4,      /* a list of numbers: "0," becomes eight bytes */
};

/* Why a request was not encoded. */
struct otlp_fault {
    const char *member; /* the innermost member of the mapping that it is in; "" for none */
    const char *what;   /* in words, for a message */
};

/*
 * Writes the `request` (a message of otlp_schema.h) that `json` is, in the JSON mapping of the OTLP
 * specification ("JSON Protobuf Encoding"): ids in hex, members that are not known left out. What
 * ProtoJSON has readers take is taken too: names in snake_case, enums by name, numbers as strings,
 * whole ones with a fraction of zeros or an exponent, base64 of both alphabets, padded or not, and
 * null for a member that is not there. Half a surrogate pair becomes U+FFFD. Nothing else is
 * guessed at: a member twice, two fields of a oneof, null in a list or a number that its field
 * can't hold are faults.
 *
 * The encoding is at most OTLP_PROTOBUF_GROWTH times as long as `json`. Returns 0 with the length,
 * which may be 0, in *out_len; or -1 with *fault if `json` is not such a request or does not fit
 * into `cap` bytes.
 */
int otlp_protobuf_encode(unsigned char *out, size_t cap, size_t *out_len,
                         const struct otlp_message *request, struct text json,
                         struct otlp_fault *fault);

/*
 * The number of records that an Export(Trace|Logs|Metrics)ServiceResponse of `len` bytes says were
 * rejected; 0 if it says nothing or is not one.
 */
uint64_t otlp_protobuf_rejected(const void *answer, size_t len);

#endif
