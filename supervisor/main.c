/*
 * microtrace-run: one instance in the foreground, as `make run` and the container start it:
 * lighttpd, which spawns the analyze processes, and the agent. With --no-agent the agent is someone
 * else's, such as a container beside this one, and AGENT_LISTEN says where it answers.
 *
 * Exit status: 0 when it was told to stop, 1 when lighttpd ended or a port or directory can't be
 * used, 2 for settings or a command line that can't be used.
 */
#include "lib/base/clock.h"
#include "lib/base/config_file.h"
#include "lib/base/config_names.h"
#include "lib/base/descriptor.h"
#include "lib/base/message.h"
#include "lib/base/options.h"
#include "lib/base/printable.h"
#include "supervisor/children.h"
#include "supervisor/instance.h"
#include "supervisor/settings.h"
#include "supervisor/unprivileged.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,

    /* Together below the 5 s within which everything has to be gone. */
    GRACE_MS = 1500, /* for answers under way */
    QUIET_MS = 250,  /* for what no analyze process is busy with: answers on their way out */
    TERM_MS = 500,
    FLUSH_MS = 2000, /* for the agent's last batches */

    START_TICK_MS = 20,
    IDLE_MS = 60000,
    START_LIMIT_MS = 10000,
    AGENT_LIMIT_MS = 2000, /* lighttpd is started without an agent after that */
    BACKOFF_FIRST_MS = 100,
    BACKOFF_LAST_MS = 5000,
    BACKOFF_FORGET_MS = 10000, /* an agent that lived so long starts over */
};

struct supervisor {
    struct settings settings;
    char programs[PATH_MAX];
    char analyze[PATH_MAX + 16];
    char agent_program[PATH_MAX + 16];
    char config[PATH_MAX];
    char root_reason[UNPRIVILEGED_REASON_MAX]; /* why it stays root, "" if it does not or has to */

    pid_t lighttpd; /* 0: not running */
    pid_t agent;
    bool no_agent;
    bool announced;
    uint64_t started_ms;
    uint64_t agent_started_ms;
    uint64_t agent_next_ms; /* when to start it again, while it is not running */
    unsigned backoff_ms;
};

/* Returns OPTIONS_GO, or the status to end with. */
static int parse_arguments(struct supervisor *in, int argc, char **argv)
{
    struct arguments {
        const char *config;
        bool no_agent;
    } arguments = {NULL, false};
    static const struct config_setting rows[] = {
        {.name = "--config",
         .type = CONFIG_STRING,
         .offset = offsetof(struct arguments, config),
         .fallback = "lighttpd.conf",
         .help = "lighttpd's configuration."},
    };
    static const struct options_switch switches[] = {
        {"--no-agent", offsetof(struct arguments, no_agent),
         "Start no agent: AGENT_LISTEN is where another one answers."},
        {NULL, 0, NULL},
    };
    static const struct options_table table = {
        .command = "microtrace-run",
        .operands = "",
        .summary = "Runs lighttpd, its analyze processes and the agent until SIGINT or SIGTERM.",
        .rows = rows,
        .row_count = sizeof(rows) / sizeof(rows[0]),
        .switches = switches,
        .letter = 'c',
        .letter_row = "--config",
        .environment = settings_tables,
    };
    int result = options_read(&table, &arguments, &argc, &argv);
    if (result != OPTIONS_GO)
        return result;
    in->no_agent = arguments.no_agent;
    if (realpath(arguments.config, in->config) != NULL)
        return OPTIONS_GO;
    message_print("lighttpd's configuration '%s' can't be read: %s", arguments.config,
                  strerror(errno));
    return STATUS_USAGE;
}

static int find_programs(struct supervisor *in)
{
    ssize_t len = readlink("/proc/self/exe", in->programs, sizeof(in->programs) - 1);
    if (len <= 0) {
        message_print("/proc is not mounted: mount -t proc proc /proc");
        return -1;
    }
    in->programs[len] = '\0';
    *strrchr(in->programs, '/') = '\0';
    snprintf(in->analyze, sizeof(in->analyze), "%s/analyze", in->programs);
    snprintf(in->agent_program, sizeof(in->agent_program), "%s/metrics-agent", in->programs);
    if (strpbrk(in->programs, " \t") != NULL) {
        message_print("lighttpd can't start programs from a folder with a blank in its name: '%s'",
                      in->programs);
        return -1;
    }
    if (access(in->analyze, X_OK) != 0 || (!in->no_agent && access(in->agent_program, X_OK) != 0)) {
        message_print("the programs are not built in %s: run make", in->programs);
        return -1;
    }
    return 0;
}

