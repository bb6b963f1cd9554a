// Package chain is the form of a log that nobody can rewrite: the recorder's journal and the centre's ledger. It makes and checks
// entries, the hash chain, the Merkle tree, checkpoints, cosignatures and proofs, and verifies a whole log offline.
//
// # What it protects against
//
// Whoever holds the log, the recorder's owner included, cannot alter, drop, insert or reorder an entry that a cosigned checkpoint
// covers without [Verify] naming the place. Not covered are: entries after the last cosigned checkpoint (reported as "not yet
// covered"), an owner who shows an older log with its older checkpoint (ask a witness for the newest one), and what a body claims
// (a recorder that lies when it writes an entry has lied on the record). Verify a signature first, then parse those same bytes;
// every parser here refuses what it would not itself have written.
//
// # Entry
//
// An entry is a header and a body, one line of JSON each. Lines are hashed as they stand, without their newline.
//
//	{"v":1,"seq":7,"time":"2026-11-21T02:00:00.000Z","kind":"hold.placed","prev":"…64 hex…","body":"…64 hex…"}
//	{"salt":"…32 hex…","hold":"h-7f3a","camera":"plein-noord"}
//
// A header has exactly these keys, in this order, without spaces: one meaning has one spelling. seq counts from 0. prev is the SHA-256
// of the previous header line, 64 zeros for the first. body is the SHA-256 of the body line. time is never before the previous
// entry's. A body is an object that begins with a random 128-bit salt, so that a destroyed body cannot be guessed back from its
// hash; it is at most 64 KiB, has no key twice and no number but integers up to 2^53.
//
// # Tree and checkpoint
//
// The header lines are the leaves of an RFC 6962 tree (golang.org/x/mod/sumdb/tlog). A checkpoint is a C2SP tlog-checkpoint: a
// signed note (golang.org/x/mod/sumdb/note) of the log's key, whose name is the log's origin, to which witnesses add C2SP
// cosignature/v1 lines:
//
//	rec-1.helmond/beeldwacht
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— rec-1.helmond/beeldwacht Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//	— witness.example oDAQrLTK1wC2jFsnLnQ9lF7wSDgO3/wQbyU4YVh1c3p…
//
// One entry is proven with a C2SP tlog-proof file, see [NewProof].
//
// # Submission
//
// Whoever saw the log at one size is shown a later checkpoint with the consistency proof between them (RFC 6962 section 2.1.2), in the form that C2SP tlog-witness has for add-checkpoint:
// a witness, which answers with its cosignature line, and a recorder, which keeps the checkpoints of the centre's ledger.
//
//	old 20852014
//	PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
//	…
//
//	rec-1.helmond/beeldwacht
//	20852163
//	…
//
// # Forward security
//
// A cosignature protects only what reached a witness. What a recorder wrote and could not yet hand in is protected by seals: root on it tomorrow cannot rewrite
// yesterday. Time is cut into epochs of at most an hour. An epoch ends with an entry epoch.sealed, also when nothing else stands in it, whose body is a checkpoint of the
// log before that entry, signed with the key of the ending epoch, which names the public key of the next (see [EpochSeal]). Then the old private key is destroyed.
// An entry epoch.begun names the first key.
//
// [Epochs] checks, entry by entry: each seal is signed with the key that the seal before it names, over exactly the entries before it; epochs are numbered without a hole; no
// entry but its seal stands in an epoch that is an hour old. So, with all that is on the disk when it is taken:
//
//   - an entry of an earlier epoch cannot be changed, dropped, inserted or moved: the next seal is over another root, and nobody has its key any more. A newer seal does not
//     excuse an older one: every one is checked, in order;
//   - the log cannot be cut back to an earlier seal and go on: the epoch after that seal has a key too, and it is gone;
//   - an empty epoch cannot be left out, nor what stood in a full one be called empty: its seal would be missing, and the next one bears another number and another key.
//
// Not covered:
//
//   - the epoch that runs: who has its key can write it anew, back to the last seal, except for what is cosigned;
//   - a log that ends: one that was cut back and does not go on looks like a recorder that was switched off then. A witness knows better, and notices the silence;
//   - a whole log made anew from its first entry. Seals carry trust on from an entry that somebody saw: the first key must have reached a witness, as it does when the recorder
//     is put into use, and a checkpoint covers it;
//   - a key that a copy, a snapshot or worn flash kept; see edge/disk, Slots.
//
// A recorder whose key is gone cannot seal: it begins an epoch anew with an entry epoch.begun that says why. Who has taken the disk can do that too, and cut off what followed the
// last seal: so a break is never silent. [Verify] lists each, and the centre opens an incident.
//
// # Succession
//
// A log that was put back, or forked, cannot go on under its name: whoever watched it has signed for something else, and two histories under one name are what a log must never have. By an order of the
// privacy officer it goes on as its own successor, which has the same key and the next name, "rec-1.helmond/beeldwacht/2" (protocol.LogOrigin): an entry log.resumed carries the order, and the next entry
// begins an epoch anew. The entries before it, as the recorder has them, are the successor's first ones, so numbers, proofs of their inclusion and what is under a seal stay what they were; what the
// first log had beyond them is with its witnesses, and is not denied: it is another log. [Verify] takes a successor for its first log's key, where its log.resumed stands among the entries, and lists each; who signed the order is for
// the caller (protocol/access). A key of an epoch bears the name of the log that went on when it was made.
//
// # Retention
//
// A body is destroyed when the term of its kind is over (protocol.BodyTerms), which counts from the end of the month that the entry is of. Headers and the bodies that prove the rest
// stay, so the chain, the tree and the seals still verify. An entry log.bodies-destroyed says before the act which kinds of which month go, how many, and the root over their header lines.
// [Verify] holds each missing body against that: one that is missing before its term is over is a fault, with its place and kind; so is one more than was said, and one of
// a kind that is never destroyed. Whether the term is over is judged by the time of the entry that says so, and where no entry does (a copy that somebody else keeps, the centre's) by the
// latest time in the log or of a cosignature.
//
// # Stream
//
// A log file is the entries from the first on, an empty line, and the newest (cosigned) checkpoint; or several checkpoints, the oldest first, with an empty line between them:
// the first that a witness cosigned shows since when the log is witnessed, and the newest of a witness that is absent how far it saw. Each must be of these entries. A body that was destroyed at the
// end of its own term is the single line "-"; the chain still verifies:
//
//	{"v":1,"seq":0,…}
//	{"salt":…}
//	{"v":1,"seq":1,…}
//	-
//
//	rec-1.helmond/beeldwacht
//	2
//	…
//
// The same form without its last part carries a batch of entries over MQTT.
package chain
