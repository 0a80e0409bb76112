#include "cli/command.h"
#include "cli/emit.h"
#include "cli/run_child.h"
#include "cli/run_metrics.h"
#include "cli/run_output.h"
#include "cli/run_trace.h"
#include "lib/base/clock.h"
#include "lib/base/printable.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    EXIT_LOST = 1, /* as of cat or tee */
    EXIT_TIMEOUT = 124,
    EXIT_SIGNAL = 128,
    LINGER_MS = 1000, /* for others that keep an output stream open when the command has ended */
    LOOK_MS = 20,     /* between two looks where nothing tells */
    STREAMS = 2,
};

struct run_options {
    const char *name;
    struct emit_pairs attributes;
    double timeout_s, kill_after_s;
    bool log_output, args;
};

#define ROW(option, type_, member)                                                                 \
    .name = option, .type = type_, .offset = offsetof(struct run_options, member)

static const struct config_setting rows[] = {
    {ROW("--name", CONFIG_STRING, name),
     .help = "Name of the span, and the label `program` of the metrics. The program's base name, "
             "unless given."},
    {ROW("--attr", CONFIG_OTHER, attributes), .parse = emit_pairs_parse, .takes = EMIT_PAIRS_TAKE,
     .help = "An attribute of the span, a text. May be given several times."},
    {ROW("--timeout", CONFIG_DOUBLE, timeout_s), .unit = CONFIG_UNIT_S, .max = 1e9, .fallback = "0",
     .help = "End the command by SIGTERM after this time, with exit status 124; 0 is never."},
    {ROW("--kill-after", CONFIG_DOUBLE, kill_after_s), .unit = CONFIG_UNIT_S, .max = 1e9,
     .fallback = "5", .help = "How long after that SIGKILL follows, if it is still there."},
};

static const struct options_switch switches[] = {
    {"--log-output", offsetof(struct run_options, log_output),
     "Make the lines of its stdout (INFO) and stderr (WARNING) log records too; they are passed on "
     "as they are. If they can't be, a COMMAND that succeeds ends with 1."},
    {"--args", offsetof(struct run_options, args),
     "Put the command's words into the span as process.command_args. They may hold passwords."},
    {NULL, 0, NULL},
};

static const struct options_table options = {
    .command = "microtrace run",
    .operands = "-- COMMAND [ARGUMENT]...",
    .summary = "Runs COMMAND as one span and exits with its status. That is 128 + n for a signal, "
               "124 for the timeout, 126 or 127 if COMMAND can't be started, as in a shell. "
               "COMMAND runs even if telemetry can't be written.",
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .switches = switches,
    .command_follows = true,
    .state = emit_choose,
};

struct run {
    struct run_options options;
    char *const *argv;
    struct emit emit;
    struct run_trace trace;
    struct run_child child;
    struct run_lines lines;
    bool has_streams;
    struct run_output streams[STREAMS];
    uint64_t start_ns, end_ns; /* on the monotonic clock; the end is 0 until then */
    bool timed_out, killed;
};

/* --- Waiting for the end --- */

static uint64_t ns_of(double seconds)
{
    return (uint64_t)(seconds * CLOCK_NS_PER_S);
}

/* What is to be done at a time, and when the next thing is; 0 for nothing. */
static uint64_t keep_time(struct run *run, uint64_t now)
{
    const uint64_t timeout = run->start_ns + ns_of(run->options.timeout_s);
    const uint64_t kill = timeout + ns_of(run->options.kill_after_s);

    if (run->options.timeout_s <= 0 || run->killed || (run->child.ended && !run->timed_out))
        return 0;
    if (!run->timed_out && now >= timeout) {
        run->timed_out = true;
        run_child_kill(&run->child, SIGTERM);
        run_child_kill(&run->child, SIGCONT);
    }
    if (!run->timed_out)
        return timeout;
    if (now >= kill) {
        run_child_kill(&run->child, SIGKILL);
        run->killed = true;
        return 0;
    }
    return run->child.ended ? now + clock_ms_to_ns(LOOK_MS) : kill;
}

/* Whether the members of a group that has timed out are still to be waited for. */
static bool has_survivors(const struct run *run)
{
    return run->timed_out && !run->killed && run_child_has_group(&run->child);
}

static bool is_done(const struct run *run)
{
    if (!run->child.ended || has_survivors(run))
        return false;
    if (run->child.told_to_end)
        return true;
    for (size_t i = 0; run->has_streams && i < STREAMS; i++) {
        if (!run_output_done(&run->streams[i]))
            return false;
    }
    return true;
}

/* After the command's end its streams are read to their end, but not for ever. */
static uint64_t limit_streams(struct run *run, uint64_t now)
{
    const uint64_t limit = run->end_ns + clock_ms_to_ns(LINGER_MS);

    if (run->end_ns == 0 || !run->has_streams || run->streams[0].limited)
        return 0;
    if (now < limit)
        return limit;
    for (size_t i = 0; i < STREAMS; i++)
        run_output_limit(&run->streams[i]);
    return 0;
}

