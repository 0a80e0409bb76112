#include "fcgi-app/json_tree.h"

#include <string.h>

json_t *json_tree_parse(const char *text, size_t length, bool *no_memory)
{
    json_error_t error;
    json_t *tree;

    *no_memory = false;
    /* jansson takes a NUL byte behind the value for the end of the text. */
    if (length == 0 || memchr(text, '\0', length) != NULL)
        return NULL;
    tree = json_loadb(text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL,
                      &error);
    *no_memory = tree == NULL && json_error_code(&error) == json_error_out_of_memory;
    return tree;
}
