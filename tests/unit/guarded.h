/* Memory that ends where no page follows: whoever touches a byte beyond it is killed. */
#ifndef TESTS_UNIT_GUARDED_H
#define TESTS_UNIT_GUARDED_H

#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <unistd.h>

/* The end of at least `size` bytes that may be used. Never freed. */
static inline char *guarded_end(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), usable = (size + page - 1) / page * page;
    char *const start =
        mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(start != MAP_FAILED);
    assert_int_equal(mprotect(start + usable, page, PROT_NONE), 0);
    return start + usable;
}

#endif
