/*
 * The metrics as a file for node_exporter's textfile collector.
 */
#ifndef CLI_TEXTFILE_H
#define CLI_TEXTFILE_H

enum { TEXTFILE_REASON_MAX = 512 };

/*
 * Puts what the agent would serve (text format 0.0.4) of the metrics file in `run_dir` into `path`,
 * with mode 0644: a reader finds the whole old file or the whole new one, and so it does if two
 * processes write at once or one is killed. What is called `path`.new belongs to this function.
 * Waits up to ten seconds for another one. Returns 0, or -1 with a sentence in `reason`; the file
 * is as it was then.
 */
int textfile_write(const char *run_dir, const char *path, char reason[TEXTFILE_REASON_MAX]);

#endif
