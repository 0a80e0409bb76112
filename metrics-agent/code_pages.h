/*
 * The pages of code in this process's memory.
 */
#ifndef METRICS_AGENT_CODE_PAGES_H
#define METRICS_AGENT_CODE_PAGES_H

/*
 * Gives back those of the program and its libraries, most of which ran once, at the start: the
 * linker's tables, the initialization of the TLS library. They stay in the page cache, and what is
 * needed again is mapped again, a microsecond a page.
 */
void code_pages_rest(void);

#endif
