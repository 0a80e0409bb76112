#include "view/view_walk.h"

#include <stddef.h>

static struct view_span *shown(struct view_span *span)
{
    while (span != NULL && span->folded)
        span = span->next;
    return span;
}

void view_walk_begin(struct view_walk *walk, struct view_trace *trace)
{
    *walk = (struct view_walk){.trace = trace, .child = shown(trace->roots), .note = trace->notes};
}

bool view_walk_next(struct view_walk *walk)
{
    for (;;) {
        struct view_span *const inside = walk->inside;
        struct view_span **const child = inside != NULL ? &inside->walk_child : &walk->child;
        struct view_note **const note = inside != NULL ? &inside->walk_note : &walk->note;

        walk->span = inside;
        if (*note != NULL && (*child == NULL || (*note)->offset_ns <= (*child)->offset_ns)) {
            walk->what = VIEW_WALK_NOTE;
            walk->at = *note;
            *note = (*note)->next;
            return true;
        }
        if (*child != NULL) {
            walk->what = VIEW_WALK_SPAN;
            walk->span = walk->inside = *child;
            *child = shown((*child)->next);
            walk->span->walk_child = shown(walk->span->children);
            walk->span->walk_note = walk->span->notes;
            return true;
        }
        if (inside == NULL)
            return false;
        walk->inside = inside->parent;
        walk->what = VIEW_WALK_FOLDED;
        if (inside->fold_count > 0)
            return true;
    }
}

bool view_walk_more(const struct view_walk *walk, const struct view_span *span)
{
    if (span == NULL)
        return walk->child != NULL || walk->note != NULL;
    return span->walk_child != NULL || span->walk_note != NULL;
}
