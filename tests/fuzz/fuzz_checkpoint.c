/*
 * Any bytes as a slot of the checkpoint, also with a right checksum: what is taken for one is in
 * bounds, and comes out again as it went in.
 */
#include "lib/spool/checkpoint.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* The state begins where docs/spool.md says. */
const struct fuzz_seed fuzz_seeds[] = {
    FUZZ_SEED("MTSPOOL\0\1\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"),
    FUZZ_SEED("MTSPOOL\0\2\0\0\0"),
    {NULL, 0},
};

static void check(const unsigned char slot[CHECKPOINT_SLOT_SIZE])
{
    unsigned char again[CHECKPOINT_SLOT_SIZE];
    struct checkpoint_state state, same;

    if (checkpoint_decode(slot, &state) != 0)
        return;
    for (int i = 0; i < SPOOL_SIGNALS; i++)
        assert(state.signals[i].cursor_count <= CHECKPOINT_CURSORS);
    checkpoint_encode(again, &state);
    assert(checkpoint_decode(again, &same) == 0);
    assert(memcmp(&state, &same, sizeof state) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char slot[CHECKPOINT_SLOT_SIZE] = {0};
    struct checkpoint_state state;
    const size_t len = size < sizeof slot ? size : sizeof slot;

    memcpy(slot, data, len);
    check(slot);
    /* The same content, as a writer with another idea of it would have sealed it. */
    memset(&state, 0, sizeof state);
    memcpy(&state, slot, sizeof state);
    checkpoint_encode(slot, &state);
    check(slot);
    return 0;
}
