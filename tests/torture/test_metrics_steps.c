/*
 * Goal: a process killed at any single step of creating, attaching, registering, counting,
 * observing and leaving an exemplar takes nothing with it: the next process works, a reader sees
 * what was there before, and at most the one operation under way is missing.
 *
 * A child does each operation one machine instruction at a time. What a kill leaves behind is the
 * directory, the file and its locks; whenever an instruction has changed one of these, a copy of
 * the directory is handed to the next process, as a kill at this very step would have left it. Then
 * the same again with real kills.
 */
#include "tests/torture/torture.h"

#include <errno.h>
#include <sys/ptrace.h>

struct step {
    const char *name;
    void (*before)(const struct fixture *); /* what is there already */
    void (*prepare)(const struct fixture *);
    void (*run)(const struct fixture *);
};

static struct metrics *metrics;
static struct metrics_counter *counter;
static struct metrics_histogram *histogram;
static const struct trace_id trace = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct span_id span = {{1, 2, 3, 4, 5, 6, 7, 8}};

static void do_open(const struct fixture *f)
{
    metrics = metrics_open(f->dir, f->max_series);
}

static void do_counter(const struct fixture *f)
{
    (void)f;
    counter = metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("step", "/"));
}

static void do_histogram(const struct fixture *f)
{
    (void)f;
    histogram = metrics_histogram(metrics_declare(metrics, &fixture_histogram), VALUES("/"));
}

static void do_live(const struct fixture *f)
{
    (void)f;
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(metrics, &fixture_live), NULL), 7);
}

static void do_add(const struct fixture *f)
{
    (void)f;
    metrics_add(counter, 1);
}

static void do_observe(const struct fixture *f)
{
    (void)f;
    metrics_observe(histogram, 0.25);
}

static void do_exemplar(const struct fixture *f)
{
    (void)f;
    metrics_observe_exemplar(histogram, 0.25, &trace, &span, 1700000000123456789u);
}

static void do_close(const struct fixture *f)
{
    (void)f;
    metrics_close(metrics);
}

static void open_and_counter(const struct fixture *f)
{
    do_open(f);
    do_counter(f);
}

static void open_and_histogram(const struct fixture *f)
{
    do_open(f);
    do_histogram(f);
}

static void open_and_exemplar(const struct fixture *f)
{
    open_and_histogram(f);
    do_exemplar(f);
}

/* A file with one series of each kind and a value in it, from a process that is gone. */
static void old_file(const struct fixture *f)
{
    do_open(f);
    assert_null(metrics_problem(metrics));
    metrics_add(metrics_counter(metrics_declare(metrics, &fixture_counter), VALUES("old", "/")),
                41);
    metrics_close(metrics);
}

static const struct step steps[] = {
    {"create", NULL, NULL, do_open},
    {"attach", old_file, NULL, do_open},
    {"register a family and a counter", NULL, do_open, do_counter},
    {"register another counter", old_file, do_open, do_counter},
    {"register a histogram", old_file, do_open, do_histogram},
    {"register and set a live gauge", old_file, do_open, do_live},
    {"add", old_file, open_and_counter, do_add},
    {"observe", old_file, open_and_histogram, do_observe},
    {"observe with the first exemplar", old_file, open_and_histogram, do_exemplar},
    {"observe with another exemplar", old_file, open_and_exemplar, do_exemplar},
    {"close", old_file, open_and_exemplar, do_close},
};

/* Removes what is in the directory. */
static void empty(const char *dir)
{
    DIR *d = opendir(dir);

    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
    }
    closedir(d);
}

/* --- What a kill would leave behind --------------------------------------------------------- */

/* The parts of the file that a step may change: all but the unused end of the arena. */
enum { HEAD = 256 * 1024, TAIL = 128 * 1024 };

struct shared_state {
    unsigned char *map; /* the file as it is; NULL if there is none */
    size_t size;
    unsigned char seen[HEAD + TAIL]; /* as it was */
    bool alone;                      /* the file has no other beside it */
    uint64_t names;                  /* a hash over the directory's entries and their sizes */
};

static uint64_t look_at_names(const char *path, bool *alone)
{
    unsigned entries = 0;
    DIR *dir = opendir(path);
    struct stat st;
    uint64_t names = 0;

    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || fstatat(dirfd(dir), e->d_name, &st, 0) < 0)
            continue;
        entries++;
        names += metrics_file_hash(METRICS_FILE_HASH_SEED, e->d_name, strlen(e->d_name)) ^
                 (uint64_t)st.st_size;
    }
    closedir(dir);
    *alone = entries == 1;
    return names;
}

