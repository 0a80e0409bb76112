/*
 * JSON that came over the network, as jansson's tree.
 */
#ifndef FCGI_APP_JSON_TREE_H
#define FCGI_APP_JSON_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Parses `length` bytes as one JSON value (RFC 8259); all its numbers are reals, so that -0 keeps
 * its sign. Returns a tree for json_decref, or NULL if it is not JSON, holds a number beyond the
 * range of a double or NUL in a member's name, or if there is no memory: *no_memory tells.
 */
json_t *json_tree_parse(const char *text, size_t length, bool *no_memory);

#endif
