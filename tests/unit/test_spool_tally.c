/*
 * Goal: what the tally has is exactly what was added for a file, whatever others add at the same
 * time; and where it can't be, it is less, never more.
 */
#include "lib/spool/tally.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 4, ADDITIONS = 50000, BYTES = 300 };

static _Atomic uint64_t words[SPOOL_TALLY_WORDS];

static int forget(void **state)
{
    (void)state;
    memset(words, 0, sizeof(words));
    return 0;
}

static void expect(uint64_t inode, uint64_t bytes, uint64_t records)
{
    uint64_t b, r;

    assert_int_equal(spool_tally_get(words, inode, &b, &r), bytes > 0);
    assert_int_equal(b, bytes);
    assert_int_equal(r, records);
}

static void files_have_tallies_of_their_own(void **state)
{
    (void)state;
    expect(7, 0, 0);
    /* At the intervals at which file systems give numbers out. */
    for (uint64_t step = 1; step <= 1024; step *= 4) {
        (void)forget(NULL);
        for (unsigned i = 0; i < SPOOL_TALLY_WORDS; i++) {
            spool_tally_add(words, 1000 + step * i, 100, 1);
            spool_tally_add(words, 1000 + step * i, 10 * i + 1, 2);
        }
        for (unsigned i = 0; i < SPOOL_TALLY_WORDS; i++)
            expect(1000 + step * i, 101 + 10 * i, 3);
        spool_tally_clear(words, 1000);
        expect(1000, 0, 0);
        expect(1000 + step, 111, 3);
    }
}

static void one_file_too_many_makes_no_tally_too_large(void **state)
{
    (void)state;
    for (uint64_t inode = 1; inode < 1000; inode++) {
        uint64_t bytes, records;

        spool_tally_add(words, inode, 100, 2);
        expect(inode, 100, 2);
        for (uint64_t earlier = 1; earlier < inode; earlier++) {
            if (spool_tally_get(words, earlier, &bytes, &records))
                assert_true(bytes <= 100 && records <= 2);
        }
    }
}

static void what_is_too_much_holds_for_nothing(void **state)
{
    uint64_t bytes, records;

    (void)state;
    spool_tally_add(words, 5, (1u << 30) - 2, 1);
    expect(5, (1u << 30) - 2, 1);
    spool_tally_add(words, 5, 1, 1);
    assert_false(spool_tally_get(words, 5, &bytes, &records));
    spool_tally_add(words, 5, 1, 1);
    assert_false(spool_tally_get(words, 5, &bytes, &records));
    spool_tally_add(words, 6, 1000, (1u << 22) - 1);
    assert_false(spool_tally_get(words, 6, &bytes, &records));
    spool_tally_clear(words, 5);
    spool_tally_add(words, 5, 10, 1);
    expect(5, 10, 1);
}

/* Additions that find no try left are missing, and none is there twice. */
static void processes_add_at_the_same_time(void **state)
{
    _Atomic uint64_t *const shared =
        mmap(NULL, sizeof(words), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t bytes, records;
    int status;

    (void)state;
    assert_ptr_not_equal(shared, MAP_FAILED);
    for (int i = 0; i < WRITERS; i++) {
        const pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
            continue;
        for (int n = 0; n < ADDITIONS; n++)
            spool_tally_add(shared, 42, BYTES, 2);
        _exit(0);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_true(wait(&status) > 0 && status == 0);
    assert_true(spool_tally_get(shared, 42, &bytes, &records));
    assert_true(bytes <= (uint64_t)WRITERS * ADDITIONS * BYTES);
    assert_true(bytes > (uint64_t)WRITERS * ADDITIONS * BYTES / 2);
    assert_int_equal(records * BYTES, bytes * 2);
    (void)munmap(shared, sizeof(words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(files_have_tallies_of_their_own, forget),
        cmocka_unit_test_setup(one_file_too_many_makes_no_tally_too_large, forget),
        cmocka_unit_test_setup(what_is_too_much_holds_for_nothing, forget),
        cmocka_unit_test(processes_add_at_the_same_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
