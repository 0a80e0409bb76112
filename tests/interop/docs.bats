#!/usr/bin/env bats
# Goal: in a real browser /docs is Swagger UI, and its "Try it out" of POST /analyze works.

load helpers

setup() {
    common_setup
}

teardown() {
    common_teardown
}

@test "/docs shows Swagger UI and executes POST /analyze" {
    need_command chromium node npm
    modules=$("$ROOT/tests/tools/playwright") || absent "Playwright can't be installed"
    [[ -n ${MICROTRACE_DOCS_ASSETS:-} ]] || absent "the files of Swagger UI were not fetched"
    start_microtrace
    NODE_PATH=$modules node "$HERE/docs_page.js" "http://127.0.0.1:$HTTP_PORT/docs" "$DIR"
    [ -s "$DIR/docs.png" ]
}
