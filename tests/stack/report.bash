# shellcheck shell=bash
# How the tests of containers check and tell. REPORT is what each line begins with.

passed=0 failed=0

say() {
    printf '%s: %s\n' "$REPORT" "$*"
}

# check NAME COMMAND...
check() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        say "ok: $name"
    else
        failed=$((failed + 1))
        say "FAILED: $name"
    fi
}

# checks COMMAND...: one that prints "ok WHAT" and "not ok WHAT" itself, and at last "done".
checks() {
    local line output status=0
    output=$("$@") || status=$?
    while read -r line; do
        case $line in
        "ok "*) check "${line#ok }" true ;;
        "not ok "*) check "${line#not ok }" false ;;
        done) ;;
        *) echo "    $line" ;;
        esac
    done <<<"$output"
    # One that breaks off has said less than it should.
    [ "${output##*$'\n'}" = "done" ] || check "$* comes to its end (exit status $status)" false
}

# until_true SECONDS COMMAND...: polls until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.2
    done
}

# need PROGRAM...: installs the packages of these tests where any of the programs is missing. An engine
# from elsewhere will do too, and Debian's would not go with it.
need() {
    local program
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            scripts/install-packages stack
            return
        fi
    done
}

# The line that counts; its status is that of the test.
report_counts() {
    say "everything took $SECONDS s"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
