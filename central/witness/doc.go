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
// What a recorder should not have done is kept as a [Finding]; the office opens an incident of it, one as long as that is open (that a log which was resumed was put back once more is another). "Proof" is what anyone can check with the
// recorder's key alone, without trusting this witness or the centre; of the rest everything shown is proven, and the last step is somebody's word: the download says so, and whose.
//
//	what                              noticed by                                        worth                                                              incident
//	fork                              Receive: a signed log that contradicts the        proof: two checkpoints of one key, and why they cannot both be     log-fork
//	                                  one stored
//	rollback (a restored backup)      Status: fewer entries than are stored, or a       proof: a checkpoint, its last entry, and a later status of         log-rollback
//	                                  log of before the present one, at a later time;   one key
//	                                  once it writes on, a fork
//	truncation                        Status: fewer entries than in its last status,    proof: two statuses of one key; or checkpoint and status           log-truncated
//	                                  or no log any more. A status that states more than
//	                                  was handed in is on the disk before Status returns
//	silence                           Sweep: nothing handed in for an hour while this   this witness's word; the last checkpoint is shown                  log-silent
//	                                  witness was there
//	clock ahead                       cosign: an entry of a time that has not come      proof, given this witness's clock: entry and cosignature           log-clock
//	clock behind                      the office: an entry that holds a ledger          proof, given the centre's clock: the entry, and the ledger's       log-clock
//	                                  checkpoint is dated before the ledger's entry.     own entry under the checkpoint in it
//	                                  How long it was silent does not matter for either
//	body missing before its time      Receive: a header without its body, while the     proven is that the recorder signed for the entry; that its         log-body
//	                                  term of its kind runs (protocol.BodyTerms)        body did not come is this witness's word
//	access without a grant            central.RecordAccess, from the entry              proven is the access; that there was no grant is the               access-orphan
//	                                                                                    centre's word, by its ledger
//	sealed and never expired          Sweep: tallies by camera and clock hour, windows  proven are entry and mandate; that no deletion follows shows       footage-overdue
//	                                  by the mandates, holds as confirmed; 15 minutes   in the whole log, which anyone may be given
//	                                  of the log's own time beyond
//	expired and still listed          entries: the oldest footage (twice in a row), a    proven are the entries and the status; that they contradict        footage-listed
//	                                  hold or release of more than is left; Status      each other shows in them, for a count in the whole log
//	a broken seal                     store (see Seals)                                 proof, by itself or with the whole log                             log-unsealed
//	no seal for an hour and a half    cosign, of an idle checkpoint                     this witness's clock                                               log-seal-late
//	a batch that does not fit         Receive                                           nothing: it may have been spoilt on the way                        log-unfit
//
// The counts are of clock hours: a hold on part of an hour excuses all of that hour, and what is left of an hour covers for what was deleted of it. So they accuse late
// rather than wrongly. A store from before them knows nothing of footage that was sealed then, and accuses nobody of it.
//
// # Seals
//
// A recorder's seals are checked as its entries come in (protocol/chain, Forward security), by what its row says of the epoch that runs. Entries that they do not hold are stored and
// cosigned like any other, so that they cannot be taken back, and are kept as a finding, once. A recorder that goes on telling, without an entry, that its log has not grown is found when its newest
// seal is an hour and a half old. An epoch begun anew, since its key was lost, is no finding here: the recorder says so itself, and the centre makes an incident of it,
// unless its log was resumed.
//
// # Successors
//
// A recorder whose log was put back or forked goes on under a successor of that log, once the privacy officer orders so ([Witness.Resume]): the entries that it has, under the next
// name (protocol.LogOrigin). Its checkpoints of that name are cosigned like any others. As long as they cover nothing but entries that are here already they are cosigned as the beginning of both logs. The
// first entry that differs makes the successor the present log, in the transaction that stores it: what only the log before it has moves aside, whole, with its last cosigned
// checkpoint, and stays readable and verifiable ([Witness.FormerFile]); its accesses stay among the accesses, and its bodies keep their terms. The tallies of footage go on, since what both parts
// sealed and deleted was so; a minute that is sealed again is counted unless a part that lies aside has it. A recorder may also be put back to a copy of what lies aside by then: those entries are stored
// once more, as part of the log that goes on, and are counted and taken in as what they are, entries of the log in which they stood first ([Witness.First]).
//
// Without the order a checkpoint under a successor's name is refused, and is no finding: nobody signed two things under one name, and the recorder that insists falls silent here, which is one.
// A checkpoint under the name of a log that has ended is refused, and answered with the newest cosigned one of that log, so that the recorder finds out that it was put back to before its
// resumption; its next status is the proof, for it names that log again. A fork, rollback or truncation of the successor is found as of any log; findings say of which log they are.
//
// # Retention
//
// Bodies go here too at the end of the term of their kind (protocol.BodyTerms), whether or not their recorder still is there to say so in its log; headers, seals and hashes
// stay, and [Witness.LogFile] still verifies. How many of which kinds went is counted in the transaction in which they go, and the office puts each round in the ledger ([Witness.Destroyed]). bbolt leaves what was deleted in its free pages until they are written again: we say *destroyed* of the log, and *deleted* of the file.
//
// # Store
//
// One bbolt file of its own, never the ledger's: a row a recorder in "recorders"; under "logs" a bucket a recorder with headers, bodies (packed: protocol.Pack),
// hashes, findings, what only a former log has ("former", by its number), which months of bodies are gone, what pages ask for (the accesses, and each camera's oldest footage), and what findings are found by: tallies by clock hour,
// what is deleted, windows and holds; and the first checkpoint that was cosigned, which goes along with an export. Statuses that state more than came in stand in "ahead"; what outside witnesses cosigned
// in "outside".
package witness
