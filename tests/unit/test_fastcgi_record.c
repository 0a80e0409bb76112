/*
 * Goal: the records and pairs of FastCGI 1.0 are read the same wherever a stream of them is cut,
 * and what is written is read back.
 */
#include "gateways/fastcgi_params.h"
#include "gateways/fastcgi_record.h"
#include "tests/unit/unit.h"

#include <string.h>

/* What a stream comes to: each record's content behind its type and id, and the bytes as they came.
 */
struct read {
    uint8_t content[4096], raw[4096];
    size_t content_size, raw_size;
    unsigned records, firsts;
};

/* Takes what there is of `size` bytes; returns how many were taken. */
static size_t take(struct fastcgi_cursor *cursor, struct read *read, const uint8_t *bytes,
                   size_t size)
{
    struct fastcgi_piece piece;
    size_t at = 0;

    while (fastcgi_cursor_next(cursor, bytes + at, size - at, &piece) == FASTCGI_PIECE) {
        assert_true(piece.size > 0 && piece.size <= size - at);
        assert_ptr_equal(piece.bytes, bytes + at);
        assert_true(piece.content >= piece.bytes &&
                    piece.content + piece.content_size <= piece.bytes + piece.size);
        if (piece.first) {
            read->content[read->content_size++] = piece.type;
            read->content[read->content_size++] = (uint8_t)piece.id;
            read->firsts++;
        }
        memcpy(read->content + read->content_size, piece.content, piece.content_size);
        read->content_size += piece.content_size;
        memcpy(read->raw + read->raw_size, piece.bytes, piece.size);
        read->raw_size += piece.size;
        read->records += piece.last;
        at += piece.size;
    }
    assert_true(size - at < FASTCGI_HEADER_SIZE);
    return at;
}

static size_t put(uint8_t *to, uint8_t type, uint16_t id, const char *content, uint8_t padding)
{
    const size_t size = strlen(content);

    fastcgi_header_write(to, (enum fastcgi_type)type, id, (uint16_t)size, padding);
    memcpy(to + FASTCGI_HEADER_SIZE, content, size);
    memset(to + FASTCGI_HEADER_SIZE + size, 0xee, padding);
    return FASTCGI_HEADER_SIZE + size + padding;
}

static size_t make_stream(uint8_t *out)
{
    uint8_t *to = out;

    to += put(to, FASTCGI_BEGIN_REQUEST, 1, "12345678", 0);
    to += put(to, FASTCGI_PARAMS, 1, "", 0);
    to += put(to, FASTCGI_STDIN, 1, "some text", 7);
    to += put(to, FASTCGI_STDIN, 1, "", 255);
    to += put(to, 200, 2, "x", 1);
    to += put(to, FASTCGI_GET_VALUES, 0, "yz", 0);
    return (size_t)(to - out);
}

static void a_stream_is_the_same_wherever_it_is_cut(void **state)
{
    uint8_t stream[1024], rest[1024];
    const size_t size = make_stream(stream);
    struct fastcgi_cursor cursor = {.inside = false};
    struct read whole = {.records = 0};

    (void)state;
    assert_int_equal(take(&cursor, &whole, stream, size), size);
    assert_int_equal(whole.records, 6);
    assert_int_equal(whole.raw_size, size);
    assert_memory_equal(whole.raw, stream, size);
    /* Cut in two at each place, and into pieces of each size. */
    for (size_t step = 1; step <= size; step++) {
        struct read read = {.records = 0};
        size_t held = 0;

        cursor = (struct fastcgi_cursor){.inside = false};
        for (size_t at = 0; at < size; at += step) {
            const size_t part = step < size - at ? step : size - at;
            size_t taken;

            memcpy(rest + held, stream + at, part);
            held += part;
            taken = take(&cursor, &read, rest, held);
            held -= taken;
            memmove(rest, rest + taken, held);
        }
        assert_int_equal(held, 0);
        assert_int_equal(read.records, 6);
        assert_int_equal(read.firsts, 6);
        assert_int_equal(read.content_size, whole.content_size);
        assert_memory_equal(read.content, whole.content, whole.content_size);
        assert_memory_equal(read.raw, stream, size);
    }
}

