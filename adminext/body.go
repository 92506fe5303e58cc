package adminext

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

// How slow an upload may be. Caddy's admin server gives a whole request ten seconds, too few for
// a module over a thin line; so the deadline is moved as long as bytes arrive.
const (
	uploadPause = 10 * time.Second // between two reads
	uploadGrace = 30 * time.Second // before the rate counts
	uploadRate  = 1 << 10          // bytes per second, on average
)

// readBody reads the body of a write, as far as the kind allows.
func readBody(w http.ResponseWriter, r *http.Request, kind *resource.Kind) ([]byte, error) {
	return readUpTo(kind.MaxBody, sourceLimits[kind.Name], w, r)
}

// readUpTo reads a body of at most limit bytes. The hint completes the refusal of a larger one.
func readUpTo(limit int64, hint string, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := resource.Errorf(resource.TooLarge, "the body is larger than %d bytes%s", limit, hint)
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close") // rather than read what nobody wants
		return nil, tooLarge
	}
	deadline := http.NewResponseController(w)
	body := http.MaxBytesReader(w, r.Body, limit)
	data, err := io.ReadAll(&patientReader{from: body, deadline: deadline.SetReadDeadline, start: time.Now()})
	// The change itself may take as long as it takes: no deadline of the upload may end it. A time
	// that is far away rather than none, for which a site with read_body would put its own back.
	// Not every writer has deadlines; then there was none to move either.
	_ = deadline.SetReadDeadline(time.Now().Add(time.Hour))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, refuse(http.StatusRequestTimeout, resource.BadRequest, "the body arrived too slowly")
	case err != nil:
		return nil, &resource.Error{Code: resource.BadRequest, Message: "the body could not be read to its end", Err: err}
	}
	return data, nil
}

// sourceLimits are what matters to people where the bound of the body is not it: base64 is larger
// than what it stands for.
var sourceLimits = map[string]string{
	"module": fmt.Sprintf("; the source of a module may have at most %d MiB", resource.MaxModuleSize>>20),
}

// patientReader moves the deadline before each read, as long as there is progress.
type patientReader struct {
	from     io.Reader
	deadline func(time.Time) error
	start    time.Time
	read     int64
}

func (p *patientReader) Read(b []byte) (int, error) {
	_ = p.deadline(p.next(time.Now()))
	n, err := p.from.Read(b)
	p.read += int64(n)
	return n, err
}

// next is when a read that begins now must have brought something.
func (p *patientReader) next(now time.Time) time.Time {
	pause := now.Add(uploadPause)
	total := p.start.Add(uploadGrace + time.Duration(p.read)*time.Second/uploadRate)
	if total.Before(pause) {
		return total
	}
	return pause
}
