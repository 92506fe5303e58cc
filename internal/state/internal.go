package state

// DataKey is the kind of the encrypted keys that secrets are encrypted with. It is the store's own
// and not in the registry: nobody can name it from outside, and its data is the business of
// package keyring. Its resources refer to nothing and claim nothing.
const DataKey = "datakey"
