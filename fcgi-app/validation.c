#include "fcgi-app/validation.h"

#include "fcgi-app/json_tree.h"
#include "lib/base/decimal.h"
#include "lib/base/json_scan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_error(struct validation *validation, enum errors_kind kind, const char *field,
                      struct text input)
{
    validation->errors[validation->error_count++] =
        (struct validation_error){.kind = kind, .field = field, .input = input};
}

/* Reads a member of the parsed body, whose numbers are finite; false if it is not a number. */
static bool take_number(const struct validation *validation, const char *field, double *number)
{
    const json_t *const member = json_object_get(validation->tree, field);

    *number = json_number_value(member);
    return json_is_number(member);
}

/* Reads one member, or adds what is wrong with it. */
static void read_number(struct validation *validation, const char *field, double *number)
{
    struct text value;

    if (take_number(validation, field, number))
        return;
    value = json_walk_get(validation->text, field);
    if (value.at == NULL)
        add_error(validation, ERRORS_MISSING, field, validation->text);
    else if (validation->tree != NULL || json_walk_double(value, number) != 0)
        add_error(validation, ERRORS_FLOAT_TYPE, field, value);
    else if (!isfinite(*number))
        add_error(validation, ERRORS_FINITE_NUMBER, field, value);
}

/* Reads the body as JSON. Returns ERRORS_NONE, or what is wrong. */
static enum errors_kind read_document(struct validation *validation, const char *body,
                                      size_t length)
{
    const size_t blanks = strspn(body, " \t\r\n");
    bool no_memory;

    validation->tree = json_tree_parse(body, length, &no_memory);
    if (no_memory)
        return ERRORS_OUT_OF_MEMORY;
    if (validation->tree == NULL &&
        !json_walk_valid((struct text){body, length}, true, &validation->fault))
        return ERRORS_JSON_INVALID;
    validation->text = (struct text){body + blanks, length - blanks};
    return ERRORS_NONE;
}

void validation_parse(struct validation *validation, const char *body, size_t length)
{
    static const struct text nothing = {NULL, 0};
    enum errors_kind fault;

    validation->error_count = 0;
    validation->tree = NULL;
    if (length == 0) {
        add_error(validation, ERRORS_MISSING, NULL, nothing);
        return;
    }
    fault = read_document(validation, body, length);
    if (fault != ERRORS_NONE) {
        add_error(validation, fault, NULL, nothing);
        return;
    }
    if (validation->text.at[0] != '{') {
        add_error(validation, ERRORS_MODEL_ATTRIBUTES_TYPE, NULL, validation->text);
        return;
    }
    read_number(validation, "a", &validation->a);
    read_number(validation, "b", &validation->b);
    if (validation->error_count == 0 &&
        (!isfinite(validation->a + validation->b) || !isfinite(validation->a - validation->b)))
        add_error(validation, ERRORS_FINITE_NUMBER, NULL, validation->text);
}

void validation_free(struct validation *validation)
{
    json_decref(validation->tree);
    validation->tree = NULL;
}

static void write_location(struct json_writer *w, const struct validation *validation,
                           const struct validation_error *error)
{
    json_writer_key(w, "loc");
    json_writer_begin_array(w);
    json_writer_string(w, "body");
    if (error->kind == ERRORS_JSON_INVALID)
        json_writer_uint(w, validation->fault.at);
    else if (error->field != NULL)
        json_writer_string(w, error->field);
    json_writer_end_array(w);
}

static void write_message(struct json_writer *w, const struct validation *validation,
                          const struct validation_error *error)
{
    char message[128];

    json_writer_key(w, "msg");
    if (error->kind != ERRORS_JSON_INVALID) {
        json_writer_string(w, errors_table[error->kind].message);
        return;
    }
    (void)snprintf(message, sizeof(message), "%s: %s", errors_table[error->kind].message,
                   validation->fault.what);
    json_writer_string(w, message);
}

/* A string of the body, `text` with its quotes, with our own escapes. */
static void echo_string(struct json_writer *w, struct text text)
{
    const char *at = text.at + 1, *const end = text.at + text.len - 1;

    json_writer_bytes(w, "\"", 1);
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        char character[UTF8_MAX];

        json_writer_text(w, at, (size_t)((slash != NULL ? slash : end) - at));
        if (slash == NULL)
            break;
        at = slash + 1;
        json_writer_text(w, character, json_walk_unescape(&at, end, character));
    }
    json_writer_bytes(w, "\"", 1);
}

static void echo_number(struct json_writer *w, struct text text)
{
    char digits[DECIMAL_DOUBLE_SIZE];
    double number = 0;

    if (json_walk_double(text, &number) == 0 && isfinite(number)) {
        json_writer_bytes(w, digits, decimal_double(digits, number));
        return;
    }
    json_writer_bytes(w, "\"", 1);
    json_writer_bytes(w, text.at, text.len);
    json_writer_bytes(w, "\"", 1);
}

/* A value of the body: its brackets and words as they are, its strings and numbers our way. */
static void echo(struct json_writer *w, struct text value)
{
    const char *at = value.at, *const end = value.at + value.len;

    while (at < end) {
        const bool is_string = *at == '"', is_number = *at == '-' || (*at >= '0' && *at <= '9');
        const char *stop = is_string || is_number ? json_scan_value(at, end) : NULL;
        const struct text token = {at, stop != NULL ? (size_t)(stop - at) : 1};

        if (is_string)
            echo_string(w, token);
        else if (is_number)
            echo_number(w, token);
        else if (strchr(" \t\r\n", *at) == NULL)
            json_writer_bytes(w, at, 1);
        at += token.len;
    }
    w->comma = true;
}

static void write_input(struct json_writer *w, const struct validation_error *error)
{
    if (error->input.at != NULL) {
        echo(w, error->input);
    } else if (error->kind == ERRORS_JSON_INVALID) {
        json_writer_begin_object(w);
        json_writer_end_object(w);
    } else {
        json_writer_null(w);
    }
}

/* A long input becomes a string: the start of its text. */
static void write_input_cut(struct json_writer *w, const struct validation_error *error)
{
    struct text text = json_walk_string(error->input);

    if (error->input.len <= VALIDATION_LOGGED_INPUT_MAX) {
        write_input(w, error);
        return;
    }
    if (text.at == NULL)
        text = error->input;
    if (text.len > VALIDATION_LOGGED_INPUT_MAX)
        text.len = VALIDATION_LOGGED_INPUT_MAX;
    json_writer_string_n(w, text.at, text.len);
}

static void write_errors(struct json_writer *w, const struct validation *validation,
                         void (*write_one_input)(struct json_writer *,
                                                 const struct validation_error *))
{
    json_writer_begin_array(w);
    for (unsigned i = 0; i < validation->error_count; i++) {
        const struct validation_error *error = &validation->errors[i];

        json_writer_begin_object(w);
        json_writer_key_string(w, "type", errors_table[error->kind].name);
        write_location(w, validation, error);
        write_message(w, validation, error);
        json_writer_key(w, "input");
        write_one_input(w, error);
        json_writer_end_object(w);
    }
    json_writer_end_array(w);
}

void validation_write_errors(struct json_writer *w, const struct validation *validation)
{
    write_errors(w, validation, write_input);
}

void validation_write_errors_cut(struct json_writer *w, const struct validation *validation)
{
    write_errors(w, validation, write_input_cut);
}
