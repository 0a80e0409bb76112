#!/usr/bin/env bats
# Goal: the tarball runs from any folder of a host that has glibc and nothing else: no root, no
# package, none of the libraries that it was built with.

bats_require_minimum_version 1.5.0
load helpers

setup_file() {
    [[ $BUILD != */asan* ]] || return 0
    new_folder
    make_tarball || return 1
    TARBALL=$(echo "$BUILD"/microtrace-*-linux-*.tar.gz)
    # Whoever unpacks it has another umask, and another folder.
    mkdir "$DIR/some where"
    (umask 027 && tar -C "$DIR/some where" -xzf "$TARBALL")
    FOLDER=$(echo "$DIR/some where"/microtrace-*)
    export TARBALL FOLDER
    [ "$(id -u)" -ne 0 ] || make_host
}

teardown_file() { [ -z "${DIR:-}" ] || rm -rf "$DIR"; }

setup() {
    [[ $BUILD != */asan* ]] || skip "the sanitizers' libraries are no part of it"
    unset SSL_CERT_FILE # of whoever runs the tests
    SINK_PID=''
}

teardown() {
    [ -z "$SINK_PID" ] || { kill "$SINK_PID" && wait "$SINK_PID"; } 2>/dev/null || true
}

make_tarball() {
    env -u MAKEFLAGS -u MFLAGS make -s -C "$ROOT" tarball BUILD="${BUILD#"$ROOT/"}" >"$LOG" 2>&1 ||
        { cat "$LOG" && false; }
}

# A host of libc6 and a shell: HOST is its root, the user's home has the tarball.
make_host() {
    local file
    HOST=$DIR/host
    mkdir -p "$HOST"/{usr/lib,usr/lib64,usr/bin,etc,proc,dev,tmp,home/u}
    ln -s usr/lib usr/lib64 usr/bin "$HOST"
    while read -r file; do
        mkdir -p "$HOST$(dirname "$file")"
        cp -L "$file" "$HOST$file"
    done < <(dpkg -L libc6 | grep -E '/(lib[^/]*|ld-[^/]*)\.so(\.[0-9]+)*$')
    cp /bin/dash "$HOST/bin/sh"
    mknod -m 666 "$HOST/dev/null" c 1 3
    tar -C "$HOST/home/u" -xzf "$TARBALL"
    chown -R 65534:65534 "$HOST/home/u"
    THERE=/home/u/$(basename "$FOLDER")
    export HOST THERE
}

needs_host() {
    [ -n "${HOST:-}" ] || skip "a root of its own needs root"
    need_mounts
}

# on_host COMMAND...: as the user, who has HOME and PATH. Mounts end with it.
on_host() {
    # shellcheck disable=SC2016 # the inner shell's
    unshare -m sh -c 'mount -t proc proc "$1/proc" && shift && exec "$@"' sh "$HOST" \
        chroot --userspec=65534:65534 "$HOST" /bin/sh -c 'cd && exec "$@"' sh "$@"
}

host_run() {
    (
        export HOME=/home/u PATH=/usr/sbin:/usr/bin:/sbin:/bin
        on_host "$@"
    )
}

# says_nothing COMMAND...: all is well.
says_nothing() {
    run -0 "$@"
    [ -z "$output" ]
}

