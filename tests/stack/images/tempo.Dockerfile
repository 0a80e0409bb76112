# As grafana/tempo, which has nothing but its program either; the folder is for the named volume.
FROM scratch
COPY tempo /tempo
COPY --chown=10001:10001 empty /var/tempo
USER 10001:10001
ENTRYPOINT ["/tempo"]
