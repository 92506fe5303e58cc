package js

import "bytes"

// features says which parts of the environment a bundle can possibly touch, so
// that a VM does not pay for the others.
type features struct {
	host bool // host modules
	json bool
}

func detect(code []byte) features {
	return features{
		host: bytes.Contains(code, []byte(param+".host(")),
		json: bytes.Contains(code, []byte("JSON")),
	}
}
