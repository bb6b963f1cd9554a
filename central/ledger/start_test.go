package ledger

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// BenchmarkStart is a centre's start on a ledger of LEDGER_ENTRIES entries, half of them sealed, each eighth of a dossier of its own: reading, the chain, the tree, decryption, decoding
// and Apply. Beside it the least that anyone could do with the same bytes: SHA-256 of them on one processor, and strict decoding of them.
func BenchmarkStart(b *testing.B) {
	entries := 100_000
	if n, err := strconv.Atoi(os.Getenv("LEDGER_ENTRIES")); err == nil {
		entries = n
	}
	dir := b.TempDir()
	path, folder := filepath.Join(dir, "ledger.db"), filepath.Join(dir, "keys")
	signer, _ := protocoltest.Key(b, origin)
	open := func() *Book {
		store, err := OpenBolt(path, origin)
		if err != nil {
			b.Fatal(err)
		}
		keys, err := OpenKeys(folder)
		if err != nil {
			b.Fatal(err)
		}
		book, err := Open(b.Context(), store, keys, signer, (&clock{now: start}).Now, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		return book
	}
	book := open()
	do(b, book, openCommand())
	var dossiers []central.Dossier
	for n := 1; n <= entries/4; n++ {
		dossiers = append(dossiers, central.IncidentDossier(n))
	}
	if err := book.keys.add(dossiers...); err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("iemand liep door de hal en nam iets mee; ", 4)
	incidents := 0
	for seq := book.Size(); seq < uint64(entries); {
		var events []central.Event
		add := func(by protocol.PersonID, o central.Dossier, f central.Fact) {
			events = append(events, central.Event{Seq: seq, Time: protocol.T(start), By: by, Fact: f, Dossier: o})
			seq++
		}
		for range 500 {
			incidents++
			o := central.IncidentDossier(incidents)
			add("p-portier", o, &central.IncidentOpened{Kind: "reported", Detail: text})
			add("p-fg", o, &central.IncidentDescribed{Number: incidents, IncidentFacts: central.IncidentFacts{Nature: text, Cause: text}})
			unit := agree(incidents % 1000)
			add("p-admin", "", &central.UnitAgreed{Unit: unit.Unit})
			add("p-fg", "", &central.ReadingRecorded{What: central.ReadReport, About: "jaarverslag"})
		}
		book.writing.Lock()
		err := book.write(b.Context(), events)
		book.writing.Unlock()
		if err != nil {
			b.Fatal(err)
		}
	}
	var all []chain.Entry
	for {
		some, err := book.Entries(b.Context(), uint64(len(all)), 5000)
		if err != nil {
			b.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	if err := book.Close(); err != nil {
		b.Fatal(err)
	}
	var bytes int
	since := time.Now()
	for _, e := range all {
		sha256.Sum256(e.Header)
		sha256.Sum256(e.Body)
		bytes += len(e.Header) + len(e.Body)
	}
	hashing := time.Since(since)
	since = time.Now()
	for _, e := range all {
		var h chain.Header
		var body central.Body
		if err := json.Unmarshal(e.Header, &h, json.RejectUnknownMembers(true)); err != nil {
			b.Fatal(err)
		}
		if err := json.Unmarshal(e.Body, &body, json.RejectUnknownMembers(true)); err != nil {
			b.Fatal(err)
		}
	}
	decoding := time.Since(since)
	n := len(all)
	all, book = nil, nil
	runtime.GC()
	b.ResetTimer()
	for range b.N {
		since = time.Now()
		book := open()
		took := time.Since(since)
		b.StopTimer()
		if book.Size() != uint64(n) {
			b.Fatal(book.Size())
		}
		if err := book.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(took)/float64(hashing), "x-sha256")
		b.ReportMetric(float64(took)/float64(decoding), "x-decode")
		b.ReportMetric(took.Seconds()*1e6/float64(n), "s/million")
		b.ReportMetric(float64(bytes)/1e6, "MB")
		b.StartTimer()
	}
	fmt.Fprintf(os.Stderr, "%d entries, %d MB: SHA-256 %v, strict decoding %v\n", n, bytes/1e6, hashing.Round(time.Millisecond), decoding.Round(time.Millisecond))
}