/* Debian keeps it in a folder that is not in every user's PATH. */
static const char *find_lighttpd(void)
{
    static const char *const places[] = {"/usr/sbin/lighttpd", "/usr/local/sbin/lighttpd",
                                         "/usr/bin/lighttpd"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    message_print("lighttpd is not installed: apt-get install lighttpd");
    return NULL;
}

/* analyze reads its settings and ends; what is wrong with them it says itself. */
static int check_analyze(const struct supervisor *in)
{
    const char *const arguments[] = {in->analyze, "--check", NULL};
    int status = 0;
    pid_t pid = children_start(arguments, false);
    if (pid == -1 || waitpid(pid, &status, 0) != pid)
        return STATUS_FAILED;
    return WIFEXITED(status) ? WEXITSTATUS(status) : STATUS_FAILED;
}

static void start_agent(struct supervisor *in)
{
    const char *const arguments[] = {in->agent_program, NULL};
    in->agent_started_ms = clock_monotonic_ms();
    pid_t pid = children_start(arguments, true);
    in->agent = pid > 0 ? pid : 0;
    in->agent_next_ms = in->agent_started_ms + in->backoff_ms;
}

static int start_lighttpd(struct supervisor *in)
{
    const char *lighttpd = find_lighttpd();
    if (lighttpd == NULL)
        return -1;
    const char *const arguments[] = {lighttpd, "-D", "-f", in->config, NULL};
    in->started_ms = clock_monotonic_ms();
    pid_t pid = children_start(arguments, false);
    in->lighttpd = pid > 0 ? pid : 0;
    return pid > 0 ? 0 : -1;
}

static void announce(struct supervisor *in)
{
    char http[300], agent[300], text[1024 + PATH_MAX], line[sizeof(text)];
    size_t len;
    int wanted;

    if (in->root_reason[0] != '\0')
        message_print(
            "it runs as root: %s; mend that, as by a checkout below /srv, or accept it by "
            "RUN_AS=root",
            in->root_reason);
    settings_reachable(&in->settings.http, http, sizeof(http));
    settings_reachable(&in->settings.agent, agent, sizeof(agent));
    wanted = snprintf(text, sizeof(text),
                      "microtrace is running: http://%s (API: /docs), metrics: http://%s/metrics, "
                      "state: %s; Ctrl-C stops it",
                      http, agent, in->settings.root);
    if (wanted > 0 && (size_t)wanted < sizeof(text)) {
        len = printable_copy(line, sizeof(line) - 1, text, (size_t)wanted);
        line[len] = '\n';
        (void)message_write(STDOUT_FILENO, line, len + 1);
    }
    in->announced = true;
}

static bool answers(const struct sockaddr_storage *address, socklen_t len)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return false;
    /* Connecting to 0.0.0.0 or :: reaches this machine itself. */
    bool connected = connect(fd, (const struct sockaddr *)address, len) == 0;
    close(fd);
    return connected;
}

static void agent_ended(struct supervisor *in, int status)
{
    char how[64];
    uint64_t now = clock_monotonic_ms();
    in->agent = 0;
    if (now - in->agent_started_ms >= BACKOFF_FORGET_MS)
        in->backoff_ms = BACKOFF_FIRST_MS;
    message_print("the agent ended (%s); starting it again in %u ms",
                  children_describe(status, how), in->backoff_ms);
    in->agent_next_ms = now + in->backoff_ms;
    in->backoff_ms = in->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : in->backoff_ms * 2;
}

/* Takes every process that has ended. Returns -1 to go on, or the status to end with. */
static int reap(struct supervisor *in, bool stopping)
{
    int status = 0;
    int result = -1;
    char how[64];
    for (pid_t pid; (pid = children_reap(&status)) != 0;) {
        if (pid == in->lighttpd) {
            in->lighttpd = 0;
            if (!stopping) {
                message_print("lighttpd ended (%s): stopping everything",
                              children_describe(status, how));
                result = STATUS_FAILED;
            }
        } else if (pid == in->agent && stopping) {
            in->agent = 0;
        } else if (pid == in->agent && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_USAGE) {
            in->agent = 0; /* it has said what is wrong with its settings */
            result = STATUS_USAGE;
        } else if (pid == in->agent) {
            agent_ended(in, status);
        }
    }
    return result;
}

static int next_timeout_ms(const struct supervisor *in)
{
    uint64_t now = clock_monotonic_ms();
    if (!in->announced)
        return START_TICK_MS;
    if (in->agent == 0 && !in->no_agent)
        return in->agent_next_ms > now ? (int)(in->agent_next_ms - now) : 0;
    return IDLE_MS;
}

