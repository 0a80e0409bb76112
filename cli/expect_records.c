#include "cli/expect_records.h"

#include "cli/command.h"
#include "cli/expect_files.h"
#include "cli/instance.h"
#include "lib/base/clock.h"
#include "lib/base/instance_file.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 20,
    KEPT_MAX = 1000,     /* records that are printed, the newest */
    WRONG_MAX = 10,      /* of those that should not be there */
    REPEATS_MAX = 8,     /* of a look that has learned a trace */
    SHOWN_BYTES = 16384, /* of a record in a message */
};

#define KEPT_BYTES ((size_t)64 << 20) /* of all records that are printed */

/* A record of another program's file that a segment may hold a copy of. */
struct original {
    uint64_t hash;
    uint32_t copies; /* that are still to come */
};

struct expectation {
    const struct expect_records_options *options;
    struct expect_files *files;
    uint64_t found; /* records that fit */
    bool learned;   /* a trace of the request, in this look */
    /* The newest records that fit: a ring, from `first` on. */
    char *kept[KEPT_MAX];
    size_t kept_len[KEPT_MAX], first, kept_count, kept_bytes;
    /* What comes nearest of those that do not fit. */
    char *nearest;
    size_t nearest_len, nearest_room, nearest_met;
    struct original *originals; /* a table by hash; a count bounds it */
    size_t originals_room, originals_count;
};

static const char *records_word(const struct expect_records_options *o, uint64_t count)
{
    if (o->signal == SPOOL_TRACES)
        return count == 1 ? "span" : "spans";
    return count == 1 ? "log record" : "log records";
}

/* --- Records that fit --- */

static void drop_first(struct expectation *e)
{
    free(e->kept[e->first]);
    e->kept_bytes -= e->kept_len[e->first];
    e->first = (e->first + 1) % KEPT_MAX;
    e->kept_count--;
}

/* Of those that are not kept, at least the number is known. */
static void keep(struct expectation *e, struct text record)
{
    const int64_t count = e->options->count;
    const size_t most = count == EXPECT_RECORDS_ANY     ? 1
                        : count >= KEPT_MAX - WRONG_MAX ? KEPT_MAX
                                                        : (size_t)count + WRONG_MAX;
    char *const copy = malloc(record.len);
    size_t at;

    if (copy == NULL)
        return;
    while (e->kept_count > 0 && (e->kept_count >= most || e->kept_bytes + record.len > KEPT_BYTES))
        drop_first(e);
    at = (e->first + e->kept_count++) % KEPT_MAX;
    memcpy(copy, record.at, record.len);
    e->kept[at] = copy;
    e->kept_len[at] = record.len;
    e->kept_bytes += record.len;
}

static void keep_nearest(struct expectation *e, struct text record, uint64_t met)
{
    const size_t count = (size_t)__builtin_popcountll(met);

    if (e->nearest_len > 0 && count < e->nearest_met)
        return;
    if (record.len > e->nearest_room) {
        char *const bytes = realloc(e->nearest, record.len);

        if (bytes == NULL)
            return;
        e->nearest = bytes;
        e->nearest_room = record.len;
    }
    memcpy(e->nearest, record.at, record.len);
    e->nearest_len = record.len;
    e->nearest_met = count;
}

/* --- Copies of other programs' records --- */

/* FNV-1a of 64 bits. */
static uint64_t hash_of(struct text record)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < record.len; i++)
        hash = (hash ^ (unsigned char)record.at[i]) * UINT64_C(1099511628211);
    return hash != 0 ? hash : 1;
}

static struct original *find_original(const struct expectation *e, uint64_t hash)
{
    for (size_t i = hash % e->originals_room;; i = (i + 1) % e->originals_room) {
        if (e->originals[i].hash == hash || e->originals[i].hash == 0)
            return &e->originals[i];
    }
}

static int grow_originals(struct expectation *e)
{
    struct original *const before = e->originals;
    const size_t room = e->originals_room;

    e->originals_room = 2 * room + 64;
    e->originals = calloc(e->originals_room, sizeof(*e->originals));
    if (e->originals == NULL) {
        e->originals = before;
        e->originals_room = room;
        return -1;
    }
    for (size_t i = 0; i < room; i++) {
        if (before[i].hash != 0)
            *find_original(e, before[i].hash) = before[i];
    }
    free(before);
    return 0;
}

