#!/usr/bin/env bats
# Goal: bash completes every command, option and choice of `microtrace`, as its --help has them, and
# files or programs where the command takes these.

load helpers

setup() {
    . "$ROOT/deploy/completion/microtrace"
    cd "$BATS_TEST_TMPDIR" || return 1
}

# completes WORD...: what is offered for the last one, on one line.
completes() {
    COMP_WORDS=("$BIN/microtrace" "$@") COMP_CWORD=$#
    COMPREPLY=()
    _microtrace
    printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' '
}

# all_options COMMAND-WORD...: those of its --help.
all_options() {
    "$BIN/microtrace" "$@" --help | sed -nE 's/^  (-. VALUE, )?(--[a-z-]+).*/\2/p' | sort | paste -sd' '
}

@test "every command that --help has, word by word, and each of its options" {
    local name first all=0 words
    while read -r name; do
        all=$((all + 1))
        read -ra words <<<"$name"
        first=${words[0]}
        [[ " $(completes "${first:0:2}") " == *" $first "* ]] || { echo "not offered: $first" && false; }
        [ "${#words[@]}" -eq 1 ] || [[ " $(completes "$first" "") " == *" ${words[1]} "* ]]
        [ "$(completes "${words[@]}" --)" = "$(all_options "${words[@]}")" ] || {
            echo "$name: $(completes "${words[@]}" --)" && false; }
    done < <("$BIN/microtrace" --help | sed -nE '/^Commands:/,/^$/s/^  (([a-z]+ )*[a-z]+)( .*)?$/\1/p' |
        awk '{ name = ""; for (i = 1; i <= NF; i++) if ($i ~ /^[a-z]+$/) name = name " " $i; else break; print name }')
    [ "$all" -ge 16 ]
    [[ " $(completes "") " == *" help "* && " $(completes "") " == *" --state "* ]]
    [ "$(completes spool "")" = "status tail verify" ]
    [ "$(completes help spool t)" = tail ]
    [ "$(completes --state . spool v)" = verify ]
}

@test "the choices of an option and of an operand" {
    [ "$(completes spool tail --signal "")" = "logs traces" ]
    [ "$(completes span --kind c)" = "client consumer" ]
    [ "$(completes log --level DE)" = DEBUG ]
    [ "$(completes chaos "")" = "off on reset status" ]
    [ "$(completes breaker --state . o)" = open ]
}

@test "files where a value is one, folders behind --state, a program behind --" {
    mkdir state
    : >snapshot
    [ "$(completes expect metric --since s)" = "snapshot state" ]
    [ "$(completes spool tail --state s)" = state ]
    [ "$(completes --state s)" = state ]
    [[ " $(completes run -- ba) " == *" bash "* ]]
    [ "$(completes run --name x -- cp sn)" = snapshot ]
    [ "$(completes run --timeout 5 -)" = "$(all_options run)" ]
}

@test "it is what bash uses, and says nothing where there is no such program" {
    [[ $(complete -p microtrace) == *"-F _microtrace microtrace" ]]
    COMP_WORDS=(no-such-program s) COMP_CWORD=1
    run _microtrace
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}
