// Package witness takes in recorders' journals, checks that they only grow, keeps them, and says so by cosigning their checkpoints. It
// knows no transport: [Witness.Receive] is given a batch and returns the answer.
//
// # What a cosignature says
//
// That this witness has, in a store of its own, every entry under the checkpoint, and never cosigned anything for that recorder which this
// checkpoint does not extend (invariant 11). A recorder that rolls back its disk or shows different logs to different readers cannot
// have both cosigned. What it does not say: that the entries are true, or that nobody else was shown another log; for that there are
// other witnesses, and a centre that is its own only witness is called self-witnessed. A witness store put back from a backup
// has forgotten what it cosigned since: let it catch up before trusting its silence about forks.
//
// # Batch
//
// A stream of protocol/chain: entries, an empty line, a checkpoint signed by the recorder over at least the last of them; without
// entries when the recorder is idle. Entries that no checkpoint covers are not looked at: whoever carries the batch could have made them up.
// Everything is checked before anything is stored: the signature, each entry's place in chain and tree, the root. What is known
// already may come again; what begins after what is known is answered with the newest cosigned checkpoint, and the recorder
// sends from there.
//
// # Order
//
// Headers, bodies and the checkpoint over them are stored in one transaction, which swaps in only on the checkpoint it was checked
// against; then the checkpoint is cosigned, in a second transaction that cosigns nothing smaller than what was cosigned before; then it is
// returned. A crash in between loses a cosignature, never an entry that was cosigned; the recorder hands the batch in again.
//
// # Findings
//
// When a recorder's own signature stands under two logs that contradict each other, both checkpoints are kept as a [Finding], with the
// proof that they do: evidence that anyone can check without trusting this witness. A batch that merely does not fit may have
// been spoilt on the way; the newest such batch is kept as a finding that proves nothing.
//
// # Seals
//
// A recorder's seals are checked as its entries come in (protocol/chain, Forward security), by what its row says of the epoch that runs. Entries that they do not hold are stored and
// cosigned like any other, so that they cannot be taken back, and are kept as a finding, once. A recorder that goes on telling, without an entry, that its log has not grown is found when its newest
// seal is an hour and a half old. An epoch begun anew, since its key was lost, is no finding here: the recorder says so itself, and the centre makes an incident of it.
//
// # Retention
//
// Bodies go here too at the end of the term of their kind (protocol.BodyTerms), whether or not their recorder still is there to say so in its log; headers, seals and hashes
// stay, and [Witness.LogFile] still verifies. bbolt leaves what was deleted in its free pages until they are written again: we say *destroyed* of the log, and *deleted* of the file.
//
// # Store
//
// One bbolt file of its own, never the ledger's: a row a recorder in "recorders"; under "logs" a bucket a recorder with headers, bodies,
// hashes, findings, which months of bodies are gone, and what pages ask for: the accesses, and each camera's oldest footage.
package witness