/*
 * The agent copies other programs' lines into the spool; the files stay. Each record that was found
 * in such a file stands for one in a segment that is equal to it.
 */
static bool is_copy(struct expectation *e, struct text record, bool foreign)
{
    struct original *original;

    if (!foreign && e->originals_count == 0)
        return false;
    if (foreign && 2 * (e->originals_count + 1) > e->originals_room && grow_originals(e) != 0)
        return false;
    original = find_original(e, hash_of(record));
    if (!foreign) {
        if (original->copies == 0)
            return false;
        original->copies--;
        return true;
    }
    if (original->hash == 0) {
        original->hash = hash_of(record);
        e->originals_count++;
    }
    original->copies++;
    return false;
}

/* --- Looking --- */

static void take(void *context, struct text record, bool foreign)
{
    struct expectation *const e = context;
    struct expect_match *const match = e->options->match;
    uint64_t met;

    e->learned = expect_match_learn(match, record) || e->learned;
    met = expect_match_met(match, record);
    if (!expect_match_all(match, met)) {
        keep_nearest(e, record, met);
        return;
    }
    /* Beyond the count nothing changes the result. */
    if (e->options->count >= 0 && e->found > (uint64_t)e->options->count + WRONG_MAX)
        return;
    if (e->options->count >= 0 && is_copy(e, record, foreign))
        return;
    e->found++;
    keep(e, record);
}

static void forget(struct expectation *e)
{
    while (e->kept_count > 0)
        drop_first(e);
    free(e->originals);
    e->originals = NULL;
    e->originals_room = e->originals_count = 0;
    e->found = 0;
    e->nearest_len = e->nearest_met = 0;
}

/* Spans of a request may stand before the one that tells which trace is meant. */
static void look(struct expectation *e, bool last)
{
    e->learned = false;
    expect_files_look(e->files, last, take, e);
    for (int i = 0; e->learned && i < REPEATS_MAX; i++) {
        e->learned = false;
        forget(e);
        expect_files_rewind(e->files);
        expect_files_look(e->files, last, take, e);
    }
}

/* What was passed over may come nearer than what was looked at. */
static void look_at_all(struct expectation *e)
{
    expect_files_probe(e->files, NULL);
    forget(e);
    expect_files_rewind(e->files);
    look(e, true);
}

/* Whether there are fewer records than there should be. */
static bool lacks_some(const struct expectation *e)
{
    const int64_t count = e->options->count;

    return e->found < (count == EXPECT_RECORDS_ANY ? 1 : (uint64_t)count);
}

/* --- Telling --- */

static void print_json(FILE *to, const char *at, size_t len)
{
    const size_t shown = to == stdout || len < SHOWN_BYTES ? len : SHOWN_BYTES;

    printable_write(to, at, shown);
    (void)fputs(shown < len ? "...\n" : "\n", to);
}

static void print_kept(FILE *to, const struct expectation *e)
{
    size_t i = to == stdout || e->kept_count <= WRONG_MAX ? 0 : e->kept_count - WRONG_MAX;

    for (; i < e->kept_count; i++) {
        const size_t at = (e->first + i) % KEPT_MAX;

        print_json(to, e->kept[at], e->kept_len[at]);
    }
}

static void print_nearest(const struct expectation *e)
{
    const struct expect_match *const match = e->options->match;

    if (e->nearest_len == 0)
        return;
    (void)fprintf(stderr, "nearest, with %zu of %zu:\n", e->nearest_met, match->count);
    expect_match_explain(stderr, match, (struct text){e->nearest, e->nearest_len});
    print_json(stderr, e->nearest, e->nearest_len);
}

/* What could not be looked at, which may be the reason. */
static void print_doubts(const struct expect_files_state *state)
{
    if (state->unsure)
        printable_error("  not read: %s/%s: %s", instance_spool_dir(), state->file,
                        instance_file_error(state->error));
    if (state->long_ones > 0)
        (void)fprintf(stderr, "  not read: %llu records that are too long\n",
                      (unsigned long long)state->long_ones);
    if (state->broken > 0)
        (void)fprintf(stderr,
                      "  %llu pieces that are no records; microtrace spool verify shows where\n",
                      (unsigned long long)state->broken);
}

