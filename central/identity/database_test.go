package identity

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central/postgres"
	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
)

// Both kinds of shelf keep what they promise: all or nothing, as if alone, in order.
func TestShelves(t *testing.T) {
	dsn := postgrestest.Start(t).Database()
	path := filepath.Join(t.TempDir(), "accounts.db")
	for name, open := range map[string]func() (Shelf, error){
		"file": func() (Shelf, error) { return File(path) },
		"database": func() (Shelf, error) {
			pool, err := postgres.Connect(t.Context(), dsn, "")
			if err != nil {
				return nil, err
			}
			return Database(t.Context(), pool)
		},
	} {
		t.Run(name, func(t *testing.T) {
			shelf, err := open()
			if err != nil {
				t.Fatal(err)
			}
			broken := errors.New("broken off")
			if err := shelf.Update(func(rows Rows) error {
				return errors.Join(rows.Put(steps, "x", []byte("1")), broken)
			}); !errors.Is(err, broken) {
				t.Error(err)
			}
			keys := []string{"b", "a\xff", "a", "c\x00d"}
			if err := shelf.Update(func(rows Rows) error {
				for _, k := range keys {
					if err := rows.Put(steps, k, []byte("value of "+k)); err != nil {
						return err
					}
				}
				return errors.Join(rows.Put(steps, "b", []byte("again")), rows.Delete(steps, "c\x00d"), rows.Delete(steps, "never"))
			}); err != nil {
				t.Fatal(err)
			}
			if err := shelf.View(func(rows Rows) error {
				if v, err := rows.Get(steps, "x"); v != nil || err != nil {
					t.Errorf("of what was broken off there is %q %v", v, err)
				}
				if v, err := rows.Get(steps, "b"); string(v) != "again" || err != nil {
					t.Errorf("%q %v", v, err)
				}
				if v, err := rows.Get(counts, "b"); v != nil || err != nil {
					t.Errorf("another kind: %q %v", v, err)
				}
				var seen []string
				err := rows.Each(steps, func(k string, _ []byte) error {
					seen = append(seen, k)
					_, err := rows.Get(steps, k)
					return err
				})
				if !slices.Equal(seen, []string{"a", "a\xff", "b"}) {
					t.Errorf("%q", seen)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 10 {
						if err := shelf.Update(func(rows Rows) error {
							v, err := rows.Get(counts, "n")
							n, _ := strconv.Atoi(string(v))
							return errors.Join(err, rows.Put(counts, "n", []byte(strconv.Itoa(n+1))))
						}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if err := shelf.View(func(rows Rows) error {
				v, err := rows.Get(counts, "n")
				if string(v) != "40" {
					t.Errorf("counted to %s", v)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := shelf.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Who logs in at one centre is logged in at all, and who logs out of one is logged out of all.
func TestCentresShareSessions(t *testing.T) {
	dsn := postgrestest.Start(t).Database()
	c := &clock{time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)}
	var centres []*Store
	for range 2 {
		pool, err := postgres.Connect(t.Context(), dsn, "")
		if err != nil {
			t.Fatal(err)
		}
		shelf, err := Database(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(shelf, Config{Now: c.now, URL: "https://desk.stad.example", Name: "Gemeente Stad"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		centres = append(centres, s)
	}
	if err := centres[0].Add(Account{Person: "p-anna", Login: "anna", Name: "Anna"}, "een lang wachtwoord"); err != nil {
		t.Fatal(err)
	}
	cookie, err := logIn(t, centres[0], "anna", "een lang wachtwoord", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	in, ok, err := centres[1].Visit(cookie)
	if err != nil || !ok || in.Person != "p-anna" {
		t.Fatalf("%+v %v %v", in, ok, err)
	}
	if err := centres[1].LogOut(in); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := centres[0].Visit(cookie); ok || err != nil {
		t.Errorf("still there: %v", err)
	}
}
