# As otel/opentelemetry-collector, which has nothing but its program either.
FROM scratch
COPY otelcol /otelcol
USER 10001:10001
ENTRYPOINT ["/otelcol"]
