package hook

import (
	"net/http"
	"slices"
	"strings"
)

// aboutBytes are the headers that speak about the bytes of a body. They are no
// longer true when a script has put another body in its place.
var aboutBytes = [...]string{"Etag", "Content-Range", "Accept-Ranges", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest"}

// bodyFacts is what the headers of an answer said of its body when it came.
type bodyFacts struct {
	length []string
	about  [len(aboutBytes)][]string
}

func factsOf(h http.Header) bodyFacts {
	facts := bodyFacts{length: h["Content-Length"]}
	for i, name := range aboutBytes {
		facts.about[i] = h[name]
	}
	return facts
}

// keepLength undoes what a script did to Content-Length: the body is as long as it came.
func (b *bodyFacts) keepLength(h http.Header) {
	if b.length == nil {
		delete(h, "Content-Length")
	} else {
		h["Content-Length"] = b.length
	}
}

// dropStale removes from h what was said of the body that came; what a script has
// said since stays, and so does a weak ETag, which promises no bytes.
func (b *bodyFacts) dropStale(h http.Header) {
	for i, name := range aboutBytes {
		said := b.about[i]
		if len(said) == 0 || !slices.Equal(said, h[name]) || name == "Etag" && strings.HasPrefix(said[0], "W/") {
			continue
		}
		delete(h, name)
	}
}
