package adminext

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// etag is the entity tag of a version.
func etag(version uint64) string { return `"` + strconv.FormatUint(version, 10) + `"` }

// tags are the values of If-Match or If-None-Match.
type tags struct {
	given, any bool
	// versions are those of tags that could be ours.
	versions []uint64
	// strong is false if one of the tags is weak.
	strong bool
}

// has tells whether a resource at this version, 0 if it does not exist, matches.
func (t tags) has(version uint64) bool {
	return version != 0 && (t.any || slices.Contains(t.versions, version))
}

// parseTags reads the list of tags in a header.
func parseTags(h http.Header, name string) (tags, error) {
	text := strings.TrimSpace(strings.Join(h.Values(name), ","))
	t := tags{given: len(h.Values(name)) > 0, strong: true}
	if text == "*" {
		t.any = true
		return t, nil
	}
	for t.given {
		text = strings.TrimLeft(text, " \t,")
		if text == "" {
			break
		}
		if rest, weak := strings.CutPrefix(text, "W/"); weak {
			text, t.strong = rest, false
		}
		tag, rest, ok := cutQuoted(text)
		if !ok {
			return tags{}, resource.Errorf(resource.BadRequest, `%s must be * or a list of tags such as "12", in quotes`, name)
		}
		text = rest
		if version, ok := versionOf(tag); ok {
			t.versions = append(t.versions, version)
		}
	}
	return t, nil
}

func cutQuoted(text string) (tag, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, `"`)
	if !ok {
		return "", "", false
	}
	tag, rest, ok = strings.Cut(text, `"`)
	rest = strings.TrimLeft(rest, " \t")
	return tag, rest, ok && (rest == "" || rest[0] == ',')
}

// codings are what servers and proxies append to a tag when they compress.
var codings = []string{"-gzip", "-zstd", "-br"}

// versionOf undoes etag.
func versionOf(tag string) (uint64, bool) {
	for _, c := range codings {
		tag = strings.TrimSuffix(tag, c)
	}
	version, err := strconv.ParseUint(tag, 10, 64)
	return version, err == nil && version != 0 && etag(version) == `"`+tag+`"`
}

// preconditions are what a request demands of the resource it is about.
type preconditions struct{ match, noneMatch tags }

func parsePreconditions(h http.Header) (preconditions, error) {
	match, err := parseTags(h, "If-Match")
	if err != nil {
		return preconditions{}, err
	}
	noneMatch, err := parseTags(h, "If-None-Match")
	switch {
	case err != nil:
		return preconditions{}, err
	case match.given && noneMatch.given:
		return preconditions{}, resource.Errorf(resource.BadRequest, "If-Match and If-None-Match cannot be used together")
	case match.given && !match.strong:
		// A weak tag says that bytes may differ; it must not decide what is overwritten.
		return preconditions{}, resource.Errorf(resource.PreconditionFailed, `If-Match needs strong tags, without W/`)
	}
	return preconditions{match, noneMatch}, nil
}

// read judges a GET: whether to answer, or to say that nothing changed.
func (p preconditions) read(version uint64) (unchanged bool, err error) {
	if p.match.given && !p.match.has(version) {
		return false, resource.Errorf(resource.PreconditionFailed, "the resource is not at that version")
	}
	return p.noneMatch.given && p.noneMatch.has(version), nil
}

// write makes the condition that is checked when the change is applied. What a condition cannot
// say is decided on the version that is there now, and then that version is the condition.
func (p preconditions) write(current func() (uint64, error)) (state.Condition, error) {
	failed := resource.Errorf(resource.PreconditionFailed, "the resource is not at a version that the request allows")
	switch {
	case p.match.given && p.match.any:
		return state.Condition{Mode: state.Present}, nil
	case p.match.given && len(p.match.versions) == 1:
		return state.Condition{Mode: state.AtVersion, Version: p.match.versions[0]}, nil
	case p.noneMatch.given && p.noneMatch.any:
		return state.Condition{Mode: state.Absent}, nil
	case !p.match.given && !p.noneMatch.given:
		return state.Condition{}, nil
	}
	version, err := current()
	switch {
	case err != nil:
		return state.Condition{}, err
	case p.match.given && !p.match.has(version), p.noneMatch.given && p.noneMatch.has(version):
		return state.Condition{}, failed
	case version == 0:
		return state.Condition{Mode: state.Absent}, nil
	}
	return state.Condition{Mode: state.AtVersion, Version: version}, nil
}
