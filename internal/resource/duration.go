package resource

import (
	"encoding/json"
	"errors"
	"time"
)

// Duration is a time span that is written as integer nanoseconds and read from those or from a
// Go duration string such as "50ms".
type Duration time.Duration

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		span, err := time.ParseDuration(text)
		if err != nil {
			return errors.New(`must be a number of nanoseconds or a duration such as "50ms"`)
		}
		*d = Duration(span)
		return nil
	}
	var ns int64
	if err := json.Unmarshal(data, &ns); err != nil {
		return errors.New(`must be a number of nanoseconds or a duration such as "50ms"`)
	}
	*d = Duration(ns)
	return nil
}

// String is Go's notation.
func (d Duration) String() string { return time.Duration(d).String() }
