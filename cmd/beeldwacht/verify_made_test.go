package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// made are the logs that need a town: of a recorder where somebody looked (access.log, and orphan.log in which somebody also looked without a grant, and anew.log: the entries of that under the checkpoint of the first, and bare.log and untold.log: the first without the last body, and without that of the access), with keys access.txt (and those without roots,
// logkey.txt), the successor of the first (resumed.log, resumed-epochs.log whose seals begin anew there, ahead.log that a witness cosigned nine years later by its clock, ahead-bare.log without that one's last body, and rogue.log that nobody ordered), and the centre's ledger with a dossier in it, as a centre with an outside witness exports it
// (ledger.log, ledger.txt); when that witness was away in the end (ledger-away.log), or not asked yet (ledger-soon.log); and with something wrong at its end: cut short, a cosignature moved to another checkpoint, all cosignatures left
// out, the checkpoint of another ledger besides.
func made(t *testing.T) map[string][]byte {
	start := time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC) // 23:30 in Helmond
	town := protocoltest.NewTown(t, start)
	files := map[string][]byte{}
	for name, orphan := range map[string]bool{"access.log": false, "orphan.log": true} {
		l := &townLog{t: t, town: town, now: start}
		l.write(protocol.KindOpened, protocol.Opened{Recorder: town.Recorder, Municipality: town.Municipality, Key: town.LogKey, Roster: string(town.Roster(1)), Roots: town.Roots})
		mandate := town.Mandate("hal", 1)
		l.order(1, mandate, protocol.LevelOrder)
		grant := town.Grant("g-1", "hal", protocol.Span(start, start.Add(time.Hour)))
		grant.Use, grant.Recipient = protocol.UseView, "p256:x"
		raw := l.order(2, grant, protocol.LevelPersons, protocoltest.Handler, protocoltest.Approver)
		look := protocol.Access{How: "playback", Grant: "g-1", Request: grant.Request, Camera: "hal", Interval: grant.Interval, Person: grant.Requester, Recipient: grant.Recipient, Reason: "x",
			Document: protocol.HashOf(raw), Level: protocol.LevelPersons}
		l.write(protocol.KindView, look)
		l.now = l.now.Add(time.Hour) // the next day
		l.write(protocol.KindIncident, protocol.Incident{What: "test", Detail: "next day"})
		if orphan {
			look.Grant = "g-99"
			l.write(protocol.KindView, look)
		}
		files[name] = l.file(town.Log, town.Witness)
	}
	entries, checkpoint, _ := bytes.Cut(files["access.log"], []byte("\n\n"))
	anew, _, _ := bytes.Cut(files["orphan.log"], []byte("\n\n"))
	files["anew.log"] = slices.Concat(anew, []byte("\n\n"), checkpoint)
	files["untold.log"] = slices.Concat(bytes.Join(slices.Replace(bytes.Split(entries, []byte("\n")), 7, 8, []byte("-")), []byte("\n")), []byte("\n\n"), checkpoint)
	files["bare.log"] = slices.Concat(entries[:bytes.LastIndexByte(entries, '\n')], []byte("\n-\n\n"), checkpoint)
	second, err := protocol.SignerUnder(protocol.LogOrigin(town.Log.Name(), 2), town.Log)
	must(t, err)
	for name, signers := range map[string][]protocol.PersonID{"resumed.log": {protocoltest.Officer}, "resumed-epochs.log": {protocoltest.Officer}, "rogue.log": {protocoltest.Approver}} {
		l := &townLog{t: t, town: town, now: start}
		begin := func(log string, epoch uint64, lost string) {
			if _, key, err := protocol.NewKey(log); name == "resumed-epochs.log" {
				must(t, err)
				l.write(protocol.KindEpochBegun, protocol.EpochBegun{Epoch: epoch, Key: key, Lost: lost})
			}
		}
		l.write(protocol.KindOpened, protocol.Opened{Recorder: town.Recorder, Municipality: town.Municipality, Key: town.LogKey, Roster: string(town.Roster(1)), Roots: town.Roots})
		begin(town.Log.Name(), 0, "")
		order := l.order(1, town.Resume("r-1", 2), protocol.LevelPersons, signers...)
		l.write(protocol.KindResumed, protocol.Resumed{Log: 2, Document: string(order)})
		begin(second.Name(), 1, "the log was resumed")
		if name == "resumed-epochs.log" {
			ahead := &townLog{t: t, town: town, head: l.head, now: l.now}
			ahead.entries.Write(l.entries.Bytes())
			ahead.write(protocol.KindIncident, protocol.Incident{What: "test", Detail: "the last entry"})
			ahead.now = ahead.now.AddDate(9, 0, 0)
			files["ahead.log"] = ahead.file(second, town.Witness)
			entries, checkpoint, _ := bytes.Cut(files["ahead.log"], []byte("\n\n"))
			files["ahead-bare.log"] = slices.Concat(entries[:bytes.LastIndexByte(entries, '\n')], []byte("\n-\n\n"), checkpoint)
		}
		files[name] = l.file(second, town.Witness)
	}
	keys := fmt.Sprintf("log %s\nwitness %s\n", town.LogKey, town.WitnessKey)
	files["logkey.txt"] = []byte(keys)
	for _, root := range town.Roots {
		keys += "root " + root + "\n"
	}
	files["access.txt"] = []byte(keys)

	signer, vkey := protocoltest.Key(t, protocol.LedgerOrigin("stad"))
	store, err := ledger.OpenBolt(filepath.Join(t.TempDir(), "ledger.db"), signer.Name())
	must(t, err)
	dossiers, err := ledger.OpenKeys(filepath.Join(t.TempDir(), "keys"))
	must(t, err)
	book, err := ledger.Open(t.Context(), store, dossiers, signer, func() time.Time { return start }, slog.New(slog.DiscardHandler))
	must(t, err)
	skey, _, err := protocol.NewKey("witness.fg")
	must(t, err)
	officers, officersKey, err := chain.NewWitness(skey)
	must(t, err)
	cosigned := map[int][]byte{} // by the number of commands before it
	cosign := func(n int, by ...*chain.Witness) {
		signed, err := book.Checkpoint()
		must(t, err)
		for i, w := range by {
			signed, err = chain.Cosign(signed, w, start.Add(time.Duration(10*n+i)*time.Second))
			must(t, err)
		}
		must(t, book.Witnessed(t.Context(), signed))
		cosigned[n] = signed
	}
	export := func(name string, enough uint64) (entries []byte) {
		var exported bytes.Buffer
		must(t, book.Export(&exported, enough))
		files[name] = exported.Bytes()
		entries, _, _ = bytes.Cut(exported.Bytes(), []byte("\n\n"))
		return entries
	}
	for n, c := range []central.Command{
		central.Open{Municipality: "stad", Administrator: "p-admin", Secrecy: protocol.T(start.Add(-time.Hour))},
		central.Appoint{By: "p-admin", Appointment: central.Appointment{Person: "p-fg", Posts: []central.Post{{Role: central.Officer}}, Secrecy: protocol.T(start.Add(-time.Hour))}},
		central.ReportIncident{By: "p-fg", IncidentFacts: central.IncidentFacts{Nature: "secret"}},
		central.ReportIncident{By: "p-fg", IncidentFacts: central.IncidentFacts{Nature: "other"}},
	} {
		_, err := book.Do(t.Context(), c)
		must(t, err)
		switch n {
		case 0:
			cosign(n, town.Witness)
		case 2:
			cosign(n, town.Witness, officers)
			entries := export("ledger.log", 0)
			with := func(name string, entries []byte, more ...[]byte) {
				files[name] = append(bytes.Clone(entries), '\n')
				for _, note := range more {
					files[name] = slices.Concat(files[name], []byte("\n"), note)
				}
			}
			lines := bytes.Split(entries, []byte("\n"))
			with("ledger-short.log", bytes.Join(lines[:len(lines)-2], []byte("\n")), cosigned[0], cosigned[2])
			own, _, _ := bytes.Cut(cosigned[0], []byte("— "+officers.Name()))
			with("ledger-forged.log", entries, slices.Concat(own, cosigned[2][bytes.Index(cosigned[2], []byte("— "+officers.Name())):]), cosigned[2])
			with("ledger-bare.log", entries, cosigned[2][:bytes.Index(cosigned[2], []byte("— "+town.Witness.Name()))])
			other, _ := protocoltest.Key(t, signer.Name())
			c, err := chain.UnverifiedCheckpoint(cosigned[2])
			must(t, err)
			foreign, err := chain.SignCheckpoint(c, other)
			must(t, err)
			with("ledger-foreign.log", entries, cosigned[2], foreign)
		case 3:
			cosign(n, town.Witness)
			export("ledger-away.log", 0)
			export("ledger-soon.log", 5)
		}
	}
	must(t, book.Close())
	files["ledger.txt"] = fmt.Appendf(nil, "log %s\nwitness %s\nwitness %s\nquorum 2\n", vkey, town.WitnessKey, officersKey)
	return files
}

