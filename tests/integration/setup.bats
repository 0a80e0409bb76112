#!/usr/bin/env bats
# Goal: a user without root has an instance after `microtrace setup`: nothing is made behind his
# back or outside of his folder, what he changed is his, whatever his paths look like; and plain CGI
# with it counts exactly.

bats_require_minimum_version 1.5.0
load helpers

CLIENTS=16

setup() {
    DIR=$(mktemp -d "${TMPDIR:-/tmp}/microtrace.XXXXXX")
    chmod 711 "$DIR"
    HOME=$DIR
    PLACE=$DIR/microtrace
    SINK_PID='' SERVER=''
    cd "$DIR" || return 1
}

teardown() {
    local pid
    for pid in $SINK_PID $SERVER; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    umount -l "$DIR/place" 2>/dev/null || true
    rm -rf "$DIR"
}

start_sink() {
    /usr/bin/python3 "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" --dump "$DIR/dump" \
        2>"$DIR/sink.log" 3>&- &
    SINK_PID=$!
    wait_until test -s "$DIR/port"
    SINK=http://127.0.0.1:$(cat "$DIR/port")
}

# as_cgi PROGRAM PATH BODY [NAME=VALUE...]: with what a web server gives, and no more.
as_cgi() {
    printf '%s' "$3" | env -i PATH=/usr/bin:/bin GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
        SERVER_NAME=localhost SERVER_PORT=80 REMOTE_ADDR=192.0.2.1 REQUEST_METHOD=POST \
        SCRIPT_NAME=/cgi-bin/x PATH_INFO="$2" QUERY_STRING= CONTENT_LENGTH=${#3} \
        CONTENT_TYPE=application/json "${@:4}" "$1"
}

# the_line: the line for the crontab, the last one of what setup printed.
the_line() { tail -n 1 <<<"$output"; }

# run_line LINE: as cron does (crontab(5)): a % that no backslash stands before would end the command.
run_line() {
    /usr/bin/python3 - "$1" "$DIR" <<'PYTHON'
import os, re, subprocess, sys
fields = sys.argv[1].split(" ", 5)
assert fields[:5] == ["*"] * 5, fields
command, escaped = "", False
for c in fields[5]:
    if escaped:
        command += c if c == "%" else "\\" + c
        escaped = False
    elif c == "\\":
        escaped = True
    else:
        assert c != "%", "cron would end the command here"
        command += c
done = subprocess.run(["/bin/sh", "-c", command], cwd=sys.argv[2], capture_output=True, timeout=60,
                      env={"HOME": sys.argv[2], "LOGNAME": "u", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"})
sys.stdout.buffer.write(done.stdout + done.stderr)
sys.exit(done.returncode)
PYTHON
}

@test "it says each thing that it makes, and makes no other" {
    umask 077
    run -0 "$BIN/microtrace" setup
    [ "$(sed -n 's/^made *//p' <<<"$output")" = "$PLACE/
$PLACE/run/
$PLACE/spool/
$PLACE/cgi-bin/
$PLACE/microtrace.conf
$PLACE/cgi-bin/microtrace.cgi" ]
    [ "$(cd "$PLACE" && find . -printf '%m %p\n' | sort -k 2)" = "711 .
755 ./cgi-bin
755 ./cgi-bin/microtrace.cgi
600 ./microtrace.conf
700 ./run
700 ./spool" ]
    [ "$(ls -A "$DIR")" = microtrace ]
    [[ $(the_line) == "* * * * * MICROTRACE_CONFIG_FILE='$PLACE/microtrace.conf' '$BIN/microtrace' cron" ]]
}

@test "the CGI program answers and counts, the line of the crontab sends it, and says nothing" {
    start_sink
    run -0 "$BIN/microtrace" setup "$DIR/place"
    echo "OTEL_EXPORTER_OTLP_ENDPOINT=$SINK" >>place/microtrace.conf
    [[ $(as_cgi place/cgi-bin/microtrace.cgi /analyze '{"a": 10.5, "b": 3.5}') == *'{"sum": 14.0, "difference": 7.0}' ]]
    STATE=$DIR/place expect metric 'requests_total{status="200"}' --eq 1
    [ -z "$(run_line "$(the_line)" 2>&1)" ]
    [ "$(grep -c '"signal": *"traces"' dump)" -eq 2 ]
}

@test "again: all is kept, also what was changed; what nobody changed follows the programs" {
    run -0 "$BIN/microtrace" setup place
    echo "OTEL_SERVICE_NAME=my-site" >>place/microtrace.conf
    cp -p place/microtrace.conf before
    run -0 "$BIN/microtrace" setup place
    [ "$(grep -c '^kept' <<<"$output")" -eq 6 ]
    [ "$(grep -c '^made\|^renewed' <<<"$output")" -eq 0 ]
    [[ $output == *"kept    $DIR/place/microtrace.conf (it was changed)"* ]]
    cmp before place/microtrace.conf

    # The next version is in another folder.
    mkdir next
    cp "$BIN"/{microtrace,analyze,microtrace-cgi} next
    run -0 next/microtrace setup place
    [[ $output == *"renewed $DIR/place/cgi-bin/microtrace.cgi"* ]]
    grep -q "exec '$DIR/next/analyze'" place/cgi-bin/microtrace.cgi
    cmp before place/microtrace.conf
    sed -i 's/^exec/ulimit -t 5; exec/' place/cgi-bin/microtrace.cgi
    run -0 "$BIN/microtrace" setup place
    [[ $output == *"kept    $DIR/place/cgi-bin/microtrace.cgi (it was changed)"* ]]
    grep -q "ulimit -t 5; exec '$DIR/next/analyze'" place/cgi-bin/microtrace.cgi
    # A mode is a change too, and kept.
    chmod 640 place/microtrace.conf
    run -0 "$BIN/microtrace" setup place
    [ "$(stat -c %a place/microtrace.conf)" = 640 ]
    rm place/cgi-bin/microtrace.cgi
    run -0 "$BIN/microtrace" setup place
    grep -q "exec '$BIN/analyze'" place/cgi-bin/microtrace.cgi
}

@test "a line in front of all others is a change, too" {
    run -0 "$BIN/microtrace" setup place
    sed -i '1i OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.example:4318' place/microtrace.conf
    sed -i '1s|.*|#!/bin/bash|' place/cgi-bin/microtrace.cgi
    cp place/microtrace.conf before
    run -0 "$BIN/microtrace" setup place
    [[ $output == *"kept    $DIR/place/microtrace.conf (it was changed)"* ]]
    cmp before place/microtrace.conf
    [ "$(head -n 1 place/cgi-bin/microtrace.cgi)" = '#!/bin/bash' ]
}

@test "several at once make one instance, and none of them fails" {
    local round i
    for round in {1..10}; do
        rm -rf place
        for i in 1 2 3 4; do
            { "$BIN/microtrace" setup place >"out.$i" 2>&1 || echo failed >>"out.$i"; } 3>&- &
        done
        wait
        [ "$(cat out.* | grep -c '^made .*microtrace.conf$')" -eq 1 ] || { cat out.* && false; }
        refute grep -h failed out.*
        [ "$(find place -name '*.new')" = '' ]
    done
}

@test "who owns a folder above it, or may write there, is a note" {
    mkdir -m 755 safe
    run -0 "$BIN/microtrace" setup safe/place
    refute grep '^note .*another user' <<<"$output"
    mkdir open
    chmod 777 open
    run -0 "$BIN/microtrace" setup open/place
    [[ $output == *"note    $DIR/open is another user's, or everybody may write there"* ]]
    chmod 1777 open
    run -0 "$BIN/microtrace" setup open/place
    refute grep '^note .*another user' <<<"$output"
}

@test "blanks, quotes, dollars and percent signs in paths survive, in every file and in the crontab" {
    local odd="$DIR/it's 100% \"odd\" \$HOME \`id\` & (ü);*"
    start_sink
    mkdir "$odd" "$odd/bin"
    cp "$BIN"/{microtrace,analyze,metrics-agent,microtrace-cgi} "$odd/bin"
    printf '#!/bin/sh\necho "Content-Type: text/plain"\necho\necho "$SCRIPT_FILENAME"\n' >"$odd/my % script"
    chmod +x "$odd/my % script"
    run -0 "$odd/bin/microtrace" setup "$odd/place" --script "$odd/my % script"
    echo "OTEL_EXPORTER_OTLP_ENDPOINT=$SINK" >>"$odd/place/microtrace.conf"
    [[ $(as_cgi "$odd/place/cgi-bin/microtrace.cgi" /analyze '{"a": 10.5, "b": 3.5}') == *'{"sum": 14.0, '* ]]
    [[ $(as_cgi "$odd/place/cgi-bin/my % script" '' '') == *"$odd/my % script" ]]
    STATE="$odd/place" expect metric 'requests_total{path="/analyze"}' --eq 1
    [ -z "$(run_line "$(the_line)" 2>&1)" ]
    [ "$(grep -c '"signal": *"traces"' dump)" -eq 3 ]
    [ "$(ls -A "$DIR" | wc -l)" -eq 4 ] # this folder, the sink's port, dump and log
}

@test "a script runs under microtrace-cgi, with an id, a span, a log line and its count" {
    printf '#!/bin/sh\necho "Content-Type: text/plain"\necho\necho "$HTTP_X_REQUEST_ID"\necho oops >&2\n' >hello.cgi
    chmod +x hello.cgi
    run -0 "$BIN/microtrace" setup --script hello.cgi
    [[ $output == *"made    $PLACE/cgi-bin/hello.cgi"* ]]
    run -0 as_cgi "$PLACE/cgi-bin/hello.cgi" '' '' HTTP_X_REQUEST_ID=hello-1 SCRIPT_NAME=/cgi-bin/hello.cgi
    [[ $output == *"X-Request-ID: hello-1"*hello-1 ]]
    STATE=$PLACE expect metric 'requests_total{path="/cgi-bin/hello.cgi",status="200"}' --eq 1
    STATE=$PLACE expect span --request hello-1
    STATE=$PLACE expect log --request hello-1 --message stderr
    chmod -x hello.cgi
    run -1 "$BIN/microtrace" setup --script hello.cgi
    [[ $output == *"--script: hello.cgi: Permission denied"* ]]
    run -1 "$BIN/microtrace" setup --script nothing.cgi
    [[ $output == *"--script: nothing.cgi: No such file or directory"* ]]
}

@test "no link is followed: what it leads to stays as it is" {
    local name
    mkdir target
    for name in run spool cgi-bin microtrace.conf cgi-bin/microtrace.cgi .; do
        rm -rf place target/*
        case $name in
        .) ln -s target place ;;
        *)
            mkdir -p "place/$(dirname "$name")"
            ln -s "$DIR/target" "place/$name"
            ;;
        esac
        run -1 --separate-stderr "$BIN/microtrace" setup place
        # shellcheck disable=SC2154
        [[ $stderr == *"symbolic link"* ]] && [ "${#stderr_lines[@]}" -eq 1 ] || { echo "$name: $stderr" && false; }
        [ -z "$(ls -A target)" ]
    done
    # A link that leads nowhere makes nothing there.
    rm -rf place
    mkdir place
    ln -s "$DIR/elsewhere" place/microtrace.conf
    run -1 "$BIN/microtrace" setup place
    [ ! -e elsewhere ]
}

@test "what others may write to, what is another's, and what is no folder is refused in one line" {
    mkdir -m 775 open
    run -1 "$BIN/microtrace" setup open
    [[ $output == *"/open: others may write there; take that away: chmod go-w" ]]
    touch file
    run -1 "$BIN/microtrace" setup file
    [[ $output == *"file: it is no folder"* ]]
    run -1 "$BIN/microtrace" setup missing/place
    [[ $output == *"missing/place: No such file or directory" ]]
    run -1 "$BIN/microtrace" setup 'back\slash'
    [ ! -e 'back\slash' ]
    run -1 "$BIN/microtrace" setup $'two\nlines'
    [ ! -e $'two\nlines' ]
    run -2 env -u HOME "$BIN/microtrace" setup
    [[ $output == *"say where: microtrace setup DIR"* ]]
    run -2 "$BIN/microtrace" setup one two
    [ "$(id -u)" -eq 0 ] || skip "the rest needs root"
    mkdir anothers
    chown nobody anothers
    run -1 "$BIN/microtrace" setup anothers
    [[ $output == *"anothers: it belongs to another user; "* ]]
}

@test "full, read-only or cut short: nothing half made passes for a user's change" {
    mkdir place
    mount -t tmpfs -o size=4k,mode=755 none place 2>/dev/null || skip "no mount is permitted here"
    head -c 4096 /dev/zero >place/filler
    run -1 --separate-stderr "$BIN/microtrace" setup place
    [ "${#stderr_lines[@]}" -eq 1 ]
    umount place
    run -0 "$BIN/microtrace" setup place
    [ "$(grep -c '^made' <<<"$output")" -eq 5 ]
    # As a loss of power may leave it, behind a rename.
    : >place/microtrace.conf
    run -0 "$BIN/microtrace" setup place
    [[ $output == *"renewed $DIR/place/microtrace.conf"* ]]
    grep -q '^MICROTRACE_RUN_DIR=' place/microtrace.conf
}

@test "killed at each step, it makes the same the next time" {
    case $BUILD in */asan*) skip "the sanitizer does not run below strace" ;; esac
    strace -o /dev/null true 2>/dev/null || skip "no strace here"
    local call n whole
    umask 077
    "$BIN/microtrace" setup place >/dev/null
    whole=$(find place -printf '%m %s %p\n' | sort)
    for call in mkdirat fchmod write renameat; do
        for n in 1 2 3 4 5; do
            rm -rf place
            # The shell says "Killed" of it.
            { strace -o /dev/null -e inject="$call":signal=KILL:when=$n "$BIN/microtrace" setup place >/dev/null; } 2>/dev/null || true
            run -0 "$BIN/microtrace" setup place
            [ "$(find place -printf '%m %s %p\n' | sort)" = "$whole" ] || { echo "$call $n" && find place -ls && false; }
        done
    done
}

# --- Plain CGI behind web servers, as the user has it ---

# start_lighttpd: cgi-bin is the user's.
start_lighttpd() {
    read -r HTTP_PORT < <(free_ports 1)
    URL=http://127.0.0.1:$HTTP_PORT
    cat >lighttpd.conf <<CONF
server.modules = ( "mod_alias", "mod_cgi" )
server.bind = "127.0.0.1"
server.port = $HTTP_PORT
server.document-root = "$DIR"
server.upload-dirs = ( "$DIR" )
alias.url = ( "/cgi-bin/" => "$PLACE/cgi-bin/" )
cgi.assign = ( ".cgi" => "" )
CONF
    lighttpd -D -f lighttpd.conf >server.log 2>&1 </dev/null 3>&- &
    SERVER=$!
    wait_until curl -s -o /dev/null "$URL/"
}

start_apache() {
    local modules=/usr/lib/apache2/modules name
    read -r HTTP_PORT < <(free_ports 1)
    URL=http://127.0.0.1:$HTTP_PORT
    {
        for name in mpm_event authz_core alias cgid; do
            echo "LoadModule ${name}_module $modules/mod_$name.so"
        done
        if [ "$(id -u)" -eq 0 ]; then
            echo "User nobody"
            echo "Group nogroup"
        fi
        cat <<CONF
ServerName localhost
Listen 127.0.0.1:$HTTP_PORT
PidFile $DIR/pid
ScriptSock $DIR/cgid.sock
ErrorLog $DIR/server.log
Mutex file:$DIR
DocumentRoot $PLACE/cgi-bin
ScriptAlias /cgi-bin/ $PLACE/cgi-bin/
CONF
    } >apache.conf
    # As root it hands its processes to somebody else: as suexec does, to the user whose folder it is.
    [ "$(id -u)" -ne 0 ] || chown -R nobody:nogroup "$DIR"
    # At its end Apache signals its whole process group.
    setsid apache2 -d "$DIR" -f "$DIR/apache.conf" -DFOREGROUND >apache.out 2>&1 </dev/null 3>&- &
    SERVER=$!
    wait_until curl -s -o /dev/null "$URL/" || { cat apache.out server.log && false; }
}

# exact: crowds of clients, cron in between and at the end; every request is in counts, spans and logs.
exact() {
    local line round requests=20
    start_sink
    run -0 "$BIN/microtrace" setup
    line=$(the_line)
    printf '%s\n' "OTEL_EXPORTER_OTLP_ENDPOINT=$SINK" "MICROTRACE_SPOOL_KEEP_BYTES=0" \
        "MICROTRACE_SPOOL_SEGMENT_BYTES=64K" >>"$PLACE/microtrace.conf"
    "$1"
    # The web server's user makes the files here: what root's cron made first it could not write to.
    curl -sS -m 30 -o /dev/null "$URL/cgi-bin/microtrace.cgi/healthz"
    for round in 1 2 3; do
        seq $((CLIENTS * requests)) | xargs -P "$CLIENTS" -I{} curl -sS -m 30 -o /dev/null -w '%{http_code}\n' \
            -H 'Content-Type: application/json' -H "X-Request-ID: r$round-{}" -d '{"a": 1, "b": 2}' \
            "$URL/cgi-bin/microtrace.cgi/analyze" >statuses 3>&- &
        crowd=$!
        # Writers do not wait for it, and it loses nothing of theirs.
        [ -z "$(run_line "$line" 2>&1)" ]
        wait "$crowd"
        [ "$(sort statuses | uniq -c | awk '{ print $1, $2 }')" = "$((CLIENTS * requests)) 200" ] ||
            { sort statuses | uniq -c && cat server.log && false; }
        [ -z "$(run_line "$line" 2>&1)" ]
        find "$PLACE" | sort >"files.$round"
    done
    STATE=$PLACE expect metric 'requests_total{method="POST",path="/analyze",status="200"}' --eq $((3 * CLIENTS * requests))
    STATE=$PLACE expect metric 'requests_in_progress' --eq 0
    /usr/bin/python3 - dump $((3 * CLIENTS * requests)) <<'PYTHON'
import collections, json, sys
seen = {"traces": collections.Counter(), "logs": collections.Counter()}
for line in open(sys.argv[1], encoding="utf-8"):
    entry = json.loads(line)
    key = entry["attributes"].get("microtrace.request_id" if entry["signal"] == "traces" else "request_id")
    if key is not None and key.startswith("r"):
        seen[entry["signal"]][key] += 1
for signal, each in (("traces", 1), ("logs", 3)):
    assert len(seen[signal]) == int(sys.argv[2]), (signal, len(seen[signal]))
    assert set(seen[signal].values()) == {each}, (signal, collections.Counter(seen[signal].values()))
PYTHON
    # No file for a request.
    cmp files.1 files.3
    [ "$(du -sk "$PLACE/spool" | cut -f1)" -lt 1024 ]
    run -0 "$BIN/microtrace" --state "$PLACE" spool verify
}

@test "lighttpd, plain CGI: 16 clients at once are counted exactly, and nothing is lost" {
    exact start_lighttpd
}

@test "Apache (mod_cgid): 16 clients at once are counted exactly, and nothing is lost" {
    # Root's Apache runs programs as nobody.
    [ "$(id -u)" -ne 0 ] || need_other_user
    exact start_apache
}
