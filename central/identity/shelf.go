package identity

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
)

// Shelf is where the rows lie: a file of this machine ([File]), or a database that several centres share ([Database]). It knows nothing of what stands in them.
type Shelf interface {
	// Update runs f as if nobody else were there: all that it wrote is kept when it returns nil, and nothing otherwise. Where another centre was in
	// between, f runs again from the beginning, so it keeps nothing outside that it does not set anew.
	Update(f func(Rows) error) error
	// View runs f on rows as they were at one moment.
	View(f func(Rows) error) error
	Close() error
}

// Rows are what one transaction sees. A key is any bytes, at most 512.
type Rows interface {
	// Get is a row's value, nil where there is none. It stays as it is after the transaction.
	Get(Kind, string) ([]byte, error)
	Put(Kind, string, []byte) error
	Delete(Kind, string) error
	// Each calls f for each row of a kind, in the order of their keys as bytes. f neither puts nor deletes.
	Each(Kind, func(key string, value []byte) error) error
}

// Kind is a sort of row.
type Kind string

const (
	accounts    Kind = "accounts"    // login → record
	people      Kind = "people"      // person id → login
	subjects    Kind = "subjects"    // who somebody is at the provider → login
	sessions    Kind = "sessions"    // SHA-256 of the cookie → session
	invitations Kind = "invitations" // SHA-256 of the code → invitation
	steps       Kind = "steps"       // SHA-256 of a token → step: what is under way and works once
	counts      Kind = "counts"      // day → Day
	tries       Kind = "tries"       // see pepper → tried
	meta        Kind = "meta"
)

// Kinds are all of them, as a store must have them.
var Kinds = []Kind{accounts, people, subjects, sessions, invitations, steps, counts, tries, meta}

// Copy puts all that is on one shelf on another, in the place of what was there.
func Copy(from, to Shelf) error {
	type row struct {
		kind  Kind
		key   string
		value []byte
	}
	var all []row
	if err := from.View(func(rows Rows) error {
		all = nil
		for _, kind := range Kinds {
			if err := rows.Each(kind, func(key string, value []byte) error {
				all = append(all, row{kind, key, value})
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	err := to.Update(func(rows Rows) error {
		var over []row
		for _, kind := range Kinds {
			if err := rows.Each(kind, func(key string, _ []byte) error {
				over = append(over, row{kind: kind, key: key})
				return nil
			}); err != nil {
				return err
			}
		}
		for _, r := range over {
			if err := rows.Delete(r.kind, r.key); err != nil {
				return err
			}
		}
		for _, r := range all {
			if err := rows.Put(r.kind, r.key, r.value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	return nil
}

// File is a shelf in a bbolt file of this machine, mode 600.
func File(path string) (Shelf, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("accounts %s: %w (is another centre running?)", path, err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		for _, kind := range Kinds {
			if _, err := tx.CreateBucketIfNotExists([]byte(kind)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("accounts %s: %w", path, err), db.Close())
	}
	return file{db}, nil
}

type file struct{ db *bbolt.DB }

func (f file) Update(do func(Rows) error) error {
	return f.db.Update(func(tx *bbolt.Tx) error { return do(fileRows{tx}) })
}
func (f file) View(do func(Rows) error) error {
	return f.db.View(func(tx *bbolt.Tx) error { return do(fileRows{tx}) })
}
func (f file) Close() error { return f.db.Close() }

type fileRows struct{ tx *bbolt.Tx }

func (r fileRows) Get(kind Kind, key string) ([]byte, error) {
	return slices.Clone(r.tx.Bucket([]byte(kind)).Get([]byte(key))), nil
}
func (r fileRows) Put(kind Kind, key string, value []byte) error {
	return r.tx.Bucket([]byte(kind)).Put([]byte(key), value)
}
func (r fileRows) Delete(kind Kind, key string) error {
	return r.tx.Bucket([]byte(kind)).Delete([]byte(key))
}
func (r fileRows) Each(kind Kind, f func(string, []byte) error) error {
	return r.tx.Bucket([]byte(kind)).ForEach(func(k, v []byte) error { return f(string(k), slices.Clone(v)) })
}

func put(rows Rows, kind Kind, key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return rows.Put(kind, key, b)
}

func get(rows Rows, kind Kind, key string, v any) (bool, error) {
	if key == "" || len(key) > 512 {
		return false, nil
	}
	b, err := rows.Get(kind, key)
	if err != nil || b == nil {
		return false, err
	}
	return true, json.Unmarshal(b, v, json.RejectUnknownMembers(true))
}

// drop deletes the rows of a kind that is says, and counts those that stay.
func drop[T any](rows Rows, kind Kind, is func(key string, v T) bool) (stay int, err error) {
	var keys []string
	err = rows.Each(kind, func(key string, b []byte) error {
		var v T
		if err := json.Unmarshal(b, &v, json.RejectUnknownMembers(true)); err != nil {
			return err
		}
		if is(key, v) {
			keys = append(keys, key)
		} else {
			stay++
		}
		return nil
	})
	for _, key := range keys {
		if err == nil {
			err = rows.Delete(kind, key)
		}
	}
	return stay, err
}
