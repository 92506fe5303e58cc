package adminext

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// maxBackup bounds what is taken as a backup, in bytes.
const maxBackup = 64 << 30

// clusterBackup answers with a backup. It is written as it is made: if it breaks off, so does the
// connection, and a backup without its end is not accepted by anybody.
func clusterBackup(c *call) (*reply, error) {
	if err := c.trusted("a backup"); err != nil {
		return nil, err
	}
	c.audit("writes a backup")
	to := &laterWriter{c: c}
	err := c.app.Operations().Backup(c.r.Context(), to)
	switch {
	case err != nil && to.began:
		c.log.Error("a backup broke off", zap.Error(err))
		panic(http.ErrAbortHandler) // the status has been sent; this tells the client
	case err != nil:
		return nil, clash(err)
	}
	to.begin()
	return &reply{sent: true}, nil
}

// laterWriter sends the header of an answer with the first bytes of its body.
type laterWriter struct {
	c     *call
	began bool
}

func (w *laterWriter) begin() {
	if w.began {
		return
	}
	w.began = true
	header := w.c.w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="dgate-%s.backup"`, time.Now().UTC().Format("20060102-150405")))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-DGate-Index", strconv.FormatUint(w.c.index, 10))
	w.c.w.WriteHeader(http.StatusOK)
}

// Write implements [io.Writer].
func (w *laterWriter) Write(data []byte) (int, error) {
	w.begin()
	return w.c.w.Write(data)
}

// clusterRestore replaces everything with a backup that is the body.
func clusterRestore(c *call) (*reply, error) {
	if err := c.trusted("a restore"); err != nil {
		return nil, err
	}
	c.audit("restores a backup")
	deadline := http.NewResponseController(c.w)
	body := http.MaxBytesReader(c.w, c.r.Body, maxBackup)
	patient := &patientReader{from: body, deadline: deadline.SetReadDeadline, start: time.Now()}
	err := c.app.Operations().Restore(c.r.Context(), io.Reader(patient))
	_ = deadline.SetReadDeadline(time.Now().Add(time.Hour)) // as in readUpTo
	c.index = c.app.Index()
	return c.done(err)
}