static bool is_stop(int signal)
{
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

/*
 * The agent first: it ends at once where it can't use its settings, and lighttpd then finds it up.
 * Returns -1 to go on, or the status to end with.
 */
static int begin_with_agent(struct supervisor *in)
{
    start_agent(in);
    uint64_t end = clock_monotonic_ms() + AGENT_LIMIT_MS;
    while (in->agent != 0 && clock_monotonic_ms() < end &&
           !answers(&in->settings.agent, in->settings.agent_len)) {
        if (is_stop(children_wait(START_TICK_MS)))
            return STATUS_OK;
        int ended = reap(in, false);
        if (ended != -1)
            return ended;
    }
    return -1;
}

/* Runs until something ends it. Returns the exit status. */
static int supervise(struct supervisor *in)
{
    for (;;) {
        int signal = children_wait(next_timeout_ms(in));
        if (is_stop(signal))
            return STATUS_OK;
        int ended = reap(in, false);
        if (ended != -1)
            return ended;
        if (!in->no_agent && in->agent == 0 && clock_monotonic_ms() >= in->agent_next_ms)
            start_agent(in);
        if (in->announced)
            continue;
        if (answers(&in->settings.http, in->settings.http_len)) {
            announce(in);
        } else if (clock_monotonic_ms() - in->started_ms > START_LIMIT_MS) {
            message_print("lighttpd does not listen after %d s: stopping everything",
                          START_LIMIT_MS / 1000);
            return STATUS_FAILED;
        }
    }
}

/* Waits until no process but `except` is left, or the time is over. */
static bool gone(struct supervisor *in, pid_t except, unsigned limit_ms)
{
    uint64_t end = clock_monotonic_ms() + limit_ms;
    for (;;) {
        (void)reap(in, true);
        if (!children_any(except))
            return true;
        uint64_t now = clock_monotonic_ms();
        if (now >= end)
            return false;
        /* The short tick sees orphans of lighttpd, whose adoption no signal tells. */
        (void)children_wait(end - now < START_TICK_MS ? (int)(end - now) : START_TICK_MS);
    }
}

/*
 * lighttpd finishes the answers under way, but then also waits for clients that keep an idle
 * connection open.
 */
static void stop_lighttpd(struct supervisor *in)
{
    uint64_t begin = clock_monotonic_ms();
    kill(in->lighttpd, SIGINT);
    while (!gone(in, in->agent, START_TICK_MS)) {
        uint64_t waited = clock_monotonic_ms() - begin;
        if (waited >= GRACE_MS || (waited >= QUIET_MS && !instance_answering(&in->settings)))
            break;
    }
}

/* First what writes, then what reads it. */
static void stop(struct supervisor *in)
{
    if (in->lighttpd != 0)
        stop_lighttpd(in);
    children_signal_all(SIGTERM, in->agent);
    if (!gone(in, in->agent, TERM_MS))
        children_signal_all(SIGKILL, in->agent);
    if (in->agent != 0) {
        kill(in->agent, SIGTERM);
        (void)gone(in, 0, FLUSH_MS);
    }
    children_signal_all(SIGKILL, 0);
    (void)gone(in, 0, TERM_MS);
    instance_clear_sockets(&in->settings);
}

/* Returns STATUS_OK, or the status to end with. */
static int drop_root(struct supervisor *in)
{
    const char *const assets = config_get("MICROTRACE_DOCS_ASSETS");
    const char *needs[] = {in->analyze, in->agent_program, in->config, assets, NULL};

    if (assets != NULL && assets[0] == '\0')
        needs[3] = NULL;
    switch (unprivileged_become(&in->settings, needs, in->root_reason)) {
    case UNPRIVILEGED_FAILED:
        return STATUS_USAGE;
    case UNPRIVILEGED_DONE:
        in->root_reason[0] = '\0';
        break;
    case UNPRIVILEGED_KEPT:
        break;
    }
    return STATUS_OK;
}

static int exit_status(int result)
{
    return result == INSTANCE_OK        ? STATUS_OK
           : result == INSTANCE_INVALID ? STATUS_USAGE
                                        : STATUS_FAILED;
}

int main(int argc, char **argv)
{
    static struct supervisor in = {.backoff_ms = BACKOFF_FIRST_MS};

    descriptor_reserve_standard();
    /* For lighttpd, and while this is the user who may. */
    message_reopen(STDOUT_FILENO);
    message_reopen(STDERR_FILENO);
    /* First of all: a signal that comes before there is anything to stop is kept for later. */
    children_init();
    int done = parse_arguments(&in, argc, argv);
    if (done != OPTIONS_GO)
        return done;
    umask(S_IRWXO);
    config_names_check(message_say);
    /* The host's own file is for the host's own instance. */
    if (config_file_is_named())
        config_file_load(message_say);
    if (settings_load(&in.settings) != 0)
        return STATUS_USAGE;
    if (find_programs(&in) != 0)
        return STATUS_FAILED;
    int bad = drop_root(&in);
    if (bad == STATUS_OK)
        bad = exit_status(instance_prepare(&in.settings));
    if (bad == STATUS_OK && settings_export(&in.settings, in.programs) != 0)
        bad = STATUS_FAILED;
    if (bad == STATUS_OK)
        bad = check_analyze(&in);
    if (bad == STATUS_OK)
        bad = exit_status(instance_check_ports(&in.settings, !in.no_agent));
    if (bad != STATUS_OK)
        return bad;

    int status = in.no_agent ? -1 : begin_with_agent(&in);
    if (status == -1)
        status = start_lighttpd(&in) == 0 ? supervise(&in) : STATUS_FAILED;
    stop(&in);
    return status;
}
