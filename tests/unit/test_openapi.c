/*
 * Goal: what is documented of the API stays true. The OpenAPI document names every route with its
 * method and no other, every reference in it resolves, each error status of the table of errors is
 * there, and the page that shows it allows its own script and no other.
 */
#include "fcgi-app/docs_page.h"
#include "fcgi-app/errors.h"
#include "fcgi-app/openapi.h"
#include "fcgi-app/route.h"
#include "fcgi-app/swagger_ui.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static json_t *document;

static int load(void **state)
{
    static char text[32768];
    struct json_writer w;

    (void)state;
    json_writer_init(&w, text, sizeof(text));
    openapi_write(&w);
    document = json_loadb(text, w.len, JSON_REJECT_DUPLICATES, NULL);
    return w.overflow || document == NULL ? -1 : 0;
}

static int unload(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

static void has_every_route_and_no_other(void **state)
{
    json_t *paths = json_object_get(document, "paths");

    (void)state;
    assert_int_equal(json_object_size(paths), ROUTE_OTHER);
    for (int id = 0; id < ROUTE_OTHER; id++) {
        json_t *path = json_object_get(paths, route_table[id].path);
        const char *method;
        json_t *operation;

        const bool is_get = route_table[id].method == METHOD_GET;

        assert_int_equal(json_object_size(path), is_get ? 2 : 1);
        json_object_foreach(path, method, operation)
        {
            const bool is_head = is_get && strcmp(method, "head") == 0;

            assert_true(is_head || strcasecmp(method, method_names[route_table[id].method]) == 0);
            assert_int_equal(
                json_object_get(json_object_get(operation, "responses"), "405") == NULL, is_head);
        }
    }
}

static void has_the_version_of_the_build(void **state)
{
    json_t *version = json_object_get(json_object_get(document, "info"), "version");

    (void)state;
    assert_string_equal(json_string_value(version), MICROTRACE_VERSION);
}

static json_t *resolve(const char *reference)
{
    json_t *at = document;
    char part[64];
    int used;

    assert_int_equal(strncmp(reference, "#/", 2), 0);
    reference += 2;
    while (sscanf(reference, "%63[^/]%n", part, &used) == 1) {
        at = json_object_get(at, part);
        reference += used + (reference[used] == '/');
    }
    return at;
}

static unsigned check_references(json_t *value)
{
    const char *key;
    json_t *child;
    size_t index;
    unsigned count = 0;

    json_object_foreach(value, key, child)
    {
        if (strcmp(key, "$ref") == 0) {
            assert_non_null(resolve(json_string_value(child)));
            count++;
        }
        count += check_references(child);
    }
    json_array_foreach(value, index, child)
    {
        count += check_references(child);
    }
    return count;
}

static void resolves_all_references(void **state)
{
    (void)state;
    assert_true(check_references(document) > 20);
    assert_null(resolve("#/components/schemas/Nothing"));
}

static void has_the_error_shapes(void **state)
{
    static const enum errors_kind analyze_errors[] = {
        ERRORS_METHOD_NOT_ALLOWED, ERRORS_BODY_TOO_LARGE,  ERRORS_UNSUPPORTED_MEDIA_TYPE,
        ERRORS_BAD_CONTENT_LENGTH, ERRORS_BODY_INCOMPLETE, ERRORS_MISSING,
    };
    json_t *responses = json_object_get(
        json_object_get(json_object_get(json_object_get(document, "paths"), "/analyze"), "post"),
        "responses");
    json_t *types = resolve("#/components/schemas/ValidationError/properties/type/enum");
    size_t kinds = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(analyze_errors) / sizeof(analyze_errors[0]); i++) {
        char status[8];

        (void)snprintf(status, sizeof(status), "%d", errors_table[analyze_errors[i]].status);
        assert_non_null(json_object_get(responses, status));
    }
    for (int kind = 0; kind < ERRORS_COUNT; kind++) {
        size_t index;
        json_t *type;
        unsigned found = 0;

        if (errors_table[kind].status != 422)
            continue;
        json_array_foreach(types, index, type)
        {
            found += strcmp(json_string_value(type), errors_table[kind].name) == 0;
        }
        assert_int_equal(found, 1);
        kinds++;
    }
    assert_int_equal(json_array_size(types), kinds);
}

/* coreutils and openssl are not linked here, so the hash is asked of sha256sum. */
static void page_allows_its_own_script(void **state)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct docs_page page;
    char command[512];
    unsigned char hash[33] = {0};
    char base64[45] = "";
    char source[80];
    FILE *pipe;

    (void)state;
    (void)snprintf(command, sizeof(command), "printf %%s \"%s\" | sha256sum", docs_page_script);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    for (int i = 0; i < 32; i++) {
        unsigned byte;

        assert_int_equal(fscanf(pipe, "%2x", &byte), 1);
        hash[i] = (unsigned char)byte;
    }
    assert_int_equal(pclose(pipe), 0);
    for (int i = 0; i < 33; i += 3) {
        unsigned group = (unsigned)hash[i] << 16 | (unsigned)hash[i + 1] << 8 | hash[i + 2];

        for (int j = 0; j < 4; j++)
            base64[i / 3 * 4 + j] = alphabet[group >> (18 - 6 * j) & 63];
    }
    base64[43] = '=';
    (void)snprintf(source, sizeof(source), "'sha256-%s'", base64);
    docs_page_init(&page, NULL);
    assert_non_null(strstr(page.content_security_policy, source));
    assert_non_null(strstr(page.html, docs_page_script));
}

static void touch(const char *folder, const char *name)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

static void page_takes_local_files_where_they_are(void **state)
{
    char folder[] = "/tmp/microtrace-docs-XXXXXX";
    char path[256];
    struct docs_page page;

    (void)state;
    assert_non_null(mkdtemp(folder));
    docs_page_init(&page, folder);
    assert_non_null(strstr(page.html, SWAGGER_UI_CDN));
    assert_non_null(strstr(page.content_security_policy, SWAGGER_UI_CDN));
    touch(folder, SWAGGER_UI_CSS);
    touch(folder, SWAGGER_UI_JS);
    docs_page_init(&page, folder);
    assert_null(strstr(page.html, SWAGGER_UI_CDN));
    assert_null(strstr(page.content_security_policy, SWAGGER_UI_CDN));
    assert_non_null(strstr(page.html, "\"docs/" SWAGGER_UI_JS "\""));
    assert_int_equal(page.length, strlen(page.html));
    (void)snprintf(path, sizeof(path), "%s/%s", folder, SWAGGER_UI_CSS);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, SWAGGER_UI_JS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_every_route_and_no_other),
        cmocka_unit_test(has_the_version_of_the_build),
        cmocka_unit_test(resolves_all_references),
        cmocka_unit_test(has_the_error_shapes),
        cmocka_unit_test(page_allows_its_own_script),
        cmocka_unit_test(page_takes_local_files_where_they_are),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