static void look_at_file(const struct fixture *f, struct shared_state *state)
{
    struct stat st;
    int fd = open(f->file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    assert_int_equal(fstat(fd, &st), 0);
    state->size = (size_t)st.st_size;
    assert_true(state->size > HEAD + TAIL);
    state->map = mmap(NULL, state->size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(state->map != MAP_FAILED);
    close(fd);
}

/*
 * Whether anything is not as it was at the last call. The names are looked at until the file has
 * its own and is alone: from then on no step changes them, and the look is what takes the time.
 */
static bool changed(const struct fixture *f, struct shared_state *state)
{
    bool differs = false;

    if (state->map == NULL || !state->alone) {
        uint64_t names = look_at_names(f->dir, &state->alone);
        differs = names != state->names;
        state->names = names;
    }
    if (state->map == NULL)
        look_at_file(f, state);
    if (state->map == NULL)
        return differs;
    const unsigned char *tail = state->map + state->size - TAIL;
    if (memcmp(state->map, state->seen, HEAD) == 0 && memcmp(tail, state->seen + HEAD, TAIL) == 0)
        return differs;
    memcpy(state->seen, state->map, HEAD);
    memcpy(state->seen + HEAD, tail, TAIL);
    return true;
}

static void copy_file(int from_dir, int to_dir, const char *name)
{
    static char buf[1 << 20];
    int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n;

    assert_true(from >= 0 && to >= 0);
    while ((n = read(from, buf, sizeof(buf))) > 0)
        assert_int_equal(write(to, buf, (size_t)n), n);
    assert_int_equal(n, 0);
    close(from);
    close(to);
}

static void copy_directory(const char *from, const char *to)
{
    DIR *source = opendir(from), *target = opendir(to);

    assert_true(source != NULL && target != NULL);
    for (struct dirent *e = readdir(source); e != NULL; e = readdir(source)) {
        if (e->d_name[0] != '.')
            copy_file(dirfd(source), dirfd(target), e->d_name);
    }
    closedir(source);
    closedir(target);
}

/* --- The next process ----------------------------------------------------------------------- */

static uint64_t observations(const struct metrics_reader *reader)
{
    const struct metrics_reader_family *family = fixture_family(reader, &fixture_histogram);
    const struct metrics_reader_series *series =
        fixture_series(reader, &fixture_histogram, VALUES("/"));
    struct metrics_reader_histogram read;
    struct metrics_reader_exemplar exemplar;

    if (series == NULL)
        return 0;
    metrics_reader_histogram(reader, family, series, &read);
    for (size_t b = 0; b <= family->bound_count; b++) {
        if (metrics_reader_exemplar(reader, family, series, b, &exemplar)) {
            assert_true(b == 1 && exemplar.value == 0.25);
            assert_memory_equal(&exemplar.trace, &trace, sizeof(trace));
            assert_memory_equal(&exemplar.span, &span, sizeof(span));
        }
    }
    return read.count;
}

static uint64_t counted(const struct metrics_reader *reader, const char *const *values)
{
    const struct metrics_reader_series *series = fixture_series(reader, &fixture_counter, values);

    return series == NULL ? 0 : metrics_reader_counter(reader, series);
}

/*
 * What the next process finds in f->dir, and does there. A file with the old series has it whole;
 * the step's own operation counts once or not at all.
 */
static void next_process_works(const struct fixture *f, bool old)
{
    uint64_t adds = 0, seen = 0;
    struct metrics_reader *reader = metrics_reader_open(f->dir);
    bool there = metrics_reader_refresh(reader) == 0;

    assert_true(there || (!old && metrics_reader_state(reader) == METRICS_FILE_MISSING));
    if (there) {
        torture_sound(reader);
        assert_int_equal(counted(reader, VALUES("old", "/")), old ? 41 : 0);
        adds = counted(reader, VALUES("step", "/"));
        seen = observations(reader);
        assert_in_range(adds, 0, 1);
        assert_in_range(seen, 0, 2);
    }

    struct metrics *next = fixture_open(f);
    metrics_add(metrics_counter(metrics_declare(next, &fixture_counter), VALUES("step", "/")), 5);
    metrics_observe_exemplar(
        metrics_histogram(metrics_declare(next, &fixture_histogram), VALUES("/")), 0.25, &trace,
        &span, 1);
    metrics_live_gauge_set(metrics_live_gauge(metrics_declare(next, &fixture_live), NULL), 3);

    assert_int_equal(metrics_reader_refresh(reader), 0);
    torture_sound(reader);
    assert_int_equal(counted(reader, VALUES("old", "/")), old ? 41 : 0);
    assert_int_equal(counted(reader, VALUES("step", "/")), adds + 5);
    assert_int_equal(observations(reader), seen + 1);
    assert_int_equal(metrics_reader_live_gauge(reader, fixture_series(reader, &fixture_live, NULL)),
                     3);
    struct metrics_reader_exemplar exemplar;
    assert_true(metrics_reader_exemplar(reader, fixture_family(reader, &fixture_histogram),
                                        fixture_series(reader, &fixture_histogram, VALUES("/")), 1,
                                        &exemplar));
    metrics_close(next);
    metrics_reader_close(reader);
}

/* --- Stepping ------------------------------------------------------------------------------- */

/* A child that stops before the step, and ends after it. Skips the test if that is forbidden. */
static pid_t start(const struct fixture *f, const struct step *step)
{
    int status;
    pid_t pid = torture_fork();

    if (pid == 0) {
        if (step->prepare != NULL)
            step->prepare(f);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(77);
        raise(SIGSTOP);
        step->run(f);
        raise(SIGSTOP);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("# no right to trace a child\n");
        skip();
    }
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    return pid;
}

/* One instruction. False once the step is over. */
static bool advance(pid_t pid)
{
    int status;

    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSTOPPED(status));
    if (WSTOPSIG(status) == SIGTRAP)
        return true;
    assert_int_equal(WSTOPSIG(status), SIGSTOP);
    return false;
}

static void end(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGKILL), 0);
    do
        assert_int_equal(waitpid(pid, &status, 0), pid);
    while (WIFSTOPPED(status));
    assert_true(WIFSIGNALED(status));
}

