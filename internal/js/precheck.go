package js

import "fmt"

// precheck bounds a source before any parser sees it.
func precheck(s Source) error {
	if len(s.Code) > MaxSource {
		return &Error{Module: s.Name, Kind: TooLarge, Message: fmt.Sprintf("source is %d bytes, at most %d are allowed", len(s.Code), MaxSource)}
	}
	return nil
}