static int milliseconds_until(uint64_t when, uint64_t now)
{
    const uint64_t left = when > now ? when - now : 0;

    if (when == 0)
        return -1;
    return left / CLOCK_NS_PER_MS >= 1000000 ? 1000000 : (int)(left / CLOCK_NS_PER_MS) + 1;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* One round: waits for whatever comes first, and does it. */
static void step(struct run *run)
{
    struct pollfd polled[1 + STREAMS] = {{.fd = run->child.signals, .events = POLLIN}};
    const size_t streams = run->has_streams ? STREAMS : 0;
    uint64_t now = clock_monotonic_ns(), next = keep_time(run, now);
    bool logged = false;

    next = sooner(next, limit_streams(run, now));
    if (is_done(run))
        return;
    for (size_t i = 0; i < streams; i++)
        polled[1 + i] = run_output_wants(&run->streams[i]);
    if (poll(polled, 1 + streams, milliseconds_until(next, now)) < 0 && errno != EINTR) {
        /* The kernel has no memory to wait: look at everything, and not without a pause. */
        clock_sleep_ns(clock_ms_to_ns(LOOK_MS));
        for (size_t i = 0; i < 1 + streams; i++)
            polled[i].revents = polled[i].events;
    }
    for (size_t i = 0; i < streams; i++) {
        if (polled[1 + i].revents != 0 && run_output_work(&run->streams[i]))
            logged = true;
    }
    if (logged)
        emit_flush(&run->emit);
    if (polled[0].revents != 0)
        run_child_signals(&run->child);
    if (!run->child.ended || run->end_ns != 0)
        return;
    run->end_ns = clock_monotonic_ns();
    for (size_t i = 0; i < streams; i++)
        run_output_command_ended(&run->streams[i]);
}

/* --- Start and end --- */

static void close_all(int output[STREAMS])
{
    for (int i = 0; i < STREAMS; i++) {
        if (output[i] >= 0)
            (void)close(output[i]);
        output[i] = -1;
    }
}

/* Both streams, or none: the command would wait for ever on one that nobody reads. */
static void open_streams(struct run *run, int output[STREAMS])
{
    for (int i = 0; i < STREAMS; i++)
        output[i] = run_output_open(&run->streams[i], STDOUT_FILENO + i, &run->lines);
    run->has_streams = output[0] >= 0 && output[1] >= 0;
    if (run->has_streams)
        return;
    printable_error("microtrace run: --log-output: %s", strerror(errno));
    close_all(output);
    for (int i = 0; i < STREAMS; i++)
        run_output_close(&run->streams[i]);
}

static int start(struct run *run)
{
    int output[STREAMS] = {-1, -1}, result, error;

    if (run->options.log_output)
        open_streams(run, output);
    run->start_ns = clock_monotonic_ns();
    result = run_child_start(&run->child, run->argv, output);
    error = errno;
    close_all(output);
    errno = error;
    return result;
}

static bool has_lost_output(const struct run *run)
{
    for (size_t i = 0; run->has_streams && i < STREAMS; i++) {
        if (run->streams[i].lost)
            return true;
    }
    return false;
}

static struct run_result result_of(const struct run *run)
{
    const int status = run->child.status;
    struct run_result result = {.pid = run->child.pid,
                                .elapsed_ns = run->end_ns - run->start_ns,
                                .exec_error = run->child.exec_error};

    if (run->timed_out) {
        result.outcome = RUN_TIMEOUT;
        result.exit_status = EXIT_TIMEOUT;
        result.timeout_s = run->options.timeout_s;
    } else if (WIFSIGNALED(status)) {
        result.outcome = RUN_SIGNAL;
        result.signal = WTERMSIG(status);
        result.exit_status = EXIT_SIGNAL + WTERMSIG(status);
    } else {
        result.lost = WEXITSTATUS(status) == 0 && has_lost_output(run);
        result.exit_status = result.lost ? EXIT_LOST : WEXITSTATUS(status);
        result.outcome = result.exit_status == 0 ? RUN_SUCCESS : RUN_FAILURE;
    }
    return result;
}

static int run_and_record(struct run *run)
{
    struct run_result result;

    while (!is_done(run))
        step(run);
    for (size_t i = 0; run->has_streams && i < STREAMS; i++)
        run_output_close(&run->streams[i]);
    result = result_of(run);
    if (result.exec_error != 0)
        printable_error("microtrace run: %s: %s", run->argv[0], strerror(result.exec_error));
    if (run->emit.telemetry != NULL) {
        telemetry_refresh(run->emit.telemetry);
        run_trace_end(&run->trace, &run->emit, &result);
        run_metrics_add(&run->emit, run->trace.program, &result);
    }
    emit_close(&run->emit);
    return result.exit_status;
}

static int run(int argc, char **argv)
{
    static struct run run;
    const int result = options_read(&options, &run.options, &argc, &argv);
    int error;

    if (result != OPTIONS_GO)
        return result;
    if (argc == 0) {
        printable_error("microtrace run: COMMAND is missing; see microtrace run --help");
        return COMMAND_USAGE;
    }
    run.argv = argv;
    error = run_child_prepare(&run.child, run.options.timeout_s > 0) != 0 ? errno : 0;
    emit_open(&run.emit);
    run_trace_begin(&run.trace, &run.emit,
                    &(struct run_traced){.name = run.options.name,
                                         .attributes = &run.options.attributes,
                                         .argv = argv,
                                         .with_args = run.options.args});
    run.lines = (struct run_lines){.emit = &run.emit,
                                   .context = run_trace_log_context(&run.trace),
                                   .program = run.trace.program};
    if (error == 0 && start(&run) == 0)
        return run_and_record(&run);
    printable_error("microtrace run: %s runs without a span: %s", argv[0],
                    strerror(error != 0 ? error : errno));
    emit_close(&run.emit);
    error = run_child_become(&run.child, argv);
    printable_error("microtrace run: %s: %s", argv[0], strerror(error));
    return error == ENOENT ? RUN_CHILD_NOT_FOUND : RUN_CHILD_NOT_RUN;
}

const struct command command_run = {&options, run};
