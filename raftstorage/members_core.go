package raftstorage

import (
	"context"
	"time"

	"github.com/hashicorp/raft"
	"go.uber.org/zap"
)

// memberMethods are the requests that members send each other about membership.
func (s *store) memberMethods() map[string]method {
	return map[string]method{
		"hello":    s.serveHello,
		"announce": s.noting(s.serveAnnounce),
		"join":     s.noting(s.serveJoin),
		"promise":  s.servePromise,
		"release":  s.serveRelease,
		"fate":     s.serveFate,
		"reach":    s.serveReach,
		"remove":   s.serveRemove,
		"removed":  s.serveRemoved,
		"transfer": s.serveTransfer,
	}
}

// forAll tells methods that servers of other clusters may call: those that find out about that.
func forAll(name string) bool { return name == "hello" || name == "announce" || name == "join" }

// raftNow is raft as it runs, or stopped for a moment; nil before it has ever been started.
func (s *store) raftNow() *raft.Raft {
	if m := s.member.Load(); m != nil {
		return m.raft
	}
	return nil
}

// servers is the configuration of the cluster as this node knows it; empty before it is in one.
func (s *store) servers() []raft.Server {
	if m := s.member.Load(); m != nil && m.raft != nil {
		return m.servers()
	}
	return nil
}

// advertised is where others reach this server, or "".
func (s *store) advertised() string {
	if m := s.member.Load(); m != nil && m.networked {
		return string(m.address)
	}
	return ""
}

// clusterConfig is the configuration in force; nil: alone.
func (s *store) clusterConfig() *Cluster { return s.cluster.Load() }

// leads tells whether this server leads and knows all that was agreed on before.
func (s *store) leads() bool {
	m := s.member.Load()
	if m == nil || m.raft == nil {
		return false
	}
	l, _ := s.leading.get()
	return l.self && m.settled.Load() == l.term
}

// later runs what restarts the member, and so cannot be run by one of its goroutines. The store
// waits for it when it is closed.
func (s *store) later(job func()) { s.wg.Go(job) }

// retire stops raft and the port for good, while the node goes on serving what it has.
func (s *store) retire() {
	if !s.lockConfiguring() {
		return
	}
	defer s.configuring.Unlock()
	if m := s.member.Load(); m != nil {
		ctx, cancel := context.WithTimeout(context.Background(), transferTime)
		_ = m.stepDown(ctx) // the others elect one
		cancel()
		if err := m.end(); err != nil {
			s.log().Error("raft does not stop: " + err.Error())
		}
	}
	if err := s.place.leave(place{}); err != nil {
		s.log().Warn("the port cannot be closed: " + err.Error())
	}
	s.place = place{}
}

// lockConfiguring locks configuring, or returns false when the store is closed, which keeps it.
func (s *store) lockConfiguring() bool {
	for !s.configuring.TryLock() {
		select {
		case <-s.stop:
			return false
		case <-time.After(retryPause):
		}
	}
	if s.stopped() {
		s.configuring.Unlock()
		return false
	}
	return true
}

// leadAlone is what the leader of a node without a cluster has to do.
func (s *store) leadAlone(ctx context.Context) {
	for pause := retryPause; ; pause = min(2*pause, maxRetryPause) {
		err := s.finishRecovery(ctx)
		if err == nil || !sleep(ctx, pause) {
			return
		}
		s.log().Warn("the recovery of the cluster is not complete", zap.Error(err))
	}
}

// refused is told when a server of another cluster calls raft.
func (s *store) refused(err error) {
	if _, ok := s.strangers.pass(""); !ok {
		return
	}
	s.log().Warn("a server of another cluster was refused; if this cluster was recovered, delete the data directory of that server and let it join", zap.Error(err))
}