static void another_version_is_bad_from_its_first_byte(void **state)
{
    struct fastcgi_cursor cursor = {.inside = false};
    struct fastcgi_piece piece;

    (void)state;
    assert_int_equal(fastcgi_cursor_next(&cursor, (const uint8_t *)"\2", 1, &piece), FASTCGI_BAD);
    assert_int_equal(fastcgi_cursor_next(&cursor, (const uint8_t *)"HTTP/1.1 200 OK", 15, &piece),
                     FASTCGI_BAD);
    assert_int_equal(fastcgi_cursor_next(&cursor, (const uint8_t *)"\1", 1, &piece),
                     FASTCGI_PARTIAL);
    assert_int_equal(fastcgi_cursor_next(&cursor, (const uint8_t *)"", 0, &piece), FASTCGI_PARTIAL);
}

static void writes_an_end(void **state)
{
    uint8_t out[FASTCGI_HEADER_SIZE + FASTCGI_BODY_SIZE];
    static const uint8_t expected[] = {1, 3, 1, 2, 0, 8, 0, 0, 0, 0, 1, 4, 2, 0, 0, 0};

    (void)state;
    fastcgi_end_write(out, 0x102, 0x104, FASTCGI_OVERLOADED);
    assert_memory_equal(out, expected, sizeof(expected));
}

static void a_pair_is_read_only_when_it_is_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 127, 128, 300, 65535, 70000};
    static uint8_t bytes[150000];
    uint8_t lengths[FASTCGI_LENGTHS_MAX];
    struct fastcgi_pair pair;

    (void)state;
    for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        for (size_t v = 0; v < sizeof(sizes) / sizeof(sizes[0]); v++) {
            const size_t head = fastcgi_pair_write_lengths(lengths, sizes[n], sizes[v]);
            const size_t size = head + sizes[n] + sizes[v];
            const size_t step = size > 1000 ? 997 : 1;

            assert_int_equal(head, (sizes[n] < 128 ? 1 : 4) + (sizes[v] < 128 ? 1 : 4));
            memcpy(bytes, lengths, head);
            memset(bytes + head, 'n', sizes[n]);
            memset(bytes + head + sizes[n], 'v', sizes[v]);
            for (size_t cut = 0; cut < size; cut += step)
                assert_int_equal(fastcgi_pair_read(&pair, bytes, cut), -1);
            assert_int_equal(fastcgi_pair_read(&pair, bytes, size - 1), -1);
            assert_int_equal(fastcgi_pair_read(&pair, bytes, size), 0);
            assert_int_equal(pair.size, size);
            assert_int_equal(pair.name_size, sizes[n]);
            assert_int_equal(pair.value_size, sizes[v]);
            assert_ptr_equal(pair.name, bytes + head);
            assert_ptr_equal(pair.value, bytes + head + sizes[n]);
        }
    }
}

static void lengths_beyond_all_bytes_are_no_pair(void **state)
{
    static const uint8_t bytes[] = "\xff\xff\xff\xff\xff\xff\xff\xffxyz";
    struct fastcgi_pair pair;

    (void)state;
    assert_int_equal(fastcgi_pair_read(&pair, bytes, sizeof(bytes)), -1);
    assert_int_equal(fastcgi_pair_read(&pair, (const uint8_t *)"\0\xff\xff\xff\xff", 5), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_the_same_wherever_it_is_cut),
        cmocka_unit_test(another_version_is_bad_from_its_first_byte),
        cmocka_unit_test(writes_an_end),
        cmocka_unit_test(a_pair_is_read_only_when_it_is_whole),
        cmocka_unit_test(lengths_beyond_all_bytes_are_no_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
