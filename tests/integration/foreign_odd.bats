#!/usr/bin/env bats
# Goal: whatever the files of other programs are called and whatever they hold, each record that is
# one arrives once, as it is; what is none is kept and counted; what is not read is said and counted.

bats_require_minimum_version 1.5.0
load agent_helpers

setup() { common_setup; }
teardown() { common_teardown; }

# lines SIGNAL NAME COUNT: that many lines on stdout; their names go to `written`.
lines() {
    rm -rf made && mkdir made
    "$TOOL" made "$1" "$2" "$3" 100 >>written
    cat "made/$1.jsonl"
}

said() { grep -q "$1" agent.log; }
sent_is() { [ "$(wc -l <dump)" = "$1" ]; }
all_sent() { until_true 30 sent_is "$(wc -l <written)" && everything_arrived --duplicate-requests 0; }
waiting() { metric microtrace_import_waiting_bytes "signal=\"$1\""; }
waiting_is() { [ "$(waiting "$1")" = "$2" ]; }
unread_is() { [ "$(metric microtrace_import_unreadable_files "signal=\"$1\"")" = "$2" ]; }
torn_is() { [ "$(dropped traces torn)" = "$1" ]; }
quarantined_is() { [ "$(outcome traces quarantined)" = "$1" ]; }

@test "names with blanks, quotes, newlines and any bytes, and the longest" {
    local name i=0
    start_sink
    for name in 'a b' "a'b\"c" $'a\nb' $'\xff\xfe' '$(reboot)' '%s%n' -rf "$(printf 'n%.0s' {1..242})"; do
        lines traces "n$((++i))" 3 >"spool/$name.traces.jsonl"
    done
    start_agent
    all_sent
    end_agent
    lines traces later 1 >>$'spool/a\nb.traces.jsonl'
    start_agent
    all_sent
}

@test "what is not a file that can be read is said and counted, and read once it is one" {
    start_sink
    lines traces a 2 >spool/good.traces.jsonl
    mkfifo "spool/fi fo.traces.jsonl"
    mkdir $'spool/dir\n.traces.jsonl'
    ln -s /etc/passwd 'spool/l"ink.traces.jsonl'
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("spool/s.traces.jsonl")'
    start_agent
    until_true 20 unread_is traces 4
    run -1 env MICROTRACE_RUN_DIR="$PWD/run" MICROTRACE_SPOOL_DIR="$PWD/spool" "$BUILD/bin/microtrace" spool status
    [[ $output == *'wrong: traces: 4 files of other programs are not read'* ]]
    until_true 10 said 'l"ink.traces.jsonl is not a regular file'
    until_true 10 said 'dir.u000a.traces.jsonl is not a regular file'
    # A file that becomes a directory, and a directory that becomes a file.
    all_sent
    rm spool/good.traces.jsonl
    mkdir spool/good.traces.jsonl
    until_true 20 unread_is traces 5
    rm -r $'spool/dir\n.traces.jsonl'
    lines traces b 2 >$'spool/dir\n.traces.jsonl'
    rm spool/fi* spool/l* spool/s.traces.jsonl
    all_sent
    until_true 20 unread_is traces 1
    books traces 4
}

@test "a byte order mark, CRLF, NUL bytes before a line: the records arrive" {
    start_sink
    {
        printf '\xef\xbb\xbf'
        lines traces bom 2
    } >spool/bom.traces.jsonl
    lines traces crlf 2 | sed 's/$/\r/' >spool/crlf.traces.jsonl
    {
        printf '\0\0\0'
        lines traces nul 2
    } >spool/nul.traces.jsonl
    start_agent
    all_sent
    books traces 6
}

@test "UTF-16, arrays, depth, a NUL in a line, a record that is too long: kept, their neighbours arrive" {
    start_sink
    lines traces u16 1 | iconv -f UTF-8 -t UTF-16 >spool/u.traces.jsonl
    sed -i '/^u16-/d' written
    {
        printf '[%s]\n' "$(head -n 1 made/traces.jsonl)"
        lines traces a 1
        python3 -c 'print("{\"a\":" * 300 + "1" + "}" * 300)'
        lines traces b 1
        printf '{"a":"\0"}\n'
        lines traces c 1
        python3 -c 'print("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"" + "x" * (4 << 20) + "\"}]}]}]}")'
        lines traces d 1
    } >spool/x.traces.jsonl
    start_agent
    all_sent
    # UTF-16 has its newline in the middle of a character: a line, and a NUL byte, which is a blank.
    # And the array has a record inside, before which a piece of a line stands.
    until_true 20 quarantined_is 5
    books traces 10
    until_true 20 torn_is 1
    jq -r .reason spool/traces.quarantine*.jsonl | sort | uniq -c | awk '{ print $2, $1 }' >reasons
    diff reasons - <<'EOF'
control 1
malformed 3
oversize 1
EOF
}

@test "what waits in the files is on the page: while nothing can be sent, and a line without an end" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=1048576)
    "$TOOL" spool traces own 300 100 >>written
    lines traces a 20 >spool/x.traces.jsonl
    start_agent
    until_true 20 waiting_is traces "$(stat -c %s spool/x.traces.jsonl)"
    [ "$(waiting logs)" = 0 ]
    sink_answers '{}'
    all_sent
    until_true 20 waiting_is traces 0
    printf '{"resourceSpans":[' >>spool/x.traces.jsonl
    until_true 20 waiting_is traces 18
    until_true 20 said "x.traces.jsonl ends in a piece of a line"
}

