#!/usr/bin/env bats
# Goal: whoever can open an analyze process's socket and sends what no web server does harms nobody
# but himself: libfcgi parses it, and what it can't take costs that connection.

bats_require_minimum_version 1.5.0
load helpers

# With the address sanitizer too libfcgi is told that there is no memory for a parameter of 2^64
# bytes; what it forgets to free is not of interest here. Other reports are.
setup_file() {
    new_folder
    export ASAN_OPTIONS="log_path=$DIR/report:allocator_may_return_null=1:detect_leaks=0"
    start_instance WORKERS=2
}

teardown_file() { remove_folder; }

teardown() {
    refute grep -h 'ERROR: \|SUMMARY: ' "$DIR"/report.* 2>/dev/null
}

# send_parameters PYTHON-BYTES: a request with these bytes after its parameters, to each process.
send_parameters() {
    /usr/bin/python3 - "$ROOT/tests/tools" "$STATE"/run/analyze.sock-* <<PYTHON
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import fastcgi_peer as fastcgi
for path in sys.argv[2:]:
    try:
        answer = fastcgi.post(path, "/analyze", b'{"a":1,"b":2}', 10, [$1])
    except (ConnectionError, FileNotFoundError):
        answer = b""
    assert b"200 OK" not in answer, answer
PYTHON
}

# FASTCGI_SECONDS and FASTCGI_SEED make it longer, and another.
@test "seconds of records in no order: after each connection the next request is answered" {
    /usr/bin/python3 "$ROOT/tests/tools/fastcgi_fuzz.py" "${FASTCGI_SECONDS:-5}" "${FASTCGI_SEED:-1}" \
        "$STATE"/run/analyze.sock-*
    analyze '{"a": 1, "b": 2}'
    expect 200 '.sum == 3'
}

@test "parameter lengths that nobody has are refused, and the next requests are answered" {
    local bytes i
    for bytes in 'b"\xff\xff\xff\xff\x00"' 'b"\x01\xff\xff\xff\xffa"' \
        'b"\xff\xff\xff\xff\xff\xff\xff\xffabc"' 'b"\xc0\x00\x00\x00\x00"' \
        'b"\xbf\xff\xff\xff\xbf\xff\xff\xff"' 'b"\x05\x05abc"'; do
        send_parameters "$bytes"
        for i in 1 2 3 4 5 6; do
            analyze '{"a": 1, "b": 2}'
            expect 200 '.sum == 3'
        done
    done
}
