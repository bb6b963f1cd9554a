package ledger

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/postgres"
	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// place is where the suite puts a log: the same tests for each kind of store.
type place struct {
	*testing.T
	address string                                           // for a child process
	open    func(t testing.TB, origin string) (Store, error) // as another centre would
	shared  bool                                             // several processes may have it open
}

// eachStore runs a test on an empty log of each kind.
func eachStore(t *testing.T, test func(p place)) {
	t.Run("bbolt", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		var mu sync.Mutex
		var one *Bolt // a process has the file once; its books share it
		test(place{T: t, address: path, open: func(t testing.TB, origin string) (Store, error) {
			mu.Lock()
			defer mu.Unlock()
			if one != nil && one.db.Path() != "" { // bbolt forgets the path on closing
				return one, nil
			}
			store, err := OpenBolt(path, origin)
			if err == nil {
				one = store
				t.Cleanup(func() { _ = store.Close() })
			}
			return store, err
		}})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := postgrestest.Start(t).Database()
		test(place{T: t, address: dsn, shared: true, open: func(t testing.TB, origin string) (Store, error) { return openPostgres(t, dsn, origin) }})
	})
}

func openPostgres(t testing.TB, dsn, origin string) (Store, error) {
	pool, err := postgres.Connect(t.Context(), dsn, "")
	if err != nil {
		return nil, err
	}
	store, err := OpenPostgres(t.Context(), pool, origin, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = store.Close() })
	return store, nil
}

func (p place) store() Store {
	p.Helper()
	s, err := p.open(p.T, origin)
	if err != nil {
		p.Fatal(err)
	}
	return s
}

func (p place) book(signer note.Signer) *Book {
	p.Helper()
	b, err := openOn(p.T, p.store(), signer, (&clock{now: start}).Now)
	if err != nil {
		p.Fatal(err)
	}
	return b
}

type line struct {
	protocol.Salted
	Text string `json:"text"`
}

