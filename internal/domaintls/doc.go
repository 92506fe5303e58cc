// Package domaintls answers what the TLS side of a server asks about domains: which names may get a
// certificate, which certificate of its own a name has, and which names nobody may ask for any
// more. It answers from memory, without locks that a handshake waits for, and follows the stored
// domains: see [Directory.Update].
//
// It also counts new certificates, see [Limiter], and remembers what became of them, see [Log].
//
// The package obtains and stores nothing, and knows neither Caddy nor the store.
package domaintls
