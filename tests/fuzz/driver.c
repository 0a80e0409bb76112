/*
 * A main for the fuzz targets where no fuzzing engine is at hand: mutates the target's own seeds,
 * the same way in every run, and reports as one test. Usage: fuzz_NAME [ITERATIONS]. With clang the
 * targets link with libFuzzer instead (make fuzz).
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    INPUT_MAX = 4096,
    ITERATIONS = 50000,
    MUTATIONS_MAX = 8,
};

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t draw(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below == 0 ? 0 : state % below;
}

static size_t pick_seed(uint8_t *out)
{
    size_t count = 0, len;

    while (fuzz_seeds[count].bytes != NULL)
        count++;
    const struct fuzz_seed *seed = &fuzz_seeds[draw(count)];
    len = seed->len < INPUT_MAX ? seed->len : INPUT_MAX;
    memcpy(out, seed->bytes, len);
    return len;
}

/* One change of the kinds that parsers trip over. */
static size_t mutate(uint8_t *input, size_t len)
{
    static const uint8_t interesting[] = {0,   '\n', '\r', '"',  '\\', '{', '}', '[',
                                          ']', ',',  ':',  '=',  '-',  '%', ' ', '0',
                                          '9', 'e',  0x7f, 0x80, 0xc3, 0xff};
    const size_t at = draw(len + 1);
    size_t n;

    switch (draw(6)) {
    case 0: /* another bit */
        if (at < len)
            input[at] ^= (uint8_t)(1u << draw(8));
        return len;
    case 1: /* another byte */
        if (at < len)
            input[at] = interesting[draw(sizeof(interesting))];
        return len;
    case 2: /* one byte more */
        if (len == INPUT_MAX)
            return len;
        memmove(input + at + 1, input + at, len - at);
        input[at] = interesting[draw(sizeof(interesting))];
        return len + 1;
    case 3: /* cut off */
        return at;
    case 4: /* a piece removed */
        n = draw(len - at + 1);
        memmove(input + at, input + at + n, len - at - n);
        return len - n;
    default: /* a piece doubled */
        n = draw(len - at + 1);
        if (n > INPUT_MAX - len)
            n = INPUT_MAX - len;
        memmove(input + at + n, input + at, len - at);
        return len + n;
    }
}

int main(int argc, char **argv)
{
    const long iterations = argc > 1 ? atol(argv[1]) : ITERATIONS;
    static uint8_t input[INPUT_MAX];

    for (long i = 0; i < iterations; i++) {
        size_t len = pick_seed(input);
        /* An exact copy, so that a sanitizer sees the first byte read beyond it. */
        uint8_t *exact;

        for (uint64_t n = draw(MUTATIONS_MAX + 1); n > 0; n--)
            len = mutate(input, len);
        exact = malloc(len > 0 ? len : 1);
        if (exact == NULL)
            return EXIT_FAILURE;
        memcpy(exact, input, len);
        (void)LLVMFuzzerTestOneInput(exact, len);
        free(exact);
    }
    printf("ok 1 - %ld inputs\n", iterations);
    return EXIT_SUCCESS;
}
