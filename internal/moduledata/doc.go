// Package moduledata gives modules what is stored for them: the documents and
// collections of "dgate/state", and the secrets of "dgate/secret". It says which
// namespace may read what. Reading takes one view of the local state and waits for
// nobody; writing goes the way of every change, through package change.
//
// The package knows no scripts: it implements the interfaces of the host modules.
// It validates nothing itself, and keeps nothing.
package moduledata
