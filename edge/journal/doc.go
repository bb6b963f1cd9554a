// Package journal is the single durable writer of a recorder's log, and the only maker of Receipts.
//
// # What it guards
//
// No footage is read before the access is on record: whoever reads needs a [Receipt], only [Journal.Access] makes one, and it does so
// after the entry is on the disk; [Journal.Resume] makes it again for an intent without outcome (DESIGN section 1, sentence 2). The journal has one writer; when it cannot be written every
// later Append fails, and with it the act it was for (invariant 10), until the disk lets the files be cut back to the last entry that was acknowledged; the next entry then says since when it failed. A recorder that finds its witnesses
// know more than it does, or something else, gets no Receipt any more, until it is resumed (invariant 13).
//
// # Files
//
//	headers.log          header lines, one entry each, append only; locked (flock) by the writer
//	bodies-2026-11.log   body lines of the entries whose header's time is in that month (UTC), in the same order
//	hashes               the tree's stored hashes, 32 bytes each; recomputable, and recomputed where missing or wrong
//	cosigned             the last accepted checkpoint with its cosignatures, a C2SP note, replaced whole
//	epoch.key            elsewhere, in the folder of the keys: the private key of the epoch that runs, a file of two slots (edge/disk, Slots)
//	behind               if there: the checkpoint that showed this log to be rolled back or forked
//
// Bodies stand apart from headers so that those whose term has passed can be destroyed (see Retention); the chain is over
// headers and still verifies. The plain files can be read with cat while the recorder runs, and checked with [OpenLog] and chain.Verify.
//
// # Order of writing
//
// A batch of entries is written and synced in this order: bodies, then headers; then its Appends return. So a whole header always
// has its body. After a crash, what is left of an unfinished batch — bodies without header, a torn last line — is cut back to the
// last whole, chained entry, and said so. Anything else that does not chain is refused with its place: then somebody must look
// (copy the directory first) before the recorder serves again.
//
// # Retention
//
// Bodies of a kind go when the term of their kind is over (protocol.BodyTerms): a month at a time, and only when a witness has cosigned at so late a time. First an entry
// log.bodies-destroyed is written; then a file of that month with a line "-" in the place of each takes the place of the one before. A start finishes what it finds begun. The
// disk forgets the old file as it forgets any that is deleted: we say *destroyed* of the log, and *deleted* of the disk.
//
// # Seals
//
// Each epoch is sealed with a key that is then destroyed (protocol/chain, Forward security), when an hour is over, also when nothing was written, and before anything that is written
// later: the writer looks before each batch. A clock that goes back ends the epoch too. In this order: the next key is on the disk, the seal is written and synced, the old key
// is overwritten and that is synced. A crash in between leaves two keys, of which the next start destroys the one that the log does not name. The private key is read only to seal;
// while an epoch runs it is not in memory. A key that cannot be kept or destroyed leaves the journal broken, as a failed write does.
//
// A key that is gone is logged, and journalled: an entry epoch.begun says which and why, and begins the next epoch. What the seals cannot prove then is what stands between the
// last one and that entry.
//
// # Succession
//
// A log that was rolled back or forked cannot be made good: its witnesses know another one, and do not forget it. It goes on as its own successor (protocol.Resume): an entry log.resumed with
// the officer's order, an epoch begun anew, and from then on the same files, entries and key under the next name. Nothing of it is left out, what was written while it was behind included; what was
// lost stays with the witnesses. What they had of these entries under the old name is not handed in again; nothing they said of the old log counts for the new one.
package journal
