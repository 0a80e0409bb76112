/*
 * Numbers of the JSON mapping (protobuf.dev, "ProtoJSON Format"), read exactly: a whole number may
 * have a fraction of zeros and an exponent. Pure.
 */
#ifndef METRICS_AGENT_EXPORT_OTLP_NUMBER_H
#define METRICS_AGENT_EXPORT_OTLP_NUMBER_H

#include "lib/base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct otlp_number {
    bool negative;
    uint64_t magnitude;
};

/*
 * Reads a whole number in any form: 1000, 1000.0, 1e3, 10000e-1. `text` may be a string's content;
 * that may also begin with zeros. Returns NULL, or in words why it is not such a number of at most
 * 64 bits.
 */
const char *otlp_number_whole(struct text text, struct otlp_number *number);

/*
 * Reads a double: a number, or NaN, Infinity or -Infinity, which only a string can be. The byte
 * after `text` is readable and not part of a number. Returns NULL, or in words why it is not a
 * double.
 */
const char *otlp_number_double(struct text text, double *number);

#endif
