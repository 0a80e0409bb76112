# As grafana/grafana: the same folders, user and way to start. Without Angular, which newer ones do
# not know any more.
ARG BASE
FROM $BASE
ENV GF_PATHS_CONFIG=/etc/grafana/grafana.ini \
    GF_PATHS_DATA=/var/lib/grafana \
    GF_PATHS_HOME=/usr/share/grafana \
    GF_PATHS_LOGS=/var/log/grafana \
    GF_PATHS_PLUGINS=/var/lib/grafana/plugins \
    GF_PATHS_PROVISIONING=/etc/grafana/provisioning \
    GF_SECURITY_ANGULAR_SUPPORT_ENABLED=false \
    HOME=/usr/share/grafana
WORKDIR /usr/share/grafana
COPY wget /bin/
COPY . ./
RUN install -d /etc/grafana/provisioning && cp conf/sample.ini /etc/grafana/grafana.ini && \
    install -d -o 472 -g 0 -m 0777 /var/lib/grafana /var/lib/grafana/plugins /var/log/grafana
USER 472
ENTRYPOINT ["/bin/sh", "-c", "exec bin/grafana server --homepath=\"$GF_PATHS_HOME\" --config=\"$GF_PATHS_CONFIG\" --packaging=docker cfg:default.log.mode=console cfg:default.paths.data=\"$GF_PATHS_DATA\" cfg:default.paths.logs=\"$GF_PATHS_LOGS\" cfg:default.paths.plugins=\"$GF_PATHS_PLUGINS\" cfg:default.paths.provisioning=\"$GF_PATHS_PROVISIONING\""]
