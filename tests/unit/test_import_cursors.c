/*
 * Goal: what the agent remembers of other programs' files comes back whole or not at all, whatever
 * happens to the bytes; the file is replaced without following anybody's link; and a cursor fits
 * the file that it was made of and no other.
 */
#include "metrics-agent/export/import_cursors.h"

#include "lib/spool/files.h"
#include "tests/unit/unit.h"
#include "tests/unit/unit_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { FIRST = 24 + SPOOL_SIGNALS * 48 /* where the cursors begin */ };

static struct import_cursors written, found;

static int fresh(void **state)
{
    (void)state;
    (void)unlinkat(dir_fd, "agent.imports", 0);
    (void)unlinkat(dir_fd, "agent.imports.new", 0);
    (void)unlinkat(dir_fd, "file", 0);
    return 0;
}

static void set_example(size_t count)
{
    memset(&written, 0, sizeof written);
    memset(&found, 0xff, sizeof found);
    written.count = count;
    for (size_t i = 0; i < SPOOL_SIGNALS; i++)
        written.spooled[i] = (struct import_spooled){.seq = i * 7,
                                                     .inode = i << 50,
                                                     .length = i << 40,
                                                     .print = 0xcafe0000 + (uint32_t)i,
                                                     .lost = (uint32_t)i * 3,
                                                     .lost_before = i << 45};
    for (size_t i = 0; i < count; i++) {
        struct import_cursor *const c = &written.items[i];

        *c = (struct import_cursor){.signal = (enum spool_signal)(i % SPOOL_SIGNALS),
                                    .device = i << 40,
                                    .inode = i + 1,
                                    .offset = i % 3 == 0 ? 0 : UINT64_MAX - i,
                                    .head = i % 3 == 0 ? 77 : 0,
                                    .print = 0xdeadbeef + (uint32_t)i,
                                    .skipping = i % 5 == 1};
        /* Names of all lengths. */
        memset(c->name, 'n', sizeof c->name);
        (void)snprintf(c->name + 20 + i % 220, 16, ".traces.jsonl");
        (void)snprintf(c->name, 21, "%020zu", i);
        c->name[20] = i % 220 > 0 ? 'n' : '.';
    }
}

static void assert_same(void)
{
    assert_int_equal(found.count, written.count);
    for (size_t i = 0; i < SPOOL_SIGNALS; i++) {
        const struct import_spooled *const a = &written.spooled[i], *const b = &found.spooled[i];

        assert_int_equal(a->seq, b->seq);
        assert_int_equal(a->inode, b->inode);
        assert_int_equal(a->length, b->length);
        assert_int_equal(a->print, b->print);
        assert_int_equal(a->lost, b->lost);
        assert_int_equal(a->lost_before, b->lost_before);
    }
    for (size_t i = 0; i < written.count; i++) {
        const struct import_cursor *const a = &written.items[i], *const b = &found.items[i];

        assert_string_equal(a->name, b->name);
        assert_int_equal(a->signal, b->signal);
        assert_int_equal(a->device, b->device);
        assert_int_equal(a->inode, b->inode);
        assert_int_equal(a->offset, b->offset);
        assert_int_equal(a->head, b->head);
        assert_int_equal(a->print, b->print);
        assert_int_equal(a->skipping, b->skipping);
    }
}

static void come_back(void **state)
{
    static const size_t counts[] = {0, 1, 3, IMPORT_CURSORS_MAX};

    (void)state;
    assert_int_equal(import_cursors_read(&found, dir_fd), CHECKPOINT_MISSING);
    assert_int_equal(found.count, 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        set_example(counts[i]);
        assert_int_equal(import_cursors_write(&written, dir_fd), 0);
        assert_int_equal(import_cursors_read(&found, dir_fd), CHECKPOINT_VALID);
        assert_same();
    }
}

static void any_damage_is_seen(void **state)
{
    size_t len;

    (void)state;
    set_example(3);
    len = import_cursors_encode(&written);
    for (size_t cut = 0; cut < len; cut++) {
        memcpy(found.bytes, written.bytes, cut);
        assert_int_equal(import_cursors_decode(&found, cut), -1);
        assert_int_equal(found.count, 0);
    }
    for (size_t bit = 0; bit < len * 8; bit++) {
        memcpy(found.bytes, written.bytes, len);
        found.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        /* Four bytes of the header mean nothing. */
        assert_int_equal(import_cursors_decode(&found, len),
                         bit / 8 >= 20 && bit / 8 < 24 ? 0 : -1);
    }
    memcpy(found.bytes, written.bytes, len);
    found.bytes[len] = 0;
    assert_int_equal(import_cursors_decode(&found, len + 1), -1);
}

/* As one who means harm would write it: the checksum is right. */
static int decode_with(size_t at, const void *bytes, size_t size)
{
    size_t len;
    uint32_t sum;

    set_example(2);
    len = import_cursors_encode(&written);
    memcpy(found.bytes, written.bytes, len);
    memcpy(found.bytes + at, bytes, size);
    sum = (uint32_t)crc32(0, found.bytes + 24, (uInt)(len - 24));
    memcpy(found.bytes + 12, &sum, sizeof sum);
    return import_cursors_decode(&found, len);
}

