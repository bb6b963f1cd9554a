// Package vault keeps released evidence: bags that a recorder encrypted and uploaded to S3, until their term is over.
//
// # The rule
//
// Nobody reads a bag that was put in the place of another, and no bag outlives its term. The recorder uploads each bag once, under
// [central.ObjectName], with an object lock in COMPLIANCE mode until fourteen days later (protocol.HandOverTerm); the store itself then refuses
// to delete or replace it before that, to the vault too. Writing under the same name again makes a second version: the vault
// reads the first version only and reports the others as a sign of tampering ([Object.Others]). When the term has passed, [Vault.Expire]
// deletes every version, every delete marker and every unfinished upload, and says what it could not delete and why.
//
// # An object
//
//	release/rec-1/g-41.age               the bag, encrypted with age to the vault key (or to the recipient's own)
//	x-amz-meta-sha256: 9f86d081…         SHA-256 of the object as stored, 64 hex digits, set by the recorder
//	retention: COMPLIANCE until 2026-12-05T02:00:00Z
//
// The SHA-256 is checked while the bag is read, to its last byte: a reader that returns an error at the end has handed out bytes
// that must not be used. The metadata lies in the same store as the object. Whoever offers a bag to a requester therefore compares
// [Object.SHA256] with the hash in the recorder's own release.done entry first.
//
// # Where it may be
//
// The policy says "alleen op servers in Nederland" (REQUIREMENTS R21): a store that does not declare the Netherlands is refused at start.
//
// # The store on the same machine
//
// For the one-machine default the vault brings its own S3: versitygw, as a child process of the same binary ([StartEmbedded],
// [RunEmbedded]), because it changes the working directory and allows one instance a process. The child dies with its parent, is
// restarted when it dies alone, hears its secrets on standard input, and listens on the loopback interface only. Its state lies in one
// directory, on a file system with user extended attributes: object locks are kept in them.
package vault
