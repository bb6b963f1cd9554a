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
// # An entry
//
// Its kind is the event's name, its time the event's; the body holds who did it and the fact:
//
//	{"v":1,"seq":41,"time":"2026-11-21T02:00:00.000Z","kind":"request.checked","prev":"…","body":"…"}
//	{"salt":"…","by":"p-17","fact":{"request":"z-3","complete":true,"necessary":true}}
//
// # Crash
//
// All events of one command and the checkpoint over them are one transaction of the store, synced before Do returns: after a crash the
// command happened whole or not at all. Recovery is reading on from entry 0, by the code that normal running uses.
package ledger