# as_cgi PROGRAM BODY [NAME=VALUE...]: with what a web server gives. There is no env(1) on the host.
as_cgi() {
    printf '%s' "$2" | env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/home/u GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=POST \
        SERVER_PROTOCOL=HTTP/1.1 SERVER_NAME=localhost SERVER_PORT=80 REMOTE_ADDR=192.0.2.1 SCRIPT_NAME=/cgi-bin/x \
        PATH_INFO=/analyze QUERY_STRING= CONTENT_LENGTH=${#2} CONTENT_TYPE=application/json "${@:3}" \
        "$(command -v bash)" -c "$(declare -f on_host); HOST=$HOST on_host $1"
}

# start_sink [ARGUMENT...]
start_sink() {
    rm -f "$DIR/port"
    /usr/bin/python3 "$ROOT/tests/tools/otlp_sink.py" --port-file "$DIR/port" --dump "$DIR/dump" "$@" \
        2>"$DIR/sink.log" 3>&- &
    SINK_PID=$!
    wait_until test -s "$DIR/port"
    PORT=$(cat "$DIR/port")
}

@test "what it holds: programs, libraries, manual pages, snippets, dashboards, licences" {
    local file
    for file in README LICENSE bin/{analyze,metrics-agent,microtrace,microtrace-run,microtrace-cgi,microtrace-proxy} \
        lib/microtrace/libcurl.so.4 lib/microtrace/libmicrohttpd.so.12 share/man/man1/microtrace.1 \
        share/microtrace/dashboards/microtrace.json share/doc/microtrace/install.md \
        share/doc/microtrace/licences/libjansson-dev lib/libmicrotrace.so.0 include/microtrace.h; do
        [ -s "$FOLDER/$file" ] || { echo "$file is missing" && false; }
    done
    # Each library that is in there comes with its licence.
    [ "$(ls "$FOLDER/share/doc/microtrace/licences" | wc -l)" -ge "$(($(ls "$FOLDER/lib/microtrace" | wc -l) / 2))" ]
    [ -z "$(find "$FOLDER" -type f -perm /022)" ]
    # Nothing leads back to where it was built.
    refute grep -rlF "$ROOT" "$FOLDER"
}

@test "every library is one of glibc or in the folder, and is found there first" {
    local file name
    for file in "$FOLDER"/bin/* "$FOLDER"/lib/microtrace/*; do
        for name in $(readelf -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
            [ -e "$FOLDER/lib/microtrace/$name" ] || dpkg -L libc6 | grep -q "/$name\$" ||
                { echo "$file needs $name" && false; }
        done
    done
    for file in "$FOLDER"/bin/*; do
        readelf -d "$file" | grep -q 'RPATH.*\[$ORIGIN/../lib/microtrace\]'
    done
    # One start for each request: nothing to be found but glibc.
    refute grep -v 'lib[cm]\.so\|ld-linux' <(readelf -d "$FOLDER/bin/analyze" | grep NEEDED)
}

@test "the same input gives the same bytes, whatever umask, time zone and hour" {
    local sum
    sum=$(sha256sum <"$TARBALL")
    (umask 077 && TZ=Asia/Kolkata make_tarball)
    [ "$(sha256sum <"$TARBALL")" = "$sum" ]
}

@test "a program is built with its library, where the folder is" {
    cp -r "$FOLDER" "$DIR/moved"
    PKG_CONFIG_PATH=$DIR/moved/lib/pkgconfig
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046 # words
    gcc -o "$DIR/import" "$ROOT/examples/import.c" $(pkg-config --cflags --libs --static microtrace) -Wl,-Bstatic -lmicrotrace -Wl,-Bdynamic
    rm -rf "$DIR/moved"
}

@test "a host of libc alone: each program starts" {
    needs_host
    local program
    for program in analyze metrics-agent microtrace microtrace-run microtrace-cgi microtrace-proxy; do
        run -0 host_run "$THERE/bin/$program" --version
        [[ $output == "$program "[0-9]* ]]
    done
}

@test "a host of libc alone: setup, a CGI request, and cron delivers it over http" {
    needs_host
    start_sink
    run -0 host_run "$THERE/bin/microtrace" setup
    line=$(tail -n 1 <<<"$output")
    [ "$line" = "* * * * * MICROTRACE_CONFIG_FILE='/home/u/microtrace/microtrace.conf' '$THERE/bin/microtrace' cron" ]
    echo "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$PORT" >>"$HOST/home/u/microtrace/microtrace.conf"
    [[ $(as_cgi /home/u/microtrace/cgi-bin/microtrace.cgi '{"a": 10.5, "b": 3.5}') == *'{"sum": 14.0, "difference": 7.0}' ]]
    says_nothing host_run /bin/sh -c "${line#\* \* \* \* \* } --textfile m.prom"
    [ "$(grep -c '"signal": *"traces"' "$DIR/dump")" -eq 2 ]
    grep -q '^requests_total{method="POST",path="/analyze",status="200"} 1' "$HOST/home/u/m.prom"
    # A downstream call loads libcurl from the folder.
    [[ $(as_cgi /home/u/microtrace/cgi-bin/microtrace.cgi '{"a": 1, "b": 2}' DOWNSTREAM_ENABLED=true \
        DOWNSTREAM_URL=http://127.0.0.1:1/analyze DOWNSTREAM_RETRIES=0) == *'Downstream failed'* ]]
}

@test "a host of libc alone: https, with the certificates of the host's distribution, or SSL_CERT_FILE" {
    needs_host
    local conf=$HOST/home/u/tls/microtrace.conf
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$DIR/key.pem" -out "$DIR/cert.pem" 2>/dev/null
    start_sink --tls "$DIR/cert.pem" "$DIR/key.pem"
    host_run "$THERE/bin/microtrace" setup tls >/dev/null
    echo "OTEL_EXPORTER_OTLP_ENDPOINT=https://127.0.0.1:$PORT" >>"$conf"
    export MICROTRACE_CONFIG_FILE=/home/u/tls/microtrace.conf
    host_run "$THERE/bin/microtrace" log first
    run -1 host_run "$THERE/bin/microtrace" cron --within 10s
    [[ $output == *OTEL_EXPORTER_OTLP_CERTIFICATE* ]] && [ "${#lines[@]}" -eq 1 ] || { echo "$output" && false; }
    # Where Fedora has them.
    mkdir -p "$HOST/etc/pki/tls/certs"
    cp "$DIR/cert.pem" "$HOST/etc/pki/tls/certs/ca-bundle.crt"
    says_nothing host_run "$THERE/bin/microtrace" cron
    rm -r "$HOST/etc/pki"
    host_run "$THERE/bin/microtrace" log second
    cp "$DIR/cert.pem" "$HOST/home/u/mine.pem"
    SSL_CERT_FILE=/home/u/mine.pem says_nothing host_run "$THERE/bin/microtrace" cron
    [ "$(grep -c '"signal": *"logs"' "$DIR/dump")" -ge 2 ]
}
