package resource

// MaxNameLength is the length of the longest name, in bytes.
const MaxNameLength = 128

// checkName says what is wrong with a name, or nil.
func checkName(field, name string) error {
	switch {
	case name == "":
		return Invalid(field, "", "is required")
	case len(name) > MaxNameLength:
		return Invalid(field, name, "must not be longer than %d bytes", MaxNameLength)
	case !letterOrDigit(name[0]):
		return Invalid(field, name, "must begin with a letter or a digit")
	}
	for i := range len(name) {
		if c := name[i]; !letterOrDigit(c) && c != '.' && c != '_' && c != '-' {
			return Invalid(field, name, "may only have ASCII letters, digits, '.', '_' and '-'")
		}
	}
	return nil
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// checkTags says what is wrong with tags.
func checkTags(tags []string) []error {
	var errs []error
	for i, tag := range tags {
		if tag == "" || len(tag) > MaxNameLength {
			errs = append(errs, Invalid(index("tags", i), tag, "must have 1 to %d bytes", MaxNameLength))
			continue
		}
		for j := range len(tag) {
			if c := tag[j]; c <= ' ' || c >= 0x7f || c == ',' {
				errs = append(errs, Invalid(index("tags", i), tag, "may only have printable ASCII without spaces and commas"))
				break
			}
		}
	}
	return errs
}
