// Package adminclient speaks the admin API of DGate.
//
// A [Client] holds an address and credentials and no other state: it can be used from several
// goroutines, and nothing of one call leaks into the next. It reads and writes JSON as it is and
// does not validate resources; the server does, and answers every mistake at once.
package adminclient
