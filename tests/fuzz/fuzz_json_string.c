/* Any bytes as a string: what is written is one JSON string that jansson, a strict reader, takes.
 */
#include "lib/base/json_writer.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("plain"),
    FUZZ_SEED("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
    FUZZ_SEED("\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80\xff"),
    FUZZ_SEED("\"\\\b\f\n\r\t\0\x1f\x7f"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char out[6 * 4096 + 2];
    struct json_writer w;
    json_t *value;

    if (size > 4096)
        return 0;
    json_writer_init(&w, out, sizeof(out));
    json_writer_string_n(&w, (const char *)data, size);
    assert(!w.overflow);
    value = json_loadb(out, w.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert(json_is_string(value));
    json_decref(value);
    return 0;
}
