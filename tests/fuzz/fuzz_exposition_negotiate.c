/* Any Accept header: one of the content types that there are, and the format that it names. */
#include "metrics-agent/scrape/exposition_negotiate.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
              "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,"
              "*/*;q=0.1"),
    FUZZ_SEED("text/plain;version=\"0.0.4\\\"\" ; q=1.000, text/*;q=0"),
    FUZZ_SEED(" ,;=\t\",q=;q=.5"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"text/plain; version=0.0.4; charset=utf-8",
                                        "application/openmetrics-text; version=1.0.0; "
                                        "charset=utf-8"};
    char *accept = malloc(size + 1);

    assert(accept != NULL);
    memcpy(accept, data, size);
    accept[size] = '\0';
    struct exposition_choice choice = exposition_negotiate(accept);
    const char *type = types[choice.format == EXPOSITION_OPENMETRICS];
    assert(strncmp(choice.content_type, type, strlen(type)) == 0);
    const char *rest = choice.content_type + strlen(type);
    assert(*rest == '\0' || strcmp(rest, "; escaping=underscores") == 0);
    /* OpenMetrics is never sent to a client that does not ask for it. */
    assert(choice.format == EXPOSITION_PROMETHEUS ||
           strcasestr(accept, "application/openmetrics-text") != NULL);
    free(accept);
    return 0;
}
