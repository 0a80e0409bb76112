/*
 * Any body: a result of two finite numbers, or errors that can be written as JSON. What is JSON and
 * what is not, jansson says the same, as far as it can tell.
 */
#include "fcgi-app/validation.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("{\"a\": 10.5, \"b\": 3.5}"),
    FUZZ_SEED("{\"a\":1e400,\"b\":-1e308,\"c\":[{\"d\":\"\\u0000\\ud83d\\ude00\"},null,true]}"),
    FUZZ_SEED("{\"a\":123456789012345678901234567890,\"b\":1e308,\"a\":1e308}"),
    FUZZ_SEED("{\"a\":\"1\",\"b\":false}"),
    FUZZ_SEED("[[[[[[{}]]]]]]"),
    FUZZ_SEED("\"\xc3\xa9\""),
    {NULL, 0},
};

/* Whether jansson's verdict is that of the grammar: not one of its own limits. */
static void compare(const char *body, size_t size, bool valid)
{
    json_error_t error;
    json_t *value =
        json_loadb(body, size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    const enum json_error_code code = json_error_code(&error);

    /* It takes a NUL between tokens for the end, and stops at the first number that overflows. */
    if (memchr(body, '\0', size) != NULL)
        assert(!valid);
    else if (value != NULL)
        assert(valid);
    else if (code != json_error_numeric_overflow && code != json_error_null_byte_in_key &&
             code != json_error_stack_overflow)
        assert(!valid);
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[1 << 20];
    struct validation validation;
    struct json_writer w;
    char *const body = malloc(size + 1);

    assert(body != NULL);
    memcpy(body, data, size);
    body[size] = '\0';
    validation_parse(&validation, body, size);
    if (size > 0)
        compare(body, size,
                validation.error_count == 0 || validation.errors[0].kind != ERRORS_JSON_INVALID);
    if (validation.error_count == 0) {
        assert(isfinite(validation.a + validation.b) && isfinite(validation.a - validation.b));
    } else {
        json_t *value;

        json_writer_init(&w, out, sizeof(out));
        validation_write_errors(&w, &validation);
        assert(!w.overflow);
        value = json_loadb(out, w.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
        assert(json_array_size(value) == validation.error_count);
        json_decref(value);
    }
    validation_free(&validation);
    free(body);
    return 0;
}
