// Package outside is the witness outside the centre: a small program that the privacy officer runs on a machine of their own (`beeldwacht witness`). It
// sees checkpoints and consistency proofs, never an entry, and cosigns what only grew.
//
// # What its cosignature says
//
// That it has never cosigned anything for that log which this checkpoint does not extend (invariant 11), whatever recorder, centre and administrator say of it. With it in a recorder's
// quorum nobody can show two logs, or put an older one back, without this key. It does not say that the entries exist or are true: the centre's witness has
// the entries. It speaks C2SP tlog-witness (c2sp.org/tlog-witness), so that others can ask it, and another program can take its place.
//
// # A request
//
// POST /add-checkpoint over HTTPS; its body is a submission ([chain.Submission]). The answer is
//
//	200  its cosignature line: the checkpoint is stored, and synced
//	400  no submission; or its old size is beyond its checkpoint's
//	403  not signed by the log's key
//	404  not of a log in the configuration
//	409  the old size is not that of the last cosigned checkpoint, which is the answer (text/x.tlog.size); or the log has signed another root at that size: a fork
//	413  too long
//	422  the proof does not hold
//	429  too much (see Limits); Retry-After says when
//	500  the disk
//
// GET / shows, in plain text, the public key, and of each log the size last cosigned and when, and what evidence there is.
//
// # Order
//
// What was checked is stored in one transaction that swaps in only on the size and root it was checked against, and is on the disk before it returns; only then the cosignature is made. A
// crash in between loses a cosignature; the log asks again. Many logs at once share a transaction, and so a sync.
//
// # Evidence
//
// A log whose key stands under two roots of one size has forked: both checkpoints are kept as a text in the folder evidence, with what they mean, at most 16 of a log. A checkpoint
// whose proof does not hold may have been spoilt on the way: the newest such is kept, and says so.
//
// # Limits
//
// Of each log an address may hand in 5 checkpoints a second, with bursts of 60; only what its key has signed counts. Each address may send 60 that are refused, and then one a second. At most 512
// connections stand open, and a request has 10 seconds. So nobody who cannot sign keeps a log from being cosigned, but by filling the line; the recorders then wait.
//
// # Store
//
// The folder data has witness.db, a bbolt file with a row a log: the last cosigned checkpoint; and the folder evidence. It belongs to its key: a witness that lost its store has
// forgotten what it cosigned, so it does not start without one, and only [Make], with a new key, makes one. Put back from a backup it would forget as well, unseen: never do.
package outside
