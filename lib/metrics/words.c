#include "lib/metrics/words.h"

#include "lib/base/instance_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum metrics_file_state metrics_words_open(struct metrics_words_file *file, const char *path,
                                           bool writable)
{
    enum metrics_file_state state = metrics_file_map(&file->map, path, writable);

    if (state == METRICS_FILE_OK)
        atomic_init(&file->words.first, metrics_file_header(&file->map)->shared);
    return state;
}

void metrics_words_close(struct metrics_words_file *file)
{
    metrics_file_unmap(&file->map);
}

int metrics_words_lock(const char *path, unsigned index)
{
    struct flock lock = {
        .l_type = F_WRLCK,
        .l_whence = SEEK_SET,
        .l_start = (off_t)(offsetof(struct metrics_file_header, shared) + index * sizeof(uint64_t)),
        .l_len = 1,
    };
    int fd = instance_file_open(AT_FDCWD, path, O_RDWR, NULL);

    if (fd >= 0 && fcntl(fd, F_OFD_SETLKW, &lock) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}
