package adminext

import (
	"net/http"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// ServiceHealth is what this node knows of the upstreams of a service.
type ServiceHealth struct {
	// Checks are the kinds of health checks that the service has: active, passive, both or none.
	Checks []string `json:"checks"`
	// Upstreams are in the order of the service's URLs.
	Upstreams []UpstreamHealth `json:"upstreams"`
}

// UpstreamHealth is what this node knows of one upstream.
type UpstreamHealth struct {
	// URL is that of the service.
	URL string `json:"url"`
	// Address is what is dialled, host:port.
	Address string `json:"address"`
	// Healthy upstreams get requests. All are healthy as long as nothing checks them.
	Healthy bool `json:"healthy"`
	// Requests are those that the upstream is answering now. They are counted for services that
	// have an object `proxy`.
	Requests int `json:"requests"`
	// Fails counts the recent failures that passive checks remember.
	Fails int `json:"fails"`
}

// serviceHealth are the endpoints of the health of one service.
var serviceHealth = methods{http.MethodGet: {run: getHealth}}

// healthSegment follows the path of a service.
const healthSegment = "health"

// isHealth tells the path of the health of a service.
func isHealth(kind *resource.Kind, key []string) bool {
	n := len(kind.KeyFields())
	return kind.Name == "service" && len(key) == n+1 && key[n] == healthSegment
}

func getHealth(c *call) (*reply, error) {
	key := c.kind.KeyOf(c.key[:len(c.key)-1]...)
	if _, err := c.read(key); err != nil {
		return nil, err
	}
	found, err := c.app.Health(key.Namespace, key.Name)
	if err != nil {
		return nil, err
	}
	return dataReply(http.StatusOK, found, nil), nil
}