static void no_content_is_trusted(void **state)
{
    const uint32_t many = IMPORT_CURSORS_MAX + 1, three = 3, one = 1, head = 1025;
    const uint16_t signal = SPOOL_SIGNALS, none = 0, long_name = NAME_MAX + 1, off = 15;

    const uint64_t seq = SPOOL_FILES_SEQ_MAX + 1, length = UINT64_C(1) << 63;

    (void)state;
    assert_int_equal(decode_with(FIRST, "", 0), 0);
    assert_int_equal(decode_with(16, &many, 4), -1);
    assert_int_equal(decode_with(16, &three, 4), -1);
    assert_int_equal(decode_with(16, &one, 4), -1);
    assert_int_equal(decode_with(FIRST + 24, &head, 4), -1);
    assert_int_equal(decode_with(FIRST + 32, &signal, 2), -1);
    assert_int_equal(decode_with(FIRST + 36, &none, 2), -1);
    assert_int_equal(decode_with(FIRST + 36, &long_name, 2), -1);
    assert_int_equal(decode_with(FIRST + 36, &off, 2), -1);
    assert_int_equal(decode_with(FIRST + 48, "/", 1), -1);
    assert_int_equal(decode_with(FIRST + 48 + 3, "", 1), -1);
    assert_int_equal(decode_with(24 + 48, &seq, 8), -1);
    assert_int_equal(decode_with(24 + 48 + 16, &length, 8), -1);
}

/* One that has nothing between its header and the cursors. */
static void an_older_agents_is_read(void **state)
{
    const uint32_t version = 1;
    size_t len;
    uint32_t sum;

    (void)state;
    set_example(3);
    len = import_cursors_encode(&written) - (FIRST - 24);
    memcpy(found.bytes, written.bytes, 24);
    memcpy(found.bytes + 8, &version, sizeof version);
    memcpy(found.bytes + 24, written.bytes + FIRST, len - 24);
    sum = (uint32_t)crc32(0, found.bytes + 24, (uInt)(len - 24));
    memcpy(found.bytes + 12, &sum, sizeof sum);
    assert_int_equal(import_cursors_decode(&found, len), 0);
    memset(written.spooled, 0, sizeof written.spooled);
    assert_same();
}

static void replaces_what_a_dead_one_left(void **state)
{
    struct stat status;
    int fd;

    (void)state;
    set_example(2);
    fd = openat(dir_fd, "file", O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(symlinkat("file", dir_fd, "agent.imports.new"), 0);
    assert_int_equal(import_cursors_write(&written, dir_fd), 0);
    assert_int_equal(fstatat(dir_fd, "file", &status, 0), 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(fstatat(dir_fd, "agent.imports.new", &status, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(import_cursors_read(&found, dir_fd), CHECKPOINT_VALID);
    assert_same();
    /* Nor is a link read, or a pipe waited for. */
    assert_int_equal(unlinkat(dir_fd, "agent.imports", 0), 0);
    assert_int_equal(symlinkat("file", dir_fd, "agent.imports"), 0);
    assert_int_equal(import_cursors_read(&found, dir_fd), CHECKPOINT_CORRUPT);
    assert_int_equal(unlinkat(dir_fd, "agent.imports", 0), 0);
    assert_int_equal(mkfifoat(dir_fd, "agent.imports", 0600), 0);
    assert_int_equal(import_cursors_read(&found, dir_fd), CHECKPOINT_CORRUPT);
}

static void a_failure_leaves_the_old_one(void **state)
{
    (void)state;
    set_example(2);
    assert_int_equal(import_cursors_write(&written, dir_fd), 0);
    assert_int_equal(mkdirat(dir_fd, "agent.imports.new", 0700), 0);
    written.count = 1;
    assert_int_equal(import_cursors_write(&written, dir_fd), -1);
    assert_int_equal(unlinkat(dir_fd, "agent.imports.new", AT_REMOVEDIR), 0);
    written.count = 2;
    assert_int_equal(import_cursors_read(&found, dir_fd), CHECKPOINT_VALID);
    assert_same();
}

static void fits_its_own_file(void **state)
{
    struct import_cursor cursor = {.signal = SPOOL_TRACES};
    char text[3000];
    int fd;

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    fd = openat(dir_fd, "file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    import_cursor_begin(&cursor, fd);
    assert_int_equal(cursor.head, 0);
    assert_false(import_cursor_fits(&cursor, fd)); /* an empty file is like any other */
    assert_int_equal(pwrite(fd, text, 500, 0), 500);
    import_cursor_begin(&cursor, fd);
    assert_int_equal(cursor.head, 500);
    assert_true(import_cursor_fits(&cursor, fd));
    assert_int_equal(pwrite(fd, text, sizeof text, 0), (ssize_t)sizeof text);
    assert_true(import_cursor_fits(&cursor, fd));
    import_cursor_begin(&cursor, fd);
    assert_int_equal(cursor.head, 1024);
    assert_int_equal(pwrite(fd, "A", 1, 1023), 1);
    assert_false(import_cursor_fits(&cursor, fd));
    cursor.offset = 2500;
    cursor.head = 0;
    cursor.print = (uint32_t)crc32(0, (const unsigned char *)text + 2500 - 1024, 1024);
    assert_true(import_cursor_fits(&cursor, fd));
    assert_int_equal(pwrite(fd, "A", 1, 2500), 1);
    assert_true(import_cursor_fits(&cursor, fd));
    assert_int_equal(pwrite(fd, "A", 1, 2500 - 1024), 1);
    assert_false(import_cursor_fits(&cursor, fd));
    assert_int_equal(pwrite(fd, text + 2500 - 1024, 1, 2500 - 1024), 1);
    assert_int_equal(ftruncate(fd, 2499), 0);
    assert_false(import_cursor_fits(&cursor, fd));
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(come_back, fresh, fresh),
        cmocka_unit_test(any_damage_is_seen),
        cmocka_unit_test(an_older_agents_is_read),
        cmocka_unit_test(no_content_is_trusted),
        cmocka_unit_test_setup_teardown(replaces_what_a_dead_one_left, fresh, fresh),
        cmocka_unit_test_setup_teardown(a_failure_leaves_the_old_one, fresh, fresh),
        cmocka_unit_test_setup_teardown(fits_its_own_file, fresh, fresh),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
