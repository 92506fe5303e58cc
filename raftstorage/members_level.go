package raftstorage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"

	"github.com/dgate-io/caddy-dgate/internal/resource"
	"github.com/dgate-io/caddy-dgate/internal/state"
)

// A change of what commands can say, or mean, gets a new level, see [state.FeatureLevel]. It is
// proposed only once every member understands it, and from then on older ones are not let in.

func levelKey() resource.Key { return resource.Key{Kind: state.Setting, Name: "level"} }

// usedLevel is the level that all members agreed on: what is above it must not be proposed.
func (s *store) usedLevel() int {
	level := 1
	_ = s.db.View(func(r *state.Reader) error { // closed: nothing is proposed any more
		if rec, ok, err := r.Get(levelKey()); err == nil && ok {
			_ = json.Unmarshal(rec.Data, &level) // we wrote it; else it is 1
		}
		return nil
	})
	return max(level, 1)
}

// requireLevel says why a command of a level cannot be proposed yet, see [state.Command.Level].
func (s *store) requireLevel(level int) error {
	if level <= 1 {
		return nil // everybody does
	}
	if used := s.usedLevel(); level > used {
		return resource.Errorf(resource.Conflict, "the cluster uses level %d until all of its members understand level %d: upgrade them", used, level)
	}
	return nil
}

// raiseLevel makes the highest level that all members understand the one that is used. It never
// goes back: what was written stays.
func (s *store) raiseLevel(ctx context.Context, servers []raft.Server, records map[string]memberRecord) error {
	common := s.members.level
	for _, server := range servers {
		record, known := records[string(server.ID)]
		if !known {
			return nil // it has not announced itself yet
		}
		common = min(common, record.Level)
	}
	if common <= s.usedLevel() {
		return nil
	}
	data, err := json.Marshal(common)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.members.timing.change)
	defer cancel()
	if _, err := s.propose(ctx, state.Command{Ops: []state.Op{{Key: levelKey(), Data: data}}}); err != nil {
		return fmt.Errorf("raise the level of the cluster: %w", err)
	}
	s.log().Info("all members understand a newer format, which is used from now on", zap.Int("level", common))
	return nil
}
