#!/usr/bin/env bats
# Goal: in a real browser /docs is Swagger UI, and its "Try it out" of POST /analyze works.

load helpers

# The driver of the browser, from npm, kept outside the tree. It has no dependencies of its own.
PLAYWRIGHT=playwright-core@1.65.0

setup() {
    common_setup
}

teardown() {
    common_teardown
}

playwright() {
    local dir=${XDG_CACHE_HOME:-$HOME/.cache}/microtrace/$PLAYWRIGHT
    [[ -d $dir/node_modules/playwright-core ]] ||
        npm install --prefix "$dir" --no-save --ignore-scripts --no-audit --no-fund \
            "$PLAYWRIGHT" >&2 || return 1
    echo "$dir/node_modules"
}

@test "/docs shows Swagger UI and executes POST /analyze" {
    need_command chromium node npm
    modules=$(playwright) || absent "$PLAYWRIGHT can't be installed"
    [[ -n ${MICROTRACE_DOCS_ASSETS:-} ]] || absent "the files of Swagger UI were not fetched"
    start_microtrace
    NODE_PATH=$modules node "$HERE/docs_page.js" "http://127.0.0.1:$HTTP_PORT/docs" "$DIR"
    [ -s "$DIR/docs.png" ]
}
