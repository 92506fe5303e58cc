package raftstorage

import (
	"strings"
	"testing"

	"github.com/dgate-io/caddy-dgate/internal/resource"
)

func TestLevelRisesWithTheLastMember(t *testing.T) {
	t.Parallel()
	newer := func(i int, cfg *Config) {
		if i > 0 {
			cfg.level = 2
		}
	}
	c := alone(t)
	c.grow(3, 3, newer)
	s := mustStore(t, c.nodes[1])
	if err := s.requireLevel(2); s.usedLevel() != 1 || resource.CodeOf(err) != resource.Conflict {
		t.Errorf("with an older member the cluster uses level %d; %v", s.usedLevel(), err)
	}
	// The last one is upgraded.
	stop(t, c.nodes[0])
	c.cfgs[0].level = 2
	c.open(0)
	c.eventually("use level 2", func() bool { return s.usedLevel() == 2 && s.requireLevel(2) == nil })
	write(t, c.nodes[0], service("a", "http://a"))
	// From now on older ones are not let in, and it does not go back.
	i := c.add(joining)
	c.eventually("refuse an older server", func() bool {
		return strings.Contains(c.nodes[i].Status().Joining, "understands level 1 and cluster") && c.nodes[i].Status().Members == 0
	})
	if s.usedLevel() != 2 {
		t.Errorf("level %d", s.usedLevel())
	}
}
