#include "http/method.h"

#include "lib/base/text.h"

#include <string.h>

const char *const method_names[METHOD_COUNT] = {
    [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
    [METHOD_PUT] = "PUT",         [METHOD_DELETE] = "DELETE", [METHOD_CONNECT] = "CONNECT",
    [METHOD_OPTIONS] = "OPTIONS", [METHOD_TRACE] = "TRACE",   [METHOD_PATCH] = "PATCH",
    [METHOD_QUERY] = "QUERY",     [METHOD_OTHER] = "_OTHER",
};

enum method method_parse(const char *text)
{
    if (text == NULL)
        return METHOD_OTHER;
    for (enum method method = 0; method < METHOD_OTHER; method++) {
        if (strcmp(text, method_names[method]) == 0)
            return method;
    }
    return METHOD_OTHER;
}

const char *method_known(const char *text, const char *list)
{
    if (list == NULL)
        return method_names[method_parse(text)];
    while (text != NULL && *list != '\0') {
        const size_t len = strcspn(list, ",");
        const struct text one = text_trim((struct text){list, len});

        if (one.len <= METHOD_LISTED_MAX && text_is(one, text))
            return text;
        list += len + (list[len] == ',');
    }
    return method_names[METHOD_OTHER];
}
