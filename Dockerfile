# One image, three roles, chosen by the command:
#   microtrace-run --config ... [--no-agent]   lighttpd with its analyze processes (the default, with an agent)
#   metrics-agent                              the agent, beside it
#   microtrace load ...                        a load generator
#
# It runs as a user without rights, on a read-only root file system: only /var/lib/microtrace/run
# (best a tmpfs) and /var/lib/microtrace/spool are written.

ARG BASE=debian:bookworm-20251229-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/packages scripts/install-packages scripts/
RUN scripts/install-packages build
COPY Makefile lighttpd.conf README.md LICENSE ./
COPY scripts/man-page scripts/
COPY docs docs
COPY deploy deploy
COPY include include
COPY lib lib
COPY http http
COPY gateways gateways
COPY fcgi-app fcgi-app
COPY metrics-agent metrics-agent
COPY cli cli
COPY supervisor supervisor
COPY view view
RUN make -j"$(nproc)" CFLAGS=-O2 LDFLAGS=-s all \
    && make CFLAGS=-O2 LDFLAGS=-s install DESTDIR=/out

FROM ${BASE}
RUN apt-get -qq -o Acquire::Retries=3 update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 install --no-install-recommends \
        ca-certificates libcurl4 libfcgi0ldbl libjansson4 libmicrohttpd12 lighttpd zlib1g >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/* /var/www /etc/lighttpd \
        /usr/share/doc /usr/share/man \
    && groupadd --gid 10001 microtrace \
    && useradd --uid 10001 --gid microtrace --no-create-home --home-dir /var/lib/microtrace \
        --shell /usr/sbin/nologin microtrace \
    && install -d -m 2770 -o microtrace -g microtrace \
        /var/lib/microtrace /var/lib/microtrace/run /var/lib/microtrace/spool
COPY --from=build /out/usr/local/bin/ /usr/local/bin/
COPY --from=build /out/usr/local/share/microtrace/lighttpd.conf /usr/local/share/microtrace/
COPY --from=build /out/usr/local/share/microtrace/errors/ /usr/local/share/microtrace/errors/
COPY deploy/container/healthcheck /usr/local/bin/microtrace-healthcheck

ENV PORT=8000 BIND=0.0.0.0 AGENT_LISTEN=0.0.0.0:9464 MICROTRACE_AGENT_LISTEN=0.0.0.0:9464 \
    STATE_DIR=/var/lib/microtrace MICROTRACE_RUN_DIR=/var/lib/microtrace/run \
    MICROTRACE_SPOOL_DIR=/var/lib/microtrace/spool
USER 10001:10001
WORKDIR /var/lib/microtrace
EXPOSE 8000 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["microtrace-healthcheck", "8000", "/healthz"]
CMD ["microtrace-run", "--config", "/usr/local/share/microtrace/lighttpd.conf"]
