package ledger

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/centraltest"
	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// BenchmarkStart is a centre's start on a ledger of about LEDGER_ENTRIES entries of a register and its requests (centraltest.Country), nine in ten sealed, a dossier a request: reading,
// the chain, the tree, decryption, decoding and Apply. Beside it the least that anyone could do with the same bytes: reading them from the store; SHA-256 of them, and strict decoding of
// them, on one processor. Twice the entries take twice as long.
func BenchmarkStart(b *testing.B) {
	b.Run("bbolt", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "ledger.db")
		benchmarkStart(b, func() (Store, error) { return OpenBolt(path, origin) })
	})
	b.Run("postgres", func(b *testing.B) {
		dsn := postgrestest.Start(b).Database()
		benchmarkStart(b, func() (Store, error) { return openPostgres(b, dsn, origin) })
	})
}

func benchmarkStart(b *testing.B, store func() (Store, error)) {
	entries := 100_000
	if n, err := strconv.Atoi(os.Getenv("LEDGER_ENTRIES")); err == nil {
		entries = n
	}
	folder := filepath.Join(b.TempDir(), "keys")
	signer, _ := protocoltest.Key(b, origin)
	open := func() *Book {
		store, err := store()
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
	country := centraltest.Country{Placements: entries / 36, Recorders: entries / 600, Requests: entries / 12, Waiting: entries / 2400}
	var dossiers []central.Dossier
	for n := range country.Requests {
		dossiers = append(dossiers, central.DossierOf(protocol.RequestID(fmt.Sprintf("z-%d", n+1))))
	}
	if err := book.keys.add(dossiers...); err != nil {
		b.Fatal(err)
	}
	var some []central.Event
	write := func() {
		book.writing.Lock()
		defer book.writing.Unlock()
		if err := book.write(b.Context(), some); err != nil {
			b.Fatal(err)
		}
		some = some[:0]
	}
	country.Tell(b, protocoltest.NewTown(b, start), start, func(e central.Event) {
		if some = append(some, e); len(some) == mostAtOnce {
			write()
		}
	})
	write()
	var bytes, n int
	var reading, hashing, decoding time.Duration
	for {
		since := time.Now()
		entries, err := book.Entries(b.Context(), uint64(n), mostAtOnce)
		if err != nil {
			b.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		n += len(entries)
		reading += time.Since(since)
		since = time.Now()
		for _, e := range entries {
			sha256.Sum256(e.Header)
			sha256.Sum256(e.Body)
			bytes += len(e.Header) + len(e.Body)
		}
		hashing += time.Since(since)
		since = time.Now()
		for _, e := range entries {
			var h chain.Header
			var body central.Body
			if err := json.Unmarshal(e.Header, &h, json.RejectUnknownMembers(true)); err != nil {
				b.Fatal(err)
			}
			if err := json.Unmarshal(e.Body, &body, json.RejectUnknownMembers(true)); err != nil {
				b.Fatal(err)
			}
		}
		decoding += time.Since(since)
	}
	if err := book.Close(); err != nil {
		b.Fatal(err)
	}
	book = nil
	runtime.GC()
	b.ResetTimer()
	for range b.N {
		since := time.Now()
		book := open()
		took := time.Since(since)
		b.StopTimer()
		if book.Size() != uint64(n) {
			b.Fatal(book.Size())
		}
		if err := book.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(took)/float64(reading), "x-read")
		b.ReportMetric(float64(took)/float64(hashing), "x-sha256")
		b.ReportMetric(float64(took)/float64(decoding), "x-decode")
		b.ReportMetric(took.Seconds()*1e6/float64(n), "s/million")
		b.ReportMetric(float64(bytes)/1e6, "MB")
		b.StartTimer()
	}
	fmt.Fprintf(os.Stderr, "%d entries, %d MB: reading %v, SHA-256 %v, strict decoding %v\n", n, bytes/1e6, reading.Round(time.Millisecond), hashing.Round(time.Millisecond), decoding.Round(time.Millisecond))
}
