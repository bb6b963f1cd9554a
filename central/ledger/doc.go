// Package ledger is the centre's own log as its database. Every event of package central is one entry in the format of protocol/chain, so the
// ledger is checked with the same tools as a recorder's journal, and there is no second copy of the truth beside it: the State is what
// the entries say.
//
// # What it protects against
//
// Whoever can write the database file but has not the ledger's key cannot change, drop or insert an entry unseen: [Open] recomputes the chain and the
// tree of every entry and compares them with the last checkpoint, which the ledger's key signed in the same transaction as the entries
// it covers. A whole older file put back in place opens without complaint; the recorders, who keep the ledger's checkpoints in their
// journals, notice.
//
// # Witnesses
//
// The centre's witness and those outside cosign the ledger's checkpoints like those of any log. Of each the first and the newest are kept beside the entries, no part of them, and end an export
// ([Book.Witnessed], [Book.Export]): so that `beeldwacht verify` can say who saw it grow, since when and until where. An export that was cut short lacks what they cover.
//
// # An entry
//
// Its kind is the event's name, its time the event's; the body holds who did it and the fact:
//
//	{"v":1,"seq":41,"time":"2026-11-21T02:00:00.000Z","kind":"request.checked","prev":"…","body":"…"}
//	{"salt":"…","by":"p-17","fact":{"request":"z-3","complete":true,"necessary":true}}
//
// # A dossier's entry
//
// What is about one request, person or incident (central.Dossier) is encrypted under a key of its own (Tink AEAD, AES-256-GCM, bound to log, place, kind and dossier), which
// [Keys] holds outside the database. The chain is over the bytes as stored, so that the log verifies without keys. remains is what stays readable when the key is gone:
//
//	{"v":1,"seq":42,"time":"2026-11-21T02:01:00.000Z","kind":"request.decided","prev":"…","body":"…"}
//	{"salt":"…","dossier":"request/z-3","remains":{"request":"z-3","outcome":"granted","reason":"complies","motivation":""},"sealed":"…"}
//
// When the term is over a body.erased entry says so, then the key is destroyed; a crash in between, or a folder of keys put back, is made good at the next start. The Book then
// reads itself anew, so that what was erased is not in memory either. A key that is missing without such an entry is lost, and the ledger does not open. Entries
// from before 22 November 2026 lie open, and stay so.
//
// # Two stores
//
// A [Store] appends at an expected head, reads on, and says when there is more. [Bolt] is one file, for one centre; [Postgres] a database, on which any number of centres
// decide at once: of all who decide at a head one wins, and the others read on and decide anew. Each [Book] follows its store, so that what one centre decided the
// others know at once, and after a lost notification or connection some seconds later.
//
// # Crash
//
// All events of one command and the checkpoint over them are one transaction of the store, on the disk before Do returns: after a crash of centre or database the
// command happened whole or not at all. When the database goes away in the midst of a commit, Do asks it what became of it; only when it stays away is the answer
// [ErrInDoubt]. Recovery is reading on from entry 0, by the code that normal running uses. While the database is away pages are shown and nothing is decided.
package ledger
