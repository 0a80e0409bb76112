#include "lib/books.h"

const char *books_reason(enum books_drop drop)
{
    static const char *const reasons[BOOKS_DROPS] = {"cap", "torn", "deleted"};

    return reasons[drop];
}

uint64_t books_settled(const struct books *books)
{
    uint64_t sum = books->delivered + books->rejected + books->quarantined;
    int i;

    for (i = 0; i < BOOKS_DROPS; i++)
        sum += books->dropped[i];
    return sum;
}