@test "text that follows a last line that was taken for whole" {
    start_sink
    lines traces a 1 >one
    head -c -1 one >spool/x.traces.jsonl
    touch -d '1 minute ago' spool/x.traces.jsonl
    start_agent
    all_sent
    {
        printf ' and more\n'
        lines traces b 1
    } >>spool/x.traces.jsonl
    all_sent
    until_true 20 quarantined_is 1
    [ "$(jq -r .record spool/traces.quarantine.jsonl)" = "and more" ]
}

@test "two files of the same bytes, and a number that another file had: both arrive" {
    start_sink
    lines traces a 5 >spool/x.traces.jsonl
    cp spool/x.traces.jsonl spool/y.traces.jsonl
    start_agent
    until_true 20 sent_is 10
    everything_arrived
    [ "$(wc -l <dump)" = 10 ]
    end_agent
    # Deleted, and new ones made at once: most file systems give out the number again.
    rm spool/x.traces.jsonl spool/y.traces.jsonl
    lines traces b 5 >spool/z.traces.jsonl
    lines traces c 5 >spool/x.traces.jsonl
    start_agent
    until_true 20 sent_is 20
    books traces 20
}

@test "copied and truncated while no agent runs, with the same size and nearly the same bytes" {
    start_sink
    lines traces a-1 50 >spool/x.traces.jsonl
    start_agent
    all_sent
    end_agent
    lines traces b-1 50 >new
    cat new >spool/x.traces.jsonl
    [ "$(stat -c %s new)" = "$(stat -c %s spool/x.traces.jsonl)" ]
    start_agent
    all_sent
}

@test "one line with 100,000 spans" {
    start_sink
    python3 - <<'END'
import json
spans = [{"traceId": "%032x" % 1, "spanId": "%016x" % (i + 1), "name": f"s{i}"} for i in range(100000)]
with open("spool/x.traces.jsonl", "w") as file:
    file.write(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}) + "\n")
END
    start_agent
    until_true 60 sent_is 100000
    [ "$(jq -r .record.name dump | sort -u | wc -l)" = 100000 ]
    books traces 100000
}

@test "the cap drops what was taken of a file: counted, and not taken again" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    lines traces a 100 >spool/x.traces.jsonl
    ENVIRONMENT=(MICROTRACE_SPOOL_MAX_BYTES=1048576)
    start_agent
    until_true 20 backlog_is traces 100
    "$TOOL" spool logs own 4000 200 >own 2>lost
    until_true 20 backlog_is traces 0
    [ "$(dropped traces cap)" = 100 ]
    kill_agent 9
    sink_answers '{}'
    start_agent
    lines traces b 3 >>spool/x.traces.jsonl
    books traces 103
    until_true 20 nothing_waits traces
    [ "$(outcome traces delivered)" = 3 ]
}

@test "an older agent.imports comes back: what was taken since is taken twice, and nothing else" {
    start_sink
    start_agent
    lines traces a 20 >spool/x.traces.jsonl
    all_sent
    until_true 20 nothing_waits traces
    cp spool/agent.imports older
    lines traces b 5 >>spool/x.traces.jsonl
    all_sent
    until_true 20 nothing_waits traces
    # It is what a crash of the machine may do.
    kill_agent 9
    [ -e spool/traces.0000000001.jsonl ] || skip "the machine is too slow: it is delivered and gone"
    cp older spool/agent.imports
    start_agent
    until_true 20 sent_is 30
    everything_arrived
    books traces 30
    [ "$(jq -r .record.name dump | grep -c '^a-')" = 20 ]
}

@test "the machine ended before the lines were on the disk: it is said" {
    start_sink
    sink_answers '{"mode":"status","status":503}'
    start_agent
    lines traces a 20 >spool/x.traces.jsonl
    until_true 20 backlog_is traces 20
    kill_agent 9
    truncate -s -100 spool/traces.0000000001.jsonl
    start_agent
    until_true 20 said "traces.0000000001.jsonl has .* were written: the machine ended before"
}
