#include "lib/spool/tally.h"

#include <assert.h>

enum {
    BYTES_BITS = 30,
    RECORDS_BITS = 22,
    TAG_BITS = 12,
    TAG_AT = BYTES_BITS + RECORDS_BITS,
    TRIES = 16, /* to change a word that others change; then the tally stays short */
};

static_assert(TAG_AT + TAG_BITS == 64, "a word");

static const uint64_t bytes_max = (UINT64_C(1) << BYTES_BITS) - 1;
static const uint64_t records_max = (UINT64_C(1) << RECORDS_BITS) - 1;

/* File systems give out numbers at intervals, so the low bits alone would be the same for many. */
static uint64_t tag_of(uint64_t inode)
{
    return inode * UINT64_C(0x9e3779b97f4a7c15) >> TAG_AT;
}

/* The file's word, else the first that is free, else one that another file may miss. */
static size_t find(const _Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t tag, uint64_t *found)
{
    size_t at = SPOOL_TALLY_WORDS;

    for (size_t i = 0; i < SPOOL_TALLY_WORDS; i++) {
        const uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);

        if (word != 0 && word >> TAG_AT == tag) {
            *found = word;
            return i;
        }
        if (word == 0 && at == SPOOL_TALLY_WORDS) {
            at = i;
            *found = 0;
        }
    }
    if (at == SPOOL_TALLY_WORDS) {
        at = tag % SPOOL_TALLY_WORDS;
        *found = atomic_load_explicit(&words[at], memory_order_relaxed);
    }
    return at;
}

void spool_tally_add(_Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t inode, size_t bytes,
                     uint64_t records)
{
    const uint64_t tag = tag_of(inode);

    if (inode == 0)
        return;
    for (int try = 0; try < TRIES; try++) {
        uint64_t before, b = bytes, r = records;
        _Atomic uint64_t *const word = &words[find(words, tag, &before)];

        if (before >> TAG_AT == tag) {
            b += before & bytes_max;
            r += before >> BYTES_BITS & records_max;
        }
        /* What does not fit makes it one that holds for nothing. */
        if (b >= bytes_max || r >= records_max) {
            b = bytes_max;
            r = 0;
        }
        /* With release: whoever sees the tally sees the file's size, too. */
        if (atomic_compare_exchange_strong_explicit(word, &before,
                                                    tag << TAG_AT | r << BYTES_BITS | b,
                                                    memory_order_release, memory_order_relaxed))
            return;
    }
}

bool spool_tally_get(const _Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t inode,
                     uint64_t *bytes, uint64_t *records)
{
    *bytes = *records = 0;
    /* A word that was freed meanwhile may have given the file a second one. */
    for (size_t i = 0; i < SPOOL_TALLY_WORDS; i++) {
        const uint64_t word = atomic_load_explicit(&words[i], memory_order_acquire);

        if (word == 0 || word >> TAG_AT != tag_of(inode))
            continue;
        if ((word & bytes_max) == bytes_max)
            return false;
        *bytes += word & bytes_max;
        *records += word >> BYTES_BITS & records_max;
    }
    return *bytes > 0;
}

void spool_tally_clear(_Atomic uint64_t words[SPOOL_TALLY_WORDS], uint64_t inode)
{
    for (size_t i = 0; i < SPOOL_TALLY_WORDS; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);

        /* Where a writer adds just now it stays, and is found wrong. */
        if (word != 0 && word >> TAG_AT == tag_of(inode))
            (void)atomic_compare_exchange_strong_explicit(&words[i], &word, 0, memory_order_relaxed,
                                                          memory_order_relaxed);
    }
}