static int fail(const struct expectation *e)
{
    const struct expect_records_options *const o = e->options;
    const struct expect_files_state state = expect_files_state(e->files);
    const char *const dir = instance_spool_dir();
    char found[64], expected[64];

    if (state.missing) {
        printable_error("%s: %s: %s%s", o->command, dir, strerror(ENOENT), instance_hint(true));
        return COMMAND_FAILED;
    }
    if (o->count == EXPECT_RECORDS_ANY)
        (void)snprintf(expected, sizeof(expected), "a %s", records_word(o, 1));
    else if (o->count == 0)
        (void)snprintf(expected, sizeof(expected), "no %s", records_word(o, 1));
    else
        (void)snprintf(expected, sizeof(expected), "%lld %s", (long long)o->count,
                       records_word(o, (uint64_t)o->count));
    (void)snprintf(found, sizeof(found), e->found == 0 ? "none" : "%s%llu",
                   e->found > (uint64_t)o->count + WRONG_MAX ? "more than " : "",
                   (unsigned long long)e->found);
    printable_error("%s: expected %s, found %s; %s holds %llu in all", o->command, expected, found,
                    dir, (unsigned long long)state.records);
    print_kept(stderr, e);
    if (lacks_some(e))
        print_nearest(e);
    print_doubts(&state);
    return COMMAND_FAILED;
}

/* --- Waiting --- */

/* Whether it is time to end, one way or the other. */
static bool decided(const struct expectation *e, uint64_t waited_ns, uint64_t *reached_ns)
{
    const struct expect_records_options *const o = e->options;
    const bool over = waited_ns >= o->within_ns;

    if (o->count == EXPECT_RECORDS_ANY)
        return e->found > 0 || over;
    if (e->found > (uint64_t)o->count)
        return true;
    if (o->count == 0 || e->found < (uint64_t)o->count) {
        *reached_ns = UINT64_MAX;
        return over;
    }
    if (*reached_ns == UINT64_MAX)
        *reached_ns = waited_ns;
    return o->within_ns == 0 || waited_ns - *reached_ns >= clock_ms_to_ns(EXPECT_RECORDS_SETTLE_MS);
}

/* What could not be read may hold one more. */
static bool holds(const struct expectation *e)
{
    const struct expect_files_state state = expect_files_state(e->files);
    const int64_t count = e->options->count;

    if (count == EXPECT_RECORDS_ANY)
        return e->found > 0;
    return e->found == (uint64_t)count && !state.unsure && !state.missing && state.long_ones == 0;
}

static int wait_for(struct expectation *e)
{
    const char *const probe = expect_match_probe(e->options->match);
    const uint64_t start = clock_monotonic_ns();
    uint64_t reached_ns = UINT64_MAX;

    expect_files_probe(e->files, probe);
    for (;;) {
        const uint64_t begun = clock_monotonic_ns();
        uint64_t took;

        look(e, begun - start >= e->options->within_ns);
        if (decided(e, begun - start, &reached_ns))
            break;
        took = clock_monotonic_ns() - begun;
        /* At most half of the time is spent looking, however much there is to read. */
        clock_sleep_ns(took > clock_ms_to_ns(LOOK_MS) ? took : clock_ms_to_ns(LOOK_MS));
    }
    /* A last line that its writer has not ended counts too. */
    if (e->options->count > 0 && holds(e))
        look(e, true);
    if (probe != NULL && lacks_some(e))
        look_at_all(e);
    if (!holds(e))
        return fail(e);
    print_kept(stdout, e);
    return COMMAND_OK;
}

int expect_records_run(const struct expect_records_options *options)
{
    static struct expectation e;
    int status = COMMAND_FAILED;

    e = (struct expectation){.options = options};
    e.files = expect_files_open(options->signal, instance_spool_dir(), instance_run_dir());
    if (e.files == NULL)
        printable_error("%s: out of memory", options->command);
    else
        status = wait_for(&e);
    forget(&e);
    free(e.nearest);
    expect_files_close(e.files);
    return status;
}
