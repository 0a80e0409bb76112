# As prom/prometheus, with Debian's program.
ARG BASE
FROM $BASE
COPY prometheus wget /bin/
RUN install -d -o nobody -g nogroup /prometheus /etc/prometheus
USER nobody
WORKDIR /prometheus
ENTRYPOINT ["/bin/prometheus"]
