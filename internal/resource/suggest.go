package resource

import "strings"

// suggest names the field that the writer may have meant.
func suggest(kind *Kind, name string) string {
	names := make([]string, len(kind.Fields))
	for i, f := range kind.Fields {
		names[i] = f.Name
	}
	return Hint(name, "its fields are", names)
}

// Hint completes an error about an unknown word: it names the candidate that was probably meant, or
// all of them after the words all, as in "the kinds are".
func Hint(word, all string, candidates []string) string {
	if best := Nearest(word, candidates); best != "" {
		return "; did you mean " + best + "?"
	}
	if len(candidates) == 0 {
		return "; there are none"
	}
	return "; " + all + " " + strings.Join(candidates, ", ")
}

// Nearest picks the candidate that differs least from word, or "" if none is near enough to be
// what somebody meant.
func Nearest(word string, candidates []string) string {
	best, limit := "", len(word)/3+2
	if len(word) > MaxNameLength {
		return ""
	}
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
