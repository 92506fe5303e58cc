// Package keyring encrypts secret fields of resources before they are proposed, and decrypts them
// when they are used, so that the log, snapshots and backups hold only ciphertext.
//
// Each value is encrypted with a data key, and bound to the cluster, the resource and the field
// that it belongs to. Data keys are stored beside the resources, encrypted with a key-encryption
// key (KEK) that is never stored there: it comes from the configuration, or from a file.
//
// The package does not decide which fields are secret, logs nothing, deletes nothing, and talks
// to no key service. It does not notice when a record is replaced with an older one of the same
// resource, and Go gives it no way to wipe keys from memory.
package keyring
