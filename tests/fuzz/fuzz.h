/*
 * What a fuzz target defines: the function that libFuzzer calls, and seeds for the driver of our
 * own. A target checks by assert what must hold for any input at all.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#undef NDEBUG /* a check that is compiled out is none */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

struct fuzz_seed {
    const char *bytes;
    size_t len;
};

/* A seed from a string literal, which may hold NUL. */
#define FUZZ_SEED(literal)                                                                         \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* Ended by an entry with NULL. */
extern const struct fuzz_seed fuzz_seeds[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
