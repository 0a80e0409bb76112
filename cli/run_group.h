/*
 * What a command has started, where it shares its process group with others: on a terminal, with
 * the shell's pipeline.
 */
#ifndef CLI_RUN_GROUP_H
#define CLI_RUN_GROUP_H

/*
 * Makes this process the parent of all orphans below it (PR_SET_CHILD_SUBREAPER), so that they are
 * found as its descendants.
 */
void run_group_adopt(void);

/*
 * Sends `signal`, or nothing for 0, to each living descendant of this process that is in its
 * process group. A daemon, which has left the group, is spared. Returns how many there are; 0 where
 * /proc can't be read.
 */
unsigned run_group_signal(int signal);

#endif
