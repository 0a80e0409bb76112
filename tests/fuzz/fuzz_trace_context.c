/* Any two header values: what is accepted is valid, and reads back from what we write. */
#include "lib/trace/context.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nfoo=1,t@v=2"),
    FUZZ_SEED("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what\na=1 ,\tb=2"),
    FUZZ_SEED("\nfoo=1,foo=1"),
    {NULL, 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *const text = (const char *)data;
    const char *const newline = size > 0 ? memchr(text, '\n', size) : NULL;
    const size_t parent_len = newline != NULL ? (size_t)(newline - text) : size;
    const char *const state = newline != NULL ? newline + 1 : NULL;
    const size_t state_len = newline != NULL ? size - parent_len - 1 : 0;
    struct trace_context context, again;
    char written[TRACE_CONTEXT_PARENT_SIZE];

    if (trace_context_parse(&context, text, parent_len, state, state_len) != 0)
        return 0;
    assert(!ids_trace_is_zero(&context.trace_id) && !ids_span_is_zero(&context.span_id));
    assert((context.flags & ~(TRACE_CONTEXT_SAMPLED | TRACE_CONTEXT_RANDOM)) == 0);
    trace_context_format(written, &context);
    assert(trace_context_parse(&again, written, strlen(written), context.state,
                               strlen(context.state)) == 0);
    assert(memcmp(&again.trace_id, &context.trace_id, sizeof(again.trace_id)) == 0);
    assert(memcmp(&again.span_id, &context.span_id, sizeof(again.span_id)) == 0);
    assert(again.flags == context.flags && strcmp(again.state, context.state) == 0);
    return 0;
}