// sealed are entries that come after head, and the head after them.
func sealed(t testing.TB, head chain.Head, texts ...string) ([]chain.Entry, chain.Head) {
	t.Helper()
	var entries []chain.Entry
	for _, text := range texts {
		e, err := chain.Seal(&head, "test.line", line{Text: text}, start)
		if err != nil {
			t.Fatal(err)
		}
		if err := head.Add(e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries, head
}

// whole reads a store from the first entry and checks it by itself: entries, hashes, head.
func whole(t testing.TB, s Store) (texts []string, head chain.Head) {
	t.Helper()
	for {
		entries, err := s.Read(t.Context(), head.Size, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			break
		}
		for _, e := range entries {
			var places []int64
			want := head.Hashes(e.Header)
			for i := range want {
				places = append(places, chain.HashCount(head.Size)+int64(i))
			}
			have, err := s.Hashes(t.Context(), places)
			if err != nil || !slices.Equal(have, want) {
				t.Fatalf("entry %d: the tree's hashes: %v", head.Size, err)
			}
			if err := head.Add(e); err != nil {
				t.Fatal(err)
			}
			var l line
			if err := chain.ParseBody(e.Body, &l); err != nil {
				t.Fatal(err)
			}
			texts = append(texts, l.Text)
		}
	}
	stored, err := s.Head(t.Context())
	if err != nil || stored.Size != head.Size || stored.Last != head.Last || stored.Root() != head.Root() {
		t.Fatalf("the stored head says %d entries, %d are here (%v)", stored.Size, head.Size, err)
	}
	return texts, head
}

func TestStoreKeepsWhatWasAppended(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		s := p.store()
		var head chain.Head
		var want []string
		for n := range 20 {
			texts := []string{fmt.Sprint(n), fmt.Sprint(n, " again")}[:1+n%2]
			entries, next := sealed(t, head, texts...)
			if err := s.Append(t.Context(), head, entries, fmt.Append(nil, "checkpoint ", n)); err != nil {
				t.Fatal(err)
			}
			head, want = next, append(want, texts...)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = p.store()
		if texts, _ := whole(t, s); !slices.Equal(texts, want) {
			t.Errorf("%q", texts)
		}
		if c, err := s.Checkpoint(t.Context()); err != nil || string(c) != "checkpoint 19" {
			t.Errorf("%q %v", c, err)
		}
		if entries, err := s.Read(t.Context(), head.Size-1, 10); err != nil || len(entries) != 1 || !bytes.Contains(entries[0].Body, []byte("again")) {
			t.Errorf("the last: %s %v", entries, err)
		}
		if entries, err := s.Read(t.Context(), head.Size, 10); err != nil || len(entries) != 0 {
			t.Errorf("beyond the end: %s %v", entries, err)
		}
		if _, err := s.Hashes(t.Context(), []int64{0, chain.HashCount(head.Size)}); !errors.Is(err, errMissing) {
			t.Errorf("a hash beyond the end: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.open(t, "ledger.elders/beeldwacht"); err == nil || !strings.Contains(err.Error(), "another's") {
			t.Errorf("another's log: %v", err)
		}
	})
}

// An append that is refused leaves nothing behind.
func TestStoreAppendsAtTheExpectedHeadOnly(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		s := p.store()
		first, one := sealed(t, chain.Head{}, "a")
		if err := s.Append(t.Context(), chain.Head{}, first, []byte("1")); err != nil {
			t.Fatal(err)
		}
		other, _ := sealed(t, chain.Head{}, "b")
		if err := s.Append(t.Context(), chain.Head{}, other, []byte("x")); !errors.Is(err, ErrMoved) {
			t.Errorf("at an old head: %v", err)
		}
		_, elsewhere := sealed(t, chain.Head{}, "c")
		more, _ := sealed(t, elsewhere, "d")
		if err := s.Append(t.Context(), elsewhere, more, []byte("x")); !errors.Is(err, ErrMoved) {
			t.Errorf("at the head of another log of this length: %v", err)
		}
		good, two := sealed(t, one, "e")
		bad, _ := sealed(t, two, "f")
		bad[0].Body = bytes.Replace(bad[0].Body, []byte(`"f"`), []byte(`"g"`), 1)
		if err := s.Append(t.Context(), one, append(good, bad...), []byte("x")); err == nil || errors.Is(err, ErrMoved) {
			t.Errorf("an entry that does not fit: %v", err)
		}
		gone, stop := context.WithCancel(t.Context())
		stop()
		if err := s.Append(gone, one, good, []byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waits for it any more: %v", err)
		}
		if texts, _ := whole(t, s); !slices.Equal(texts, []string{"a"}) {
			t.Errorf("%q", texts)
		}
		if c, err := s.Checkpoint(t.Context()); err != nil || string(c) != "1" {
			t.Errorf("%q %v", c, err)
		}
	})
}

// Of all who write at a head exactly one wins; the others read on. Nothing is lost, nothing is there twice.
func TestStoreHasOneWinnerAtAHead(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		const writers, each = 4, 15
		var wg sync.WaitGroup
		moved := make(chan int, writers)
		for w := range writers {
			s := p.store()
			wg.Go(func() {
				lost := 0
				defer func() { moved <- lost }()
				for n := 0; n < each; {
					head, err := s.Head(context.Background())
					if err != nil {
						t.Error(err)
						return
					}
					entries, _ := sealed(t, head, fmt.Sprintf("%d-%d", w, n))
					switch err := s.Append(context.Background(), head, entries, []byte("x")); {
					case errors.Is(err, ErrMoved):
						lost++
					case err != nil:
						t.Error(err)
						return
					default:
						n++
					}
				}
			})
		}
		wg.Wait()
		texts, _ := whole(t, p.store())
		slices.Sort(texts)
		if len(texts) != writers*each || len(slices.Compact(texts)) != writers*each {
			t.Errorf("%d entries, want %d, each once", len(texts), writers*each)
		}
		total := 0
		for range writers {
			total += <-moved
		}
		t.Logf("%d appends were too late, and were made again", total)
	})
}

