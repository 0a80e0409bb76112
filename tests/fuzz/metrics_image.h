/* A metrics file that fuzz targets damage, and what it was before. */
#ifndef TESTS_FUZZ_METRICS_IMAGE_H
#define TESTS_FUZZ_METRICS_IMAGE_H

#include "lib/metrics/file.h"
#include "lib/metrics/metrics.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/dev/shm/fuzz-metrics.XXXXXX";
static char path[sizeof(dir) + sizeof(METRICS_FILE_NAME)];
static unsigned char *image; /* the file as it was */
static size_t image_size;
static struct metrics_file_header plan;

static void clean_up(void)
{
    unlink(path);
    rmdir(dir);
}

/* Makes the file, with room for so many series, and lets `use` fill it. */
static void make_image(uint32_t series, void (*use)(struct metrics *))
{
    struct stat st;

    assert(mkdtemp(dir) != NULL && atexit(clean_up) == 0);
    snprintf(path, sizeof(path), "%s/" METRICS_FILE_NAME, dir);
    struct metrics *metrics = metrics_open(dir, series);
    assert(metrics != NULL && metrics_problem(metrics) == NULL);
    use(metrics);
    metrics_close(metrics);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0 && fstat(fd, &st) == 0);
    image_size = (size_t)st.st_size;
    image = malloc(image_size);
    assert(image != NULL && read(fd, image, image_size) == st.st_size);
    close(fd);
    memcpy(&plan, image, sizeof(plan));
}

/* The file, whole again in size, for writing; to be unmapped. */
static unsigned char *map_image(void)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert(fd >= 0 && ftruncate(fd, (off_t)image_size) == 0);
    unsigned char *file = mmap(NULL, image_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(file != MAP_FAILED);
    close(fd);
    return file;
}

/* Only the pages that the runs change: all of the file takes a hundred times as long. */
static void restore(unsigned char *file)
{
    for (size_t at = 0; at < image_size; at += 4096) {
        if (memcmp(file + at, image + at, 4096) != 0)
            memcpy(file + at, image + at, 4096);
    }
}

/* Changes: region, offset (2 bytes), length, bytes. */
static void change(unsigned char *file, const uint8_t *data, size_t size)
{
    const uint64_t regions[] = {0,
                                plan.slots_offset,
                                plan.index_offset,
                                plan.arena_offset,
                                plan.cells_offset,
                                plan.exemplars_offset};

    for (size_t i = 0; i + 4 <= size;) {
        size_t offset = regions[data[i] % 6] + data[i + 1] + 256u * data[i + 2];
        size_t len = data[i + 3];
        i += 4;
        if (len > size - i)
            len = size - i;
        memcpy(file + offset, data + i, len);
        i += len;
    }
}

/* Damage that no checksum shows: what a hostile or faulty writer would leave. */
static void mend_records(unsigned char *file)
{
    unsigned char *arena = file + plan.arena_offset;

    for (size_t at = 0; at + 16 <= 8192;) {
        struct metrics_file_record record;
        memcpy(&record, arena + at, sizeof(record));
        if (record.length < sizeof(record) || record.length % 8 != 0 || record.length > 4096)
            return;
        record.checksum = metrics_file_checksum(arena + at + 16, record.length - 16);
        memcpy(arena + at, &record, sizeof(record));
        at += record.length;
    }
}

static void mend_header(unsigned char *file)
{
    struct metrics_file_header *header = (void *)file;
    header->checksum =
        metrics_file_checksum(header, offsetof(struct metrics_file_header, checksum));
}

#endif
