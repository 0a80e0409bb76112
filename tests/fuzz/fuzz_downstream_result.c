/* Any answer of a downstream service: two finite numbers, or none. */
#include "fcgi-app/downstream_policy.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("{\"sum\": 14.0, \"difference\": 7.0}"),
    FUZZ_SEED("{\"sum\":1e400,\"difference\":-1e308}"),
    FUZZ_SEED("{\"difference\":1,\"sum\":\"\\ue000\",\"sum\":[{}],\"sum\":-0}"),
    FUZZ_SEED("{\"detail\":\"Downstream failed\"}"),
    FUZZ_SEED("<html>"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct analysis_result result;
    char *const body = malloc(size + 1);

    assert(body != NULL);
    memcpy(body, data, size);
    body[size] = '\0';
    if (downstream_policy_read_result(body, size, &result) == 0)
        assert(isfinite(result.sum) && isfinite(result.difference));
    free(body);
    return 0;
}