// Three centres on one log, each with people at work: all end with the same state, and each command happened once.
func TestCentresThatFollowEachOther(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		signer, vkey := protocoltest.Key(t, origin)
		books := []*Book{p.book(signer), p.book(signer), p.book(signer)}
		do(t, books[0], openCommand())
		for _, b := range books {
			reads(t, b, 2)
		}
		const each = 12
		var wg sync.WaitGroup
		for i, b := range books {
			wg.Go(func() {
				for n := range each {
					if _, err := b.Do(context.Background(), agree(100*i+n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for _, b := range books {
			reads(t, b, 2+3*each)
			if b.Size() != 2+3*each || units(b) != 3*each || b.head.Root() != books[0].head.Root() {
				t.Errorf("%d entries, %d units, root %s", b.Size(), units(b), b.head.Root())
			}
		}
		var file bytes.Buffer
		if err := books[1].Export(&file, 0); err != nil {
			t.Fatal(err)
		}
		v, err := protocol.NewVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		if verdict, err := chain.Verify(&file, chain.Verifier{Origin: origin, Log: v}); err != nil || !verdict.Matches || verdict.Uncovered != 0 {
			t.Errorf("%+v %v", verdict, err)
		}
		// Who waits for news is told, of another's as well.
		changed := books[2].Changed()
		do(t, books[0], agree(999))
		select {
		case <-changed:
			if size := books[2].Size(); size != 3+3*each {
				t.Errorf("woken with %d entries", size)
			}
		case <-time.After(30 * time.Second):
			t.Error("who waits was not told")
		}
	})
}

// A process is killed while it writes, and between: what Do acknowledged is there, and the ledger opens and goes on.
func TestKilledWhileWriting(t *testing.T) {
	if address := os.Getenv("LEDGER_CHILD"); address != "" {
		signer, err := note.NewSigner(os.Getenv("LEDGER_KEY"))
		if err != nil {
			t.Fatal(err)
		}
		var store Store
		if os.Getenv("LEDGER_SHARED") != "" {
			store, err = openPostgres(t, address, origin)
		} else {
			store, err = OpenBolt(address, origin)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := openOn(t, store, signer, (&clock{now: start}).Now)
		if err != nil {
			t.Fatal(err)
		}
		for {
			do(t, b, agree(int(b.Size())))
			fmt.Printf("size %d\n", b.Size())
		}
	}
	eachStore(t, func(p place) {
		t := p.T
		skey, _, err := protocol.NewKey(origin)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(skey)
		if err != nil {
			t.Fatal(err)
		}
		b := p.book(signer)
		do(t, b, openCommand())
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for round := range 4 {
			child := exec.Command(os.Args[0], "-test.run=^TestKilledWhileWriting$")
			child.Env = append(os.Environ(), "LEDGER_CHILD="+p.address, "LEDGER_KEY="+skey, "LEDGER_KEYS="+dossierKeys())
			if p.shared {
				child.Env = append(child.Env, "LEDGER_SHARED=1")
			}
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			var acknowledged uint64
			for n := 0; n < 2+7*round && lines.Scan(); {
				if size, ok := strings.CutPrefix(lines.Text(), "size "); ok {
					if acknowledged, err = strconv.ParseUint(size, 10, 64); err != nil {
						t.Fatal(err)
					}
					n++
				}
			}
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			for lines.Scan() { // what it acknowledged before it went
				if size, ok := strings.CutPrefix(lines.Text(), "size "); ok {
					if acknowledged, err = strconv.ParseUint(size, 10, 64); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := child.Wait(); err == nil {
				t.Fatal("the child ended by itself")
			}
			b := p.book(signer)
			if acknowledged == 0 || b.Size() < acknowledged || b.Size() > acknowledged+1 {
				t.Fatalf("%d entries, %d were acknowledged", b.Size(), acknowledged)
			}
			do(t, b, agree(10_000+round))
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The database's machine loses its power again and again while three centres write. What Do acknowledged is there once; of what it refused nothing is there; and they go on.
func TestPostgresCrashesUnderLoad(t *testing.T) {
	server := postgrestest.Start(t)
	dsn := server.Database()
	signer, _ := protocoltest.Key(t, origin)
	var books []*Book
	for range 3 {
		store, err := openPostgres(t, dsn, origin)
		if err != nil {
			t.Fatal(err)
		}
		b, err := openOn(t, store, signer, (&clock{now: start}).Now)
		if err != nil {
			t.Fatal(err)
		}
		books = append(books, b)
	}
	do(t, books[0], openCommand())
	reads(t, books[1], 2)
	reads(t, books[2], 2)

	const crashes = 3
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	acknowledged, refused, doubted := map[string]bool{}, map[string]bool{}, map[string]bool{}
	progress := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for i, b := range books {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c := agree(100_000*i + n) // never the same again
				_, err := b.Do(context.Background(), c)
				mu.Lock()
				switch {
				case err == nil:
					acknowledged[c.ID] = true
				case errors.Is(err, ErrInDoubt):
					doubted[c.ID] = true
				default:
					refused[c.ID] = true
				}
				mu.Unlock()
				if err == nil {
					select {
					case progress <- struct{}{}:
					default:
					}
				} else {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	wait := func(n int) {
		for range n {
			select {
			case <-progress:
			case <-time.After(60 * time.Second):
				t.Fatal("nobody can write any more")
			}
		}
	}
	for round := range crashes {
		wait(20 + 7*round)
		server.Crash()
		server.Restart()
	}
	wait(20)
	stop()
	wg.Wait()

	there := map[string]int{}
	fresh, err := openPostgres(t, dsn, origin)
	if err != nil {
		t.Fatal(err)
	}
	last, err := openOn(t, fresh, signer, time.Now) // reads and verifies every entry
	if err != nil {
		t.Fatal(err)
	}
	for from := uint64(0); from < last.Size(); {
		entries, err := last.Entries(t.Context(), from, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if _, event, err := last.read(e); err != nil {
				t.Fatal(err)
			} else if f, ok := event.Fact.(*central.UnitAgreed); ok {
				there[f.ID]++
			}
		}
		from += uint64(len(entries))
	}
	for id := range acknowledged {
		if there[id] != 1 {
			t.Errorf("%s was acknowledged and is there %d times", id, there[id])
		}
	}
	for id := range refused {
		if there[id] != 0 {
			t.Errorf("%s failed, and is there all the same", id)
		}
	}
	for _, b := range books {
		reads(t, b, last.Size())
		if b.head.Root() != last.head.Root() {
			t.Error("a centre has another ledger than the database")
		}
	}
	t.Logf("%d acknowledged, %d failed while the database was away, %d in doubt", len(acknowledged), len(refused), len(doubted))
}

// A notification that is lost, or a connection that was cut, only makes the news late.
func TestFollowsWithoutNotification(t *testing.T) {
	server := postgrestest.Start(t)
	dsn := server.Database()
	signer, _ := protocoltest.Key(t, origin)
	var books []*Book
	for range 2 {
		store, err := openPostgres(t, dsn, origin)
		if err != nil {
			t.Fatal(err)
		}
		b, err := openOn(t, store, signer, (&clock{now: start}).Now)
		if err != nil {
			t.Fatal(err)
		}
		books = append(books, b)
	}
	do(t, books[0], openCommand())
	reads(t, books[1], 2)
	t.Run("connection cut", func(t *testing.T) {
		for n := range 3 {
			server.SQL(dsn, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`)
			do(t, books[0], agree(n))
			reads(t, books[1], books[0].Size())
		}
	})
	t.Run("notification lost", func(t *testing.T) {
		server.SQL(dsn, `CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS ''; ALTER DATABASE `+strings.TrimPrefix(dsn[strings.Index(dsn, "dbname="):], "dbname=")+` SET search_path = public, pg_catalog`)
		silent, err := openPostgres(t, dsn, origin)
		if err != nil {
			t.Fatal(err)
		}
		b, err := openOn(t, silent, signer, (&clock{now: start}).Now)
		if err != nil {
			t.Fatal(err)
		}
		do(t, b, agree(10)) // tells nobody
		reads(t, books[1], b.Size())
	})
}

// A server that was put back from an older copy is noticed by the centre that had read further: it stops, and says so.
func TestStoreThatWasPutBackIsNoticed(t *testing.T) {
	eachStore(t, func(p place) {
		t := p.T
		signer, _ := protocoltest.Key(t, origin)
		b := p.book(signer)
		do(t, b, openCommand())
		b.writing.Lock() // as if it had read an entry that the store no longer has
		entries, next := sealed(t, b.head, "lost")
		b.head = next
		b.writing.Unlock()
		_, err := b.Do(t.Context(), agree(1))
		if len(entries) != 1 || err == nil || !strings.Contains(err.Error(), "older copy") {
			t.Error(err)
		}
		if _, err := b.Do(t.Context(), agree(2)); err == nil {
			t.Error("goes on deciding")
		}
	})
}