type townLog struct {
	t       *testing.T
	town    *protocoltest.Town
	now     time.Time
	head    chain.Head
	entries bytes.Buffer
}

func (l *townLog) write(kind string, body any) {
	l.now = l.now.Add(time.Second)
	e, err := chain.Seal(&l.head, kind, body, l.now)
	must(l.t, err)
	must(l.t, l.head.Add(e))
	must(l.t, chain.WriteEntry(&l.entries, e))
}

func (l *townLog) order(number uint64, d protocol.Document, level protocol.Level, signers ...protocol.PersonID) (raw []byte) {
	raw = l.town.Compose(d, signers...)
	envelope := l.town.Envelope(number, raw)
	l.write(protocol.KindOrder, protocol.Order{Number: number, Kind: d.Kind(), ID: d.Head().ID, Level: level, Document: string(raw), Envelope: protocol.HashOf(envelope), Note: string(envelope)})
	return raw
}

func (l *townLog) file(key note.Signer, w *chain.Witness) []byte {
	signed, err := chain.SignCheckpoint(chain.Checkpoint{Origin: key.Name(), Size: l.head.Size, Root: l.head.Root()}, key)
	must(l.t, err)
	signed, err = chain.Cosign(signed, w, l.now)
	must(l.t, err)
	must(l.t, chain.WriteCheckpoint(&l.entries, signed))
	return l.entries.Bytes()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
