# A Caddy with DGate, built from this checkout. See docs/install.md.
#
#   docker build -t dgate .
#   docker run -p 8080:8080 -v dgate-data:/data -v dgate-config:/config dgate

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What the last stage cannot make for itself, having no shell: directories that its user may write to.
RUN ./xcaddy.sh && mkdir -p /made/data /made/config /made/srv

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build --chown=nonroot:nonroot /made/ /
COPY --from=build /src/caddy /usr/bin/caddy
COPY packaging/Caddyfile /etc/caddy/Caddyfile

# Caddy keeps its data, certificates and the store of DGate among them, in /data/caddy, and the last
# configuration in /config/caddy.
ENV XDG_DATA_HOME=/data XDG_CONFIG_HOME=/config
VOLUME /data /config
EXPOSE 80 443 443/udp 8080

# By number, so that Kubernetes sees that it is not root.
USER 65532:65532
WORKDIR /srv
ENTRYPOINT ["/usr/bin/caddy"]
CMD ["run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
