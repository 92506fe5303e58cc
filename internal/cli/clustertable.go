package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// clusterMember is what a table shows of a node.
type clusterMember struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	Address     string        `json:"address"`
	Role        string        `json:"role"`
	Leader      bool          `json:"leader"`
	Self        bool          `json:"self"`
	Reachable   bool          `json:"reachable"`
	Version     string        `json:"version"`
	Applied     uint64        `json:"applied"`
	Lag         uint64        `json:"lag"`
	LastContact time.Duration `json:"lastContact"`
	Storage     string        `json:"storage"`
	Problem     string        `json:"problem"`
}

// printMembers prints a list of nodes, as a table with what people look for.
func (s *session) printMembers(data json.RawMessage) error {
	if s.flags.output != formatTable {
		return s.print(nil, data)
	}
	var members []clusterMember
	if err := json.Unmarshal(data, &members); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	return writeClusterMembers(s.stdout, members)
}

func writeClusterMembers(out io.Writer, members []clusterMember) error {
	var buf bytes.Buffer
	w := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tADDRESS\tROLE\tSTATE\tAPPLIED\tLAG\tVERSION\tPROBLEM")
	for _, m := range members {
		applied, lag := "", "" // of one that did not answer nothing is known
		if m.Reachable {
			applied, lag = strconv.FormatUint(m.Applied, 10), strconv.FormatUint(m.Lag, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", oneLine(m.Name), oneLine(m.ID), oneLine(m.Address), oneLine(m.Role), m.state(), applied, lag, oneLine(m.Version), shorten(oneLine(m.problem())))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := out.Write(trimLines(buf.Bytes()))
	return err
}

// state is how a node is, in a word or two.
func (m clusterMember) state() string {
	words := []string{"up"}
	switch {
	case !m.Reachable:
		words[0] = "down"
	case m.Leader:
		words[0] = "leader"
	}
	if m.Self {
		words = append(words, "(asked)")
	}
	return strings.Join(words, " ")
}

func (m clusterMember) problem() string {
	if m.Problem == "" && m.Storage != "" && m.Storage != "ok" {
		return m.Storage
	}
	return m.Problem
}

// printStatus prints the status of a node: as a table, its own state, the members, and then what to
// do next.
func (s *session) printStatus(data json.RawMessage) error {
	if s.flags.output != formatTable {
		return s.print(nil, data)
	}
	var status struct {
		Members []clusterMember `json:"members"`
		Next    []string        `json:"next"`
	}
	members, err := membersOf(data)
	if err == nil {
		err = json.Unmarshal(data, &status)
	}
	if err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	var own bytes.Buffer
	own.WriteByte('{')
	for _, m := range members {
		if m.name == "members" || m.name == "next" {
			continue
		}
		if own.Len() > 1 {
			own.WriteByte(',')
		}
		fmt.Fprintf(&own, "%s:%s", quote(m.name), m.value)
	}
	own.WriteByte('}')
	if err := s.print(nil, own.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout)
	if err := writeClusterMembers(s.stdout, status.Members); err != nil {
		return err
	}
	for i, text := range status.Next {
		if i == 0 {
			fmt.Fprintln(s.stdout, "\nNext:")
		}
		fmt.Fprintln(s.stdout, "  -", oneLine(text))
	}
	return nil
}
