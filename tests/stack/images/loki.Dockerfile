# As grafana/loki, which has nothing but its program either; the folder is for the named volume.
FROM scratch
COPY loki /usr/bin/loki
COPY --chown=10001:10001 empty /loki
USER 10001
ENTRYPOINT ["/usr/bin/loki"]
CMD ["-config.file=/etc/loki/local-config.yaml"]
