package adminext

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// reply is an answer before it is written.
type reply struct {
	status int
	header http.Header
	body   []byte
	sent   bool // whether it has been written already
}

// emptyReply is an answer without a body.
func emptyReply(status int) *reply { return &reply{status: status, header: http.Header{}} }

// jsonReply is an answer with a body. Like the original DGate it escapes nothing but what JSON
// demands, and ends without a newline.
func jsonReply(status int, body any) *reply {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(err) // all bodies are made in this package; the panic becomes a 500
	}
	rep := emptyReply(status)
	rep.body = bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	rep.header.Set("Content-Type", "application/json")
	return rep
}

// textReply is an answer in plain text.
func textReply(status int, text string) *reply {
	rep := emptyReply(status)
	rep.body = []byte(text)
	rep.header.Set("Content-Type", "text/plain; charset=utf-8")
	return rep
}

// objectBody is the envelope of one resource. The members of envelopes are sorted.
type objectBody struct {
	Data     any      `json:"data"`
	Status   int      `json:"status_code"`
	Warnings []string `json:"warnings,omitempty"`
}

// listBody is the envelope of several resources.
type listBody struct {
	Count    int               `json:"count"`
	Data     []json.RawMessage `json:"data"`
	Status   int               `json:"status_code"`
	Warnings []string          `json:"warnings,omitempty"`
}

// dataReply wraps data into the envelope.
func dataReply(status int, data any, warnings []string) *reply {
	return jsonReply(status, objectBody{data, status, warnings})
}

// write sends the answer. Content-Length is set so that HEAD has it too.
func (rep *reply) write(w http.ResponseWriter, index uint64) {
	if rep.sent {
		return
	}
	header := w.Header()
	maps.Copy(header, rep.header)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-DGate-Index", strconv.FormatUint(index, 10))
	if rep.status != http.StatusNoContent && rep.status != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(len(rep.body)))
	}
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) // a client that is gone needs no answer; net/http drops the body of HEAD
}
