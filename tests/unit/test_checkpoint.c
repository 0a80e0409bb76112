/*
 * Goal: the newest intact slot of the checkpoint is taken up, and no damage of any kind (a flipped
 * bit, a cut, zeros, another version) passes for a checkpoint.
 */
#include "lib/spool/checkpoint.h"
#include "lib/spool/files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/unit_dir.h"

static int fresh(void **state)
{
    (void)state;
    (void)unlinkat(dir_fd, "agent.checkpoint", 0);
    return 0;
}

static int remove_all(void **state)
{
    return fresh(state) != 0 ? -1 : remove_dir(state);
}

static struct checkpoint_state example(void)
{
    struct checkpoint_state state = {.generation = 7};
    struct checkpoint_signal *traces = &state.signals[SPOOL_TRACES];

    traces->active_seq = 3;
    traces->counts.delivered = 100;
    traces->counts.dropped[SPOOL_DROP_TORN] = 2;
    traces->cursor_count = 1;
    traces->cursors[0] =
        (struct checkpoint_cursor){.seq = 2, .inode = 99, .offset = 4096, .print = 0xdeadbeef};
    return state;
}

static void comes_back(void **state)
{
    unsigned char slot[CHECKPOINT_SLOT_SIZE];
    struct checkpoint_state written = example(), read;

    (void)state;
    checkpoint_encode(slot, &written);
    assert_int_equal(checkpoint_decode(slot, &read), 0);
    assert_memory_equal(&written, &read, sizeof read);
}

static void a_number_beyond_the_limit_is_unknown(void **state)
{
    static const uint64_t numbers[] = {SPOOL_FILES_SEQ_MAX + 2, UINT64_MAX};
    unsigned char slot[CHECKPOINT_SLOT_SIZE];
    struct checkpoint_state written = example(), read;

    (void)state;
    /* After the highest one comes none, but an agent may have got there. */
    written.signals[SPOOL_TRACES].active_seq = SPOOL_FILES_SEQ_MAX + 1;
    checkpoint_encode(slot, &written);
    assert_int_equal(checkpoint_decode(slot, &read), 0);
    assert_memory_equal(&written, &read, sizeof read);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        written.signals[SPOOL_TRACES].active_seq = numbers[i];
        checkpoint_encode(slot, &written);
        assert_int_equal(checkpoint_decode(slot, &read), 0);
        assert_int_equal(read.signals[SPOOL_TRACES].active_seq, 0);
        assert_int_equal(read.signals[SPOOL_TRACES].counts.delivered, 100);
    }
}

