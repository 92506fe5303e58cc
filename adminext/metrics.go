package adminext

import (
	"bytes"
	"net/http"

	"github.com/prometheus/common/expfmt"
)

// metrics are those of DGate, and nothing else that Caddy counts, in the text format of Prometheus.
func metrics(c *call) (*reply, error) {
	families, err := c.app.Metrics().Gather()
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	enc := expfmt.NewEncoder(&buf, format)
	for _, family := range families {
		if err := enc.Encode(family); err != nil {
			return nil, err
		}
	}
	rep := emptyReply(http.StatusOK)
	rep.body = buf.Bytes()
	rep.header.Set("Content-Type", string(format))
	return rep, nil
}
