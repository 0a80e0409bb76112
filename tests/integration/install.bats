#!/usr/bin/env bats
# Goal: what `make install` puts in place works from there (the library: library.bats), and `make uninstall`
# takes all of it back.

load helpers

setup_file() {
    new_folder
    make_quietly install
}

teardown_file() {
    remove_folder
}

make_quietly() {
    make -s -C "$ROOT" "$1" BUILD="${BUILD#"$ROOT/"}" DESTDIR="$DIR/machine" PREFIX=/opt/mt >"$LOG" 2>&1 || {
        cat "$LOG"
        return 1
    }
}

@test "the programs are there and say their version" {
    local program
    for program in analyze metrics-agent microtrace microtrace-run microtrace-proxy; do
        [[ $("$DIR/machine/opt/mt/bin/$program" --version) == "$program "[0-9]* ]]
    done
}

@test "every program has its man page, with each of its options and settings" {
    local program page word
    for program in analyze metrics-agent microtrace microtrace-run microtrace-proxy; do
        page=$(find "$DIR/machine/opt/mt/share/man" -name "$program.[18]")
        [ -n "$page" ]
        for word in $("$BIN/$program" --help | sed -n 's/^  \(-[a-z] VALUE, \)\?\(--[a-z-]*\).*/\2/p; s/^  \([A-Z][A-Z0-9_]*\)$/\1/p'); do
            [ "$program $word" != "microtrace --version" ] || word=version
            grep -q "^.It.* \(Fl \)\?${word#-}\b\|^\.Fl -\?${word#--}\b" "$page" || {
                echo "$page: $word is missing"
                return 1
            }
        done
    done
    [ -z "$(grep -l '^@' "$DIR"/machine/opt/mt/share/man/man?/*)" ]
}

@test "the dashboard and the rules come with them" {
    local shared=$DIR/machine/opt/mt/share/microtrace/dashboards
    expect_json '.uid == "microtrace"' <"$shared/microtrace.json"
    grep -q 'alert: MicroTraceNoWorkers' "$shared/alerts.yml"
    grep -q 'record: job:slo_latency_slow:ratio_rate1h' "$shared/recording.yml"
}

@test "the installed programs run an instance with the installed configuration" {
    BIN=$DIR/machine/opt/mt/bin ROOT=$DIR/machine/opt/mt/share/microtrace start_instance
    analyze '{"a": 10.5, "b": 3.5}'
    expect 200 '. == {"sum": 14, "difference": 7}'
    stop_instance
}

@test "uninstall takes all of it back" {
    local lighttpd=$DIR/machine/etc/lighttpd nginx=$DIR/machine/etc/nginx shared=$DIR/machine/opt/mt/share/microtrace
    : >"$DIR/machine/opt/mt/bin/other"
    # Of ours, and another of the host's own.
    mkdir -p "$lighttpd"/conf-{available,enabled}
    cp "$DIR/machine/opt/mt/share/microtrace/lighttpd/50-microtrace-analyze.conf" "$lighttpd/conf-available/50-mt.conf"
    echo 'server.modules += ("mod_status")' >"$lighttpd/conf-available/10-status.conf"
    # lighttpd would not start without a program that it is to start itself; a script's it can do without.
    echo 'fastcgi.server = ( ".cgi" => (( "bin-path" => "/opt/mt/bin/microtrace-cgi -c 4" )) )' \
        >"$lighttpd/conf-available/60-cgi.conf"
    echo 'cgi.assign = ( ".cgi" => "/opt/mt/bin/microtrace-cgi" )' >"$lighttpd/conf-available/11-site.conf"
    ln -s ../conf-available/{50-mt,10-status,60-cgi,11-site}.conf "$lighttpd/conf-enabled"
    # Links in place of copies, which would lead nowhere: no server starts with one.
    mkdir -p "$nginx"/{conf.d,sites-available,sites-enabled}
    ln -s "$shared/lighttpd/50-microtrace-proxy.conf" "$lighttpd/conf-available/70-proxy.conf"
    ln -s ../conf-available/70-proxy.conf "$lighttpd/conf-enabled"
    ln -s "$shared/nginx/sites-available/microtrace" "$nginx/sites-enabled/mt"
    ln -s "$shared/nginx/conf.d/microtrace.conf" "$nginx/conf.d/mt.conf"
    : >"$nginx/sites-available/own"
    ln -s ../sites-available/own "$nginx/sites-enabled"
    make_quietly uninstall
    grep -q 'lighttpd: .*/conf-enabled/50-mt.conf starts analyze and is removed; reload lighttpd' "$LOG"
    grep -q 'lighttpd: .*/conf-enabled/60-cgi.conf starts microtrace-cgi and is removed' "$LOG"
    # A lighttpd that still had them would not start.
    [ "$(ls "$lighttpd/conf-enabled" | paste -sd' ')" = "10-status.conf 11-site.conf" ]
    [ "$(ls "$nginx/sites-enabled")" = own ]
    grep -q '/sites-enabled/mt leads to .* and is removed' "$LOG"
    # A site of the host's own may use what is in it.
    cmp "$nginx/conf.d/mt.conf" "$ROOT/deploy/nginx/conf.d/microtrace.conf"
    [ -z "$(find "$DIR/machine" -xtype l)" ]
    rm -r "$lighttpd" "$nginx"
    [ "$(find "$DIR/machine" -type f -printf '%P\n')" = opt/mt/bin/other ]
    [ -z "$(find "$DIR/machine" -name '*microtrace*')" ]
}