/* Every step on a copy. Returns how many instructions there were, and in *changes the states. */
static size_t each_state(const struct fixture *f, const struct step *step, size_t *changes)
{
    static struct shared_state shared;
    struct fixture copy;
    size_t instructions = 0;

    memset(&shared, 0, sizeof(shared));
    snprintf(copy.dir, sizeof(copy.dir), "%.200s.copy", f->dir);
    snprintf(copy.file, sizeof(copy.file), "%s/" METRICS_FILE_NAME, copy.dir);
    assert_int_equal(mkdir(copy.dir, 0700), 0);
    pid_t pid = start(f, step);
    (void)changed(f, &shared);
    for (*changes = 0; advance(pid); instructions++) {
        if (!changed(f, &shared))
            continue;
        ++*changes;
        copy_directory(f->dir, copy.dir);
        next_process_works(&copy, step->before != NULL);
        empty(copy.dir);
    }
    if (shared.map != NULL)
        munmap(shared.map, shared.size);
    end(pid);
    next_process_works(f, step->before != NULL);
    assert_int_equal(rmdir(copy.dir), 0);
    return instructions;
}

/*
 * How many real kills: a kill after n instructions costs n, so that many kills of a long operation
 * are stepped through for minutes. Each state has been tried on a copy by then.
 */
static size_t kill_count(size_t instructions)
{
    enum { KILLS = 200, KILLS_SHORT = 20, STEPS = 200 * 1000 };
    size_t kills = torture_full() ? KILLS : KILLS_SHORT;

    if (kills > instructions)
        kills = instructions;
    if (kills > STEPS / (instructions / 2 + 1) + 1)
        kills = STEPS / (instructions / 2 + 1) + 1;
    return kills;
}

/* Real kills, `count` of them, each after another number of instructions. */
static void real_kills(const struct fixture *f, const struct step *step, size_t instructions,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (step->before != NULL)
            step->before(f);
        pid_t pid = start(f, step);
        for (size_t n = i * instructions / count + 1; n > 0 && advance(pid); n--)
            ;
        end(pid);
        next_process_works(f, step->before != NULL);
        empty(f->dir);
    }
}

static void test_kill_at_every_step(void **state)
{
    struct fixture *f = *state;

#ifdef __SANITIZE_ADDRESS__
    /* The steps would be the sanitizer's, a hundred times as many. */
    skip();
#endif
    /* Small, and so quick to look at. */
    f->max_series = 16;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        size_t changes;

        if (steps[i].before != NULL)
            steps[i].before(f);
        size_t instructions = each_state(f, &steps[i], &changes);
        empty(f->dir);
        assert_true(instructions > 0 && (changes > 0 || steps[i].run == do_close));
        size_t kills = kill_count(instructions);
        real_kills(f, &steps[i], instructions, kills);
        print_message("# %s: %zu instructions, %zu states, %zu kills\n", steps[i].name,
                      instructions, changes, kills);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {TORTURE_TEST(test_kill_at_every_step)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
