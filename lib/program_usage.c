#include "lib/program_usage.h"

#include "lib/base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct metrics_family_def processor_def = {
    .name = "program_cpu_seconds_total",
    .help = "Processor time of the program's processes, in user and kernel mode.",
    .unit = "seconds",
    .kind = METRICS_COUNTER,
    .labels = {"program"},
    .resolution = 1e-6,
};

static const struct metrics_family_def memory_def = {
    .name = "program_resident_memory_bytes",
    .help = "Resident memory of the program's live processes, shared pages in each of them.",
    .unit = "bytes",
    .kind = METRICS_LIVE_GAUGE,
    .labels = {"program"},
};

static struct metrics_counter *find_processor(struct metrics *metrics, const char *program)
{
    return metrics_counter(metrics_declare(metrics, &processor_def), (const char *[]){program});
}

void program_usage_init(struct program_usage *usage, struct metrics *metrics, const char *program)
{
    *usage = (struct program_usage){
        .processor = find_processor(metrics, program),
        .memory =
            metrics_live_gauge(metrics_declare(metrics, &memory_def), (const char *[]){program}),
    };
}

/* In microseconds; 0 if it is not known. */
static uint64_t processor_us(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage) != 0)
        return 0;
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Of this process, in bytes; 0 if it is not known. */
static int64_t resident_bytes(void)
{
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    int64_t pages = 0;
    char text[128];
    ssize_t length;

    if (fd < 0)
        return 0;
    length = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    if (sscanf(text, "%*s %" SCNd64, &pages) != 1)
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}

void program_usage_tell(struct program_usage *usage)
{
    struct timespec coarse;
    uint64_t now_ms, used_us;

    if (usage->processor == NULL || clock_gettime(CLOCK_MONOTONIC_COARSE, &coarse) != 0)
        return;
    now_ms = clock_timespec_ns(&coarse) / CLOCK_NS_PER_MS;
    if (now_ms < usage->due_ms)
        return;
    usage->due_ms = now_ms + PROGRAM_USAGE_PERIOD_MS;
    used_us = processor_us(RUSAGE_SELF) + processor_us(RUSAGE_CHILDREN);
    /* A child of fork(2) begins at zero. */
    if (used_us > usage->told_us)
        metrics_add(usage->processor, used_us - usage->told_us);
    usage->told_us = used_us;
    metrics_live_gauge_set(usage->memory, resident_bytes());
}

void program_usage_count_children(struct metrics *metrics, const char *program)
{
    metrics_add(find_processor(metrics, program), processor_us(RUSAGE_CHILDREN));
}
