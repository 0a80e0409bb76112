#include "lib/base/config_file.h"

#include "lib/base/config_lines.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/reminder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MESSAGE_MAX = 640 };

/* Some editors begin a file with it. */
static const char byte_order_mark[] = "\xef\xbb\xbf";

static_assert(CONFIG_FILE_MAX == 65536 && CONFIG_FILE_SETTINGS_MAX == 512,
              "the numbers stand in the messages");

struct file {
    struct file *before; /* read earlier: its values may be in use */
    char *path, *text;
    size_t count;
    struct entry {
        const char *name, *value; /* in `text` */
        unsigned line;
    } entries[CONFIG_FILE_SETTINGS_MAX];
};

static struct file *_Atomic newest;

/* Who hears what is wrong. */
struct ear {
    void (*warn)(const char *message);
    const char *path;
    enum { NOT_ASKED, SPEAK, SILENT } state;
    unsigned said;
};

static const char *variable(const char *name)
{
    const char *const value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool config_file_is_named(void)
{
    return variable("MICROTRACE_CONFIG_FILE") != NULL;
}

/* The file that holds for the environment as it is now, or NULL. */
static const char *path_now(void)
{
    const char *const named = variable("MICROTRACE_CONFIG_FILE");

    if (named != NULL)
        return named;
    return variable("MICROTRACE_RUN_DIR") == NULL ? CONFIG_FILE_PATH : NULL;
}

/* A CGI request's process can't remember what the one before it has said. */
static bool is_silent(struct ear *ear)
{
    if (ear->state == NOT_ASKED)
        ear->state = getenv("MICROTRACE_PROGRAMS") != NULL ||
                             (getenv("GATEWAY_INTERFACE") != NULL && !reminder_due(ear->path))
                         ? SILENT
                         : SPEAK;
    return ear->state == SILENT;
}

/* `line` 0: of the file as a whole. */
static void say(struct ear *ear, unsigned line, const char *what, const char *then)
{
    char message[MESSAGE_MAX], place[24] = "";

    if (ear->warn == NULL || ear->said > CONFIG_FILE_SAID_MAX || is_silent(ear))
        return;
    /* A file of another kind is wrong in each line. */
    if (ear->said++ == CONFIG_FILE_SAID_MAX) {
        what = "there is more that is wrong, and not said";
        then = "";
    }
    if (line > 0)
        (void)snprintf(place, sizeof(place), ", line %u", line);
    (void)snprintf(message, sizeof(message), "%.300s%s: %s%s%s", ear->path, place, what,
                   then[0] != '\0' ? "; " : "", then);
    ear->warn(message);
}

/* --- Reading --- */

/* Returns the length of what is in `text`, or -1 with *problem set. */
static ssize_t read_all(int fd, char text[CONFIG_FILE_MAX + 1], const char **problem)
{
    size_t length = 0;
    ssize_t got = 1;

    while (got > 0 && length <= CONFIG_FILE_MAX) {
        got = read(fd, text + length, CONFIG_FILE_MAX + 1 - length);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            length += (size_t)got;
    }
    if (got < 0)
        *problem = strerror(errno);
    else if (length > CONFIG_FILE_MAX)
        *problem = "it is larger than 65536 bytes";
    return *problem == NULL ? (ssize_t)length : -1;
}

/*
 * Returns the length, or -1; *problem is NULL then if there is no file and nobody named one.
 * O_NONBLOCK: a FIFO of that name must hold up nobody.
 */
static ssize_t read_file(const char *path, char text[CONFIG_FILE_MAX + 1], const char **problem)
{
    const int fd = descriptor_move(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status;
    ssize_t length = -1;

    if (fd < 0 && errno == ENOENT && !config_file_is_named())
        return -1;
    if (fd < 0 || fstat(fd, &status) != 0)
        *problem = strerror(errno);
    else if (!S_ISREG(status.st_mode))
        *problem = "it is no regular file";
    else
        length = read_all(fd, text, problem);
    if (fd >= 0)
        (void)close(fd);
    return length;
}

static void add(struct file *file, struct ear *ear, const struct config_line *line)
{
    char unknown[CONFIG_NAMES_MESSAGE_MAX];
    size_t i = 0;

    if (line->problem != NULL) {
        say(ear, line->number, line->problem, "it is left out");
        return;
    }
    if (strcmp(line->name, "MICROTRACE_CONFIG_FILE") == 0) {
        say(ear, line->number, "MICROTRACE_CONFIG_FILE has no effect in a settings file", "");
        return;
    }
    if (config_names_unknown(line->name, unknown))
        say(ear, line->number, unknown, "");
    while (i < file->count && strcmp(file->entries[i].name, line->name) != 0)
        i++;
    if (i == CONFIG_FILE_SETTINGS_MAX) {
        say(ear, line->number, "it has more than 512 settings", "this one is left out");
        return;
    }
    if (i == file->count)
        file->count++;
    file->entries[i] = (struct entry){line->name, line->value, line->number};
}

static void parse(struct file *file, struct ear *ear, size_t length)
{
    struct config_lines lines = {.at = file->text, .end = file->text + length, .line = 1};
    struct config_line line;
    const size_t mark = sizeof(byte_order_mark) - 1;

    if (length >= mark && memcmp(file->text, byte_order_mark, mark) == 0)
        lines.at += mark;
    while (config_lines_next(&lines, &line))
        add(file, ear, &line);
}

static void file_free(struct file *file)
{
    if (file == NULL)
        return;
    free(file->path);
    free(file->text);
    free(file);
}

/* With a copy of the text, to be parsed. */
static struct file *file_new(const char *path, const char *text, size_t length)
{
    struct file *const file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    file->path = strdup(path);
    file->text = malloc(length + 1);
    if (file->path == NULL || file->text == NULL) {
        file_free(file);
        return NULL;
    }
    memcpy(file->text, text, length);
    return file;
}

/* --- What was read --- */

static struct file *find_file(const char *path)
{
    struct file *file = path != NULL ? atomic_load(&newest) : NULL;

    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->before;
    return file;
}

static bool is_same(const struct file *a, const struct file *b)
{
    if (a == NULL || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->entries[i].line != b->entries[i].line ||
            strcmp(a->entries[i].name, b->entries[i].name) != 0 ||
            strcmp(a->entries[i].value, b->entries[i].value) != 0)
            return false;
    }
    return true;
}

/* A process that reads an unchanged file again and again keeps one of them. */
static void keep(struct file *file)
{
    if (is_same(find_file(file->path), file)) {
        file_free(file);
        return;
    }
    file->before = atomic_load(&newest);
    while (!atomic_compare_exchange_weak(&newest, &file->before, file))
        ;
}

void config_file_load(void (*warn)(const char *message))
{
    const char *const path = path_now();
    struct ear ear = {.warn = warn, .path = path};
    const char *problem = NULL;
    struct file *file;
    ssize_t length = 0;
    char *text;

    if (path == NULL)
        return;
    text = malloc(CONFIG_FILE_MAX + 1);
    if (text == NULL)
        return;
    if (strcmp(path, "/dev/null") != 0)
        length = read_file(path, text, &problem);
    if (problem != NULL)
        say(&ear, 0, problem, "its settings do not hold");
    file = length >= 0 ? file_new(path, text, (size_t)length) : NULL;
    free(text);
    if (file == NULL)
        return;
    parse(file, &ear, (size_t)length);
    keep(file);
}

const char *config_file_find(const char *name, unsigned *line)
{
    const struct file *const file = find_file(path_now());

    for (size_t i = 0; file != NULL && i < file->count; i++) {
        if (strcmp(file->entries[i].name, name) != 0)
            continue;
        if (line != NULL)
            *line = file->entries[i].line;
        return file->entries[i].value;
    }
    return NULL;
}

const char *config_file_in_use(void)
{
    const struct file *const file = find_file(path_now());

    return file != NULL ? file->path : NULL;
}
