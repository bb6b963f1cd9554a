package identity

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
)

// eachShelf runs a test on an empty shelf of each kind. another opens the same rows as another centre would; nil where only one can.
func eachShelf(t *testing.T, test func(t *testing.T, shelf Shelf, another func() Shelf)) {
	t.Run("bbolt", func(t *testing.T) {
		shelf, err := File(filepath.Join(t.TempDir(), "accounts.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shelf.Close() })
		test(t, shelf, nil)
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := postgrestest.Start(t).Database()
		open := func() Shelf {
			pool, err := pgxpool.New(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			shelf, err := Database(t.Context(), pool)
			if err != nil {
				t.Fatal(err)
			}
			return shelf
		}
		test(t, open(), open)
	})
}

func TestAShelfKeepsWhatItIsGiven(t *testing.T) {
	eachShelf(t, func(t *testing.T, shelf Shelf, _ func() Shelf) {
		odd := string([]byte{0, 255, 'a', 0})
		update := func(f func(Rows) error) {
			t.Helper()
			if err := shelf.Update(f); err != nil {
				t.Fatal(err)
			}
		}
		update(func(rows Rows) error {
			return errors.Join(rows.Put(accounts, "b", []byte("2")), rows.Put(accounts, "a", []byte("1")), rows.Put(accounts, odd, []byte{0, 255}), rows.Put(sessions, "a", []byte("elders")),
				rows.Put(accounts, "b", []byte("3")), rows.Put(accounts, "weg", []byte("x")), rows.Delete(accounts, "weg"), rows.Delete(accounts, "was er niet"))
		})
		stopped := errors.New("stopped half way")
		if err := shelf.Update(func(rows Rows) error {
			return errors.Join(rows.Put(accounts, "half", []byte("x")), rows.Delete(accounts, "a"), stopped)
		}); !errors.Is(err, stopped) {
			t.Errorf("the error is lost: %v", err)
		}
		if err := shelf.View(func(rows Rows) error {
			var keys []string
			err := rows.Each(accounts, func(k string, v []byte) error {
				got, err := rows.Get(accounts, k)
				if !bytes.Equal(got, v) {
					t.Errorf("%q: %q and %q", k, got, v)
				}
				keys = append(keys, k)
				return err
			})
			if want := []string{odd, "a", "b"}; !slices.Equal(keys, want) {
				t.Errorf("keys %q, want %q", keys, want)
			}
			none, err2 := rows.Get(accounts, "half")
			b, err3 := rows.Get(accounts, "b")
			if none != nil || string(b) != "3" {
				t.Errorf("%q %q", none, b)
			}
			return errors.Join(err, err2, err3)
		}); err != nil {
			t.Fatal(err)
		}
		if err := shelf.View(func(rows Rows) error { return rows.Put(accounts, "gluur", []byte("x")) }); err == nil {
			t.Error("a look wrote")
		}
		if err := shelf.View(func(rows Rows) error { return rows.Each(accounts, func(string, []byte) error { return stopped }) }); !errors.Is(err, stopped) {
			t.Errorf("Each hides an error: %v", err)
		}
	})
}

// Many at once, of several centres where the shelf can: each sees what the one before left.
func TestAShelfIsSerial(t *testing.T) {
	eachShelf(t, func(t *testing.T, shelf Shelf, another func() Shelf) {
		shelves := []Shelf{shelf}
		if another != nil {
			shelves = append(shelves, another(), another())
		}
		const each = 20
		var all sync.WaitGroup
		for _, s := range append(shelves, shelves...) {
			all.Go(func() {
				for range each {
					if err := s.Update(func(rows Rows) error {
						b, err := rows.Get(meta, "n")
						if err != nil {
							return err
						}
						n, _ := strconv.Atoi(string(b))
						return rows.Put(meta, "n", fmt.Append(nil, n+1))
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if err := shelf.View(func(rows Rows) error {
			b, err := rows.Get(meta, "n")
			if string(b) != fmt.Sprint(2*len(shelves)*each) {
				t.Errorf("counted %s of %d", b, 2*len(shelves)*each)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// centreOn is one of the centres that share a shelf.
func centreOn(t *testing.T, shelf Shelf, c *clock) *Store {
	s, err := Open(shelf, Config{Now: c.now, URL: "https://desk.stad.example", Name: "Gemeente Stad"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What a person meets is the same on each shelf; and with two centres, a session made at one is known at the other, and what works once works at one of them.
func TestTwoCentresKnowOneSession(t *testing.T) {
	eachShelf(t, func(t *testing.T, shelf Shelf, another func() Shelf) {
		c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
		centre := func(shelf Shelf) *Store { return centreOn(t, shelf, c) }
		one := centre(shelf)
		two := one
		if another != nil {
			two = centre(another())
		}
		if err := one.Add(Account{Person: "p-a", Login: "anna", Name: "Anna"}, goodPassword); err != nil {
			t.Fatal(err)
		}
		e, err := one.LogIn(t.Context(), "anna", goodPassword, here)
		if err != nil {
			t.Fatal(err)
		}
		in, ok, err := two.Visit(e.Session)
		if err != nil || !ok || in.Person != "p-a" {
			t.Fatalf("%+v %v %v", in, ok, err)
		}
		code, err := one.Invite(Account{Person: "p-b", Login: "bert", Name: "Bert"})
		if err != nil {
			t.Fatal(err)
		}
		won := make(chan bool, 2)
		for _, s := range []*Store{one, two} {
			go func() {
				_, err := s.Redeem(code, goodPassword)
				if err != nil && !errors.Is(err, ErrInvitation) {
					t.Error(err)
				}
				won <- err == nil
			}()
		}
		if a, b := <-won, <-won; a == b {
			t.Errorf("a code worked at %v and %v", a, b)
		}
		if err := two.EndSessions(in, ""); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := one.Visit(e.Session); ok || err != nil {
			t.Errorf("ended at one centre, alive at the other: %v", err)
		}
	})
}

// TestALockOutHoldsAtEveryCentre, for a login that there is and one that there is not, and after a start; what is kept of it names no address.
func TestALockOutHoldsAtEveryCentre(t *testing.T) {
	eachShelf(t, func(t *testing.T, shelf Shelf, another func() Shelf) {
		c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
		centre := func(shelf Shelf) *Store { return centreOn(t, shelf, c) }
		next := func() *Store { return centre(shelf) } // the same centre, started again
		if another != nil {
			next = func() *Store { return centre(another()) }
		}
		centres := []*Store{centre(shelf), next(), next()}
		if err := centres[0].Add(Account{Person: "p-a", Login: "anna", Name: "Anna"}, goodPassword); err != nil {
			t.Fatal(err)
		}
		for _, login := range []string{"anna", "niemand"} {
			for i := range triesPerLogin {
				if _, err := centres[i%3].LogIn(t.Context(), login, "fout", Client{Address: fmt.Sprint("192.0.2.", i)}); !errors.Is(err, ErrRefused) {
					t.Fatal(err)
				}
			}
			for _, s := range append(centres, next()) {
				if _, err := s.LogIn(t.Context(), login, goodPassword, Client{Address: "198.51.100.7"}); !errors.Is(err, ErrRefused) {
					t.Errorf("%s elsewhere: %v", login, err)
				}
			}
		}
		// At once at all of them it is no more than in a row.
		var passed atomic.Int32
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				switch err := centres[i%3].attempt("bert", fmt.Sprint("203.0.113.", i)); {
				case err == nil:
					passed.Add(1)
				case !errors.Is(err, ErrRefused):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if passed.Load() != triesPerLogin {
			t.Errorf("%d of 30 at once passed", passed.Load())
		}
		for i := range triesPerAddress + 3 {
			if err := centres[i%3].attempt("", "192.0.2.200"); (err == nil) != (i < triesPerAddress) {
				t.Errorf("attempt %d from one address: %v", i, err)
			}
		}
		kept := func() (n int) {
			if err := shelf.View(func(rows Rows) error {
				n = 0
				return rows.Each(tries, func(key string, value []byte) error {
					if n++; strings.Contains(key+string(value), "192.0.2") || strings.Contains(key+string(value), "anna") {
						t.Errorf("%q: %s", key, value)
					}
					return nil
				})
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if kept() == 0 {
			t.Error("nothing is counted")
		}
		c.t = c.t.Add(LockTerm)
		if _, err := centres[1].LogIn(t.Context(), "anna", goodPassword, here); err != nil {
			t.Errorf("after the lock-out: %v", err)
		}
		for range triesPerLogin - 1 {
			if err := centres[2].attempt("anna", "192.0.2.9"); err != nil {
				t.Errorf("a log-in does not clear what failed before it: %v", err)
			}
		}
		c.t = c.t.Add(pepperTerm)
		if err := centres[0].attempt("anna", "192.0.2.1"); err != nil || kept() != 2 {
			t.Errorf("%d rows stay: %v", kept(), err)
		}
	})
}
