package adminext

import "testing"

// TestTolerance counts the voters that answer.
func TestTolerance(t *testing.T) {
	t.Parallel()
	up, down, edge := Member{Role: "voter", Reachable: true}, Member{Role: "voter"}, Member{Role: "edge", Reachable: true}
	for name, tt := range map[string]struct {
		members []Member
		want    int
	}{
		"alone":                      {[]Member{up}, 0},
		"two":                        {[]Member{up, up}, 0},
		"three":                      {[]Member{up, up, up}, 1},
		"three, and one is down":     {[]Member{up, up, down}, 0},
		"three, and two are down":    {[]Member{up, down, down}, 0},
		"five, and one is down":      {[]Member{up, up, up, up, down}, 1},
		"edge nodes do not count":    {[]Member{up, up, up, edge, edge}, 1},
		"three, and a disk is full":  {[]Member{up, up, {Role: "voter", Reachable: true, Storage: "no space"}}, 0},
		"nobody is in a cluster yet": {nil, 0},
	} {
		if got := tolerance(tt.members); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
