/*
 * The body of an OTLP/HTTP request in protobuf, transcoded from the same request in JSON in one
 * walk, without building anything of it; and the little that is read of the answer. The messages
 * are those of opentelemetry-proto 1.x, the wire format is that of protobuf.dev, "Encoding". Pure.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_PROTOBUF_H
#define METRICS_AGENT_EXPORT_OTLP_PROTOBUF_H

#include "lib/telemetry.h"

#include <stddef.h>
#include <stdint.h>

enum {
    OTLP_PROTOBUF_DEPTH_MAX = 100, /* messages in messages; protobuf libraries refuse more */
};

/*
 * Writes the Export(Trace|Logs)ServiceRequest that the `len` bytes at `json` are, in the JSON
 * mapping of the OTLP specification ("JSON Protobuf Encoding"): ids in hex, enums as integers,
 * members that are not known left out. The encoding is never longer than the JSON. Returns 0 with
 * the length, which may be 0, in *out_len; or -1 if `json` is not such a request or does not fit
 * into `cap` bytes.
 */
int otlp_protobuf_encode(unsigned char *out, size_t cap, size_t *out_len, enum spool_signal signal,
                         const char *json, size_t len);

/*
 * The number of records that an Export(Trace|Logs)ServiceResponse of `len` bytes says were
 * rejected; 0 if it says nothing or is not one.
 */
uint64_t otlp_protobuf_rejected(const void *answer, size_t len);

#endif
