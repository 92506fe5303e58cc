package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dgate-io/caddy-dgate/raftstorage"
)

// clusterMetrics are what a node knows about its cluster without asking anybody. Each node tells
// of itself.
type clusterMetrics struct {
	leads, led, term, members, tolerance, member *prometheus.Desc
}

func newClusterMetrics(d *descs) clusterMetrics {
	return clusterMetrics{
		leads:     d.add("cluster_is_leader", "1 if this node leads the cluster, else 0."),
		led:       d.add("cluster_has_leader", "1 if this node knows a leader, 0 if changes are impossible."),
		term:      d.add("cluster_term", "Counts elections."),
		members:   d.add("cluster_members", "Members of the cluster, this node among them, by what they are: voter, nonvoter or edge.", "role"),
		tolerance: d.add("cluster_fault_tolerance", "How many voters can fail before changes are impossible."),
		member:    d.add("cluster_is_member", "1 if this node takes part, 0 if it is still joining, was removed or superseded, or has other data than the leader."),
	}
}

func (m *clusterMetrics) collect(out chan<- prometheus.Metric, s raftstorage.Status, roles map[raftstorage.MemberRole]int) {
	out <- gauge(m.leads, truth(s.Leader != "" && s.Leader == s.ID))
	out <- gauge(m.led, truth(s.Leader != ""))
	out <- gauge(m.term, float64(s.Term))
	for role, count := range roles {
		out <- gauge(m.members, float64(count), string(role))
	}
	out <- gauge(m.tolerance, float64(s.FaultTolerance))
	out <- gauge(m.member, truth(s.Joining == "" && !s.Removed && !s.Superseded && s.Diverged == ""))
}