static void any_flipped_bit_is_seen(void **state)
{
    unsigned char slot[CHECKPOINT_SLOT_SIZE];
    struct checkpoint_state written = example(), read;
    size_t bit;

    (void)state;
    checkpoint_encode(slot, &written);
    for (bit = 0; bit < 8 * sizeof slot; bit++) {
        slot[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(checkpoint_decode(slot, &read), -1);
        slot[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

/* A checksum proves that it was written so, not that there is room for it. */
static void more_cursors_than_there_is_room_for_are_refused(void **state)
{
    unsigned char slot[CHECKPOINT_SLOT_SIZE];
    struct checkpoint_state read;

    (void)state;
    for (int i = 0; i < SPOOL_SIGNALS; i++) {
        struct checkpoint_state written = example();

        written.signals[i].cursor_count = CHECKPOINT_CURSORS;
        checkpoint_encode(slot, &written);
        assert_int_equal(checkpoint_decode(slot, &read), 0);
        written.signals[i].cursor_count++;
        checkpoint_encode(slot, &written);
        assert_int_equal(checkpoint_decode(slot, &read), -1);
    }
}

static void missing_then_written_then_found(void **state)
{
    struct checkpoint checkpoint;

    (void)state;
    assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_MISSING);
    checkpoint.state.signals[SPOOL_LOGS].counts.delivered = 5;
    assert_int_equal(checkpoint_write(&checkpoint), 0);
    checkpoint.state.signals[SPOOL_LOGS].counts.delivered = 6;
    assert_int_equal(checkpoint_write(&checkpoint), 0);
    assert_int_equal(checkpoint_sync(&checkpoint), 0);
    checkpoint_close(&checkpoint);
    assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_VALID);
    assert_int_equal(checkpoint.state.signals[SPOOL_LOGS].counts.delivered, 6);
    assert_int_equal(checkpoint.state.generation, 2);
    checkpoint_close(&checkpoint);
}

/* Two tiers: the later one counts, whichever directory has it. */
static void the_later_of_two_counts(void **state)
{
    struct checkpoint checkpoint;
    int memory_fd;

    (void)state;
    assert_int_equal(mkdirat(dir_fd, "memory", 0700), 0);
    memory_fd = openat(dir_fd, "memory", O_RDONLY | O_DIRECTORY);
    assert_int_equal(checkpoint_open(&checkpoint, dir_fd, memory_fd), CHECKPOINT_MISSING);
    checkpoint.state.signals[SPOOL_LOGS].counts.delivered = 5;
    assert_int_equal(checkpoint_write(&checkpoint), 0);
    checkpoint.memory_alone = true;
    checkpoint.state.signals[SPOOL_LOGS].counts.delivered = 6;
    assert_int_equal(checkpoint_write(&checkpoint), 0);
    checkpoint_close(&checkpoint);
    assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_VALID);
    assert_int_equal(checkpoint.state.signals[SPOOL_LOGS].counts.delivered, 5);
    checkpoint_close(&checkpoint);
    assert_int_equal(checkpoint_open(&checkpoint, dir_fd, memory_fd), CHECKPOINT_VALID);
    assert_int_equal(checkpoint.state.signals[SPOOL_LOGS].counts.delivered, 6);
    /* The tier in memory is left. */
    checkpoint_set_memory(&checkpoint, -1);
    checkpoint.memory_alone = true;
    checkpoint.state.signals[SPOOL_LOGS].counts.delivered = 7;
    assert_int_equal(checkpoint_write(&checkpoint), 0);
    checkpoint_close(&checkpoint);
    assert_int_equal(checkpoint_open(&checkpoint, dir_fd, memory_fd), CHECKPOINT_VALID);
    assert_int_equal(checkpoint.state.signals[SPOOL_LOGS].counts.delivered, 7);
    checkpoint_close(&checkpoint);
    assert_int_equal(unlinkat(memory_fd, "agent.checkpoint", 0), 0);
    assert_int_equal(close(memory_fd), 0);
    assert_int_equal(unlinkat(dir_fd, "memory", AT_REMOVEDIR), 0);
}

/* A crash in the middle of a write leaves the slot before. */
static void torn_slot_falls_back(void **state)
{
    struct checkpoint checkpoint;
    size_t cut;

    (void)state;
    for (cut = 0; cut < CHECKPOINT_SLOT_SIZE; cut += 97) {
        unsigned char slot[CHECKPOINT_SLOT_SIZE];
        struct checkpoint_state next;

        (void)fresh(NULL);
        assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_MISSING);
        for (uint64_t i = 1; i <= 4; i++) {
            checkpoint.state.signals[SPOOL_TRACES].counts.delivered = i;
            assert_int_equal(checkpoint_write(&checkpoint), 0);
        }
        next = checkpoint.state;
        next.generation++;
        next.signals[SPOOL_TRACES].counts.delivered = 5;
        checkpoint_encode(slot, &next);
        /* Generation 5 goes where 3 was; its first `cut` bytes got there. */
        assert_int_equal(pwrite(checkpoint.disk.fd, slot, cut, CHECKPOINT_SLOT_SIZE), (ssize_t)cut);
        checkpoint_close(&checkpoint);
        assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_VALID);
        assert_in_range(checkpoint.state.signals[SPOOL_TRACES].counts.delivered, 4, 5);
        assert_int_equal(checkpoint.state.signals[SPOOL_TRACES].counts.delivered,
                         checkpoint.state.generation);
        checkpoint_close(&checkpoint);
    }
}

static void garbage_is_corrupt(void **state)
{
    static const off_t sizes[] = {1, 100, CHECKPOINT_SLOT_SIZE, 3 * CHECKPOINT_SLOT_SIZE};
    struct checkpoint checkpoint;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = openat(dir_fd, "agent.checkpoint", O_RDWR | O_CREAT | O_TRUNC, 0600);
        char *junk = malloc((size_t)sizes[i]);

        memset(junk, 'M', (size_t)sizes[i]);
        assert_int_equal(write(fd, junk, (size_t)sizes[i]), sizes[i]);
        free(junk);
        close(fd);
        assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_CORRUPT);
        assert_int_equal(checkpoint.state.generation, 0);
        assert_int_equal(checkpoint_write(&checkpoint), 0);
        checkpoint_close(&checkpoint);
        assert_int_equal(checkpoint_open(&checkpoint, dir_fd, -1), CHECKPOINT_VALID);
        checkpoint_close(&checkpoint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(a_number_beyond_the_limit_is_unknown),
        cmocka_unit_test(any_flipped_bit_is_seen),
        cmocka_unit_test(more_cursors_than_there_is_room_for_are_refused),
        cmocka_unit_test_setup(missing_then_written_then_found, fresh),
        cmocka_unit_test_setup(the_later_of_two_counts, fresh),
        cmocka_unit_test_setup(torn_slot_falls_back, fresh),
        cmocka_unit_test_setup(garbage_is_corrupt, fresh),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_all);
}
