/*
 * Reads a metrics file that any number of processes are writing: families, series and their sums.
 * It needs no family at compile time, writes nothing, and trusts nothing: every offset is checked,
 * damaged records are skipped and counted, and truncation under way does not end the process.
 */
#ifndef LIB_METRICS_READER_H
#define LIB_METRICS_READER_H

#include "lib/base/ids.h"
#include "lib/metrics/file.h"
#include "lib/metrics/metrics.h"
#include "lib/metrics/slot.h"
#include "lib/metrics/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metrics_reader;

/* One series. What it points to lives until the next metrics_reader_refresh. */
struct metrics_reader_series {
    const char *values[METRICS_LABELS_MAX]; /* in the order of the family's labels */
    /* `a="b",c="d"`, escaped as both text formats ask, not NUL-terminated; empty without labels. */
    const char *label_text;
    size_t label_text_len;
    uint64_t record_offset, cell_offset, exemplar_offset; /* for the functions below */
};

struct metrics_reader_family {
    const char *name;
    const char *help;
    const char *unit; /* "" for none */
    enum metrics_kind kind;
    const char *labels[METRICS_LABELS_MAX];
    size_t label_count;
    const double *bounds;
    size_t bound_count;
    double resolution;                           /* metrics_rules_resolution */
    struct metrics_reader_series *const *series; /* by label values */
    size_t series_count;
    uint64_t record_offset;
};

/* What a histogram holds: bound_count + 1 buckets, the last for values above all bounds. */
struct metrics_reader_histogram {
    uint64_t buckets[METRICS_BOUNDS_MAX + 1]; /* not cumulative */
    uint64_t count;                           /* their sum */
    int64_t sum_steps;                        /* times the family's resolution is the sum */
};

struct metrics_reader_exemplar {
    double value;
    uint64_t unix_ns;
    struct trace_id trace;
    struct span_id span;
};

/* A reader of <run_dir>/metrics.mmap; the file may come later. NULL only if memory runs out. */
struct metrics_reader *metrics_reader_open(const char *run_dir);

/* NULL does nothing. */
void metrics_reader_close(struct metrics_reader *reader);

/*
 * Brings the list of series and the view of living processes up to date; maps the file again if it
 * was replaced. Returns 0, or -1 if there is no readable file: then there are no families, and
 * metrics_reader_state and metrics_reader_problem say why.
 */
int metrics_reader_refresh(struct metrics_reader *reader);

/*
 * The same, looking at up to `buckets` of the file's index, for whoever has no time for a large
 * one. Returns 1 if that was not all of it: series may be missing yet, and the next call goes on.
 */
int metrics_reader_step(struct metrics_reader *reader, uint64_t buckets);

enum metrics_file_state metrics_reader_state(const struct metrics_reader *reader);

/* One line for people; NULL after a refresh that returned 0. Lives until the next refresh. */
const char *metrics_reader_problem(const struct metrics_reader *reader);

/*
 * Whether the file was truncated since the last refresh: what was read since may be zeros, and must
 * not be passed on.
 */
bool metrics_reader_lost(const struct metrics_reader *reader);

/* Releases the file's pages from this process's memory until the next refresh. */
void metrics_reader_rest(const struct metrics_reader *reader);

/* The families, by name. They live until the next refresh. */
struct metrics_reader_family *const *metrics_reader_families(const struct metrics_reader *reader,
                                                             size_t *count);

/* The family of that name, or NULL. */
const struct metrics_reader_family *metrics_reader_find_family(const struct metrics_reader *reader,
                                                               const char *name, size_t name_len);

/*
 * Values as they are at the moment of the call, summed over all processes. A counter, a bucket or
 * a count never decreases from one call to the next while the file lives.
 */
uint64_t metrics_reader_counter(const struct metrics_reader *reader,
                                const struct metrics_reader_series *series); /* in steps */
double metrics_reader_gauge(const struct metrics_reader *reader,
                            const struct metrics_reader_series *series);
void metrics_reader_histogram(const struct metrics_reader *reader,
                              const struct metrics_reader_family *family,
                              const struct metrics_reader_series *series,
                              struct metrics_reader_histogram *out);

/* Summed over the processes that lived at the last refresh. */
int64_t metrics_reader_live_gauge(const struct metrics_reader *reader,
                                  const struct metrics_reader_series *series);

/*
 * The slots as they are at the moment of the call (docs/metrics-file.md, "Slots"). Returns 0, or -1
 * if there is no file or its locks can't be looked at.
 */
int metrics_reader_slots(const struct metrics_reader *reader,
                         enum metrics_slot_state states[METRICS_FILE_SLOTS]);

/* What the slot's process has left there, whether it lives or not. */
struct metrics_reader_slot {
    uint64_t pid; /* in the process's own namespace */
    uint64_t start_unix_ns;
    int64_t live[METRICS_FILE_LIVE_GAUGES]; /* by metrics_reader_live_index */
};

void metrics_reader_slot(const struct metrics_reader *reader, unsigned number,
                         struct metrics_reader_slot *out);

/* Where slots keep their part of the live gauge, as of the last refresh; -1 if nowhere. */
int metrics_reader_live_index(const struct metrics_reader *reader,
                              const struct metrics_reader_series *series);

/*
 * The words that processes share, to be read only, for as long as the next refresh is to come.
 * False if there is no file.
 */
bool metrics_reader_words(const struct metrics_reader *reader, struct metrics_words *words);

/* The bucket's exemplar. False if there is none that is whole and lies in the bucket. */
bool metrics_reader_exemplar(const struct metrics_reader *reader,
                             const struct metrics_reader_family *family,
                             const struct metrics_reader_series *series, size_t bucket,
                             struct metrics_reader_exemplar *out);

/* About the file itself, as of the last refresh. */
struct metrics_reader_info {
    char instance_id[IDS_UUID_TEXT + 1];
    uint64_t created_unix_ns;
    uint64_t file_size;
    size_t series_count; /* that can be read */
    uint32_t max_series;
    size_t corrupt_records; /* skipped */
    size_t living;          /* processes that hold a slot */
    uint64_t refused[METRICS_REFUSED_COUNT];
};

void metrics_reader_info(const struct metrics_reader *reader, struct metrics_reader_info *info);

#endif
