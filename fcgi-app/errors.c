#include "fcgi-app/errors.h"

const struct errors_def errors_table[ERRORS_COUNT] = {
    [ERRORS_NONE] = {"", 200, ""},
    [ERRORS_NOT_FOUND] = {"not_found", 404, "Not Found"},
    [ERRORS_FORBIDDEN] = {"forbidden", 403, "Forbidden"},
    [ERRORS_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, "Method Not Allowed"},
    [ERRORS_BODY_TOO_LARGE] = {"body_too_large", 413, "Request body too large"},
    [ERRORS_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415, "Unsupported Media Type"},
    [ERRORS_BAD_CONTENT_LENGTH] = {"bad_content_length", 400, "Content-Length is not a number"},
    [ERRORS_LENGTH_REQUIRED] =
        {"length_required", 400,
         "The request does not say how long its body is: Content-Length is missing or empty"},
    [ERRORS_BODY_INCOMPLETE] = {"body_incomplete", 400,
                                "Request body is shorter than its Content-Length"},
    [ERRORS_MISSING] = {"missing", 422, "Field required"},
    [ERRORS_FLOAT_TYPE] = {"float_type", 422, "Input should be a valid number"},
    [ERRORS_FINITE_NUMBER] = {"finite_number", 422, "Input should be a finite number"},
    [ERRORS_JSON_INVALID] = {"json_invalid", 422, "JSON decode error"},
    [ERRORS_MODEL_ATTRIBUTES_TYPE] =
        {"model_attributes_type", 422,
         "Input should be a valid dictionary or object to extract fields from"},
    [ERRORS_TELEMETRY_UNAVAILABLE] = {"telemetry_unavailable", 503, "Telemetry can't be written"},
    [ERRORS_AGENT_UNREACHABLE] = {"agent_unreachable", 503, "Metrics agent not reachable"},
    [ERRORS_DOWNSTREAM_FAILED] = {"downstream_failed", 502, "Downstream failed"},
    [ERRORS_DOWNSTREAM_TIMEOUT] = {"downstream_timeout", 504, "Downstream timed out"},
    [ERRORS_BREAKER_OPEN] = {"breaker_open", 503, "Downstream unavailable"},
    [ERRORS_CHAOS_ERROR] = {"chaos_error", 500, "Injected error"},
    [ERRORS_CHAOS_ABORT] = {"chaos_abort", 500, "Injected abort"},
    [ERRORS_OUT_OF_MEMORY] = {"out_of_memory", 503, "Out of memory"},
    [ERRORS_GATEWAY_TIMEOUT] = {"gateway_timeout", 504, "Gateway Timeout"},
    [ERRORS_WEB_SERVER] = {"web_server", 500, "Internal Server Error"},
};
