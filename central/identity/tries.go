package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Failures allowed before a lock-out. A login is locked for LockTerm after its fifth failure in a row; an address after many, since a whole police
// station may share one.
const (
	triesPerLogin   = 5
	triesPerAddress = 50
	LockTerm        = 15 * time.Minute
	mostRemembered  = 20_000 // addresses; memory is bounded
	pepperTerm      = time.Hour
)

// attempt counts one and says whether it may go on; login is empty where there is none yet. It counts before its outcome is known, so that many at once are many, and on the
// shelf, so that all centres count together and a start forgets nothing. A flood is stopped before the shelf: by this centre's own memory of addresses, and by reading what is
// locked already before anything is written. A login that does not exist is counted like one that does.
func (s *Store) attempt(login, from string) error {
	now := s.Now()
	if !s.flood.passes(from, now) {
		s.locked.Add(1)
		return ErrRefused
	}
	var locked bool
	look := func(rows Rows) (keys []string, err error) {
		var p pepper
		if _, err = get(rows, meta, "pepper", &p); err != nil {
			return nil, err
		}
		keys = []string{p.key("a:" + from), p.key("l:" + login)}
		if login == "" {
			keys = keys[:1]
		}
		for i, most := range []int{triesPerAddress, triesPerLogin}[:len(keys)] {
			t, err := counted(rows, keys[i], now)
			if err != nil {
				return nil, err
			}
			if locked = t.Count >= most; locked {
				return nil, nil // and a blocked address cannot lock others out
			}
		}
		return keys, nil
	}
	err := s.shelf.View(func(rows Rows) error {
		_, err := look(rows)
		return err
	})
	if err == nil && !locked {
		err = s.shelf.Update(func(rows Rows) error {
			if err := renewPepper(rows, now); err != nil {
				return err
			}
			keys, err := look(rows)
			if err != nil {
				return err
			}
			for _, key := range keys {
				t, err := counted(rows, key, now)
				if err != nil {
					return err
				}
				t.Count++
				if err := put(rows, tries, key, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil && locked {
		s.locked.Add(1)
		return ErrRefused
	}
	return err
}

// forget clears a login's failures after a success; its address keeps its count.
func (s *Store) forget(rows Rows, login string) error {
	var p pepper
	if _, err := get(rows, meta, "pepper", &p); err != nil {
		return err
	}
	return rows.Delete(tries, p.key("l:"+login))
}

// tried stands on the shelf. Count is of LockTerm from Since.
type tried struct {
	Count int           `json:"count"`
	Since protocol.Time `json:"since"`
}

func counted(rows Rows, key string, now time.Time) (t tried, err error) {
	if _, err = get(rows, tries, key, &t); err == nil && now.Sub(t.Since.Time) >= LockTerm {
		t = tried{Since: protocol.T(now)}
	}
	return t, err
}

// pepper makes rows from which no address can be read once it is gone, about an hour later; and with it go the rows, so that a lock-out that then runs ends early, once an hour at most.
type pepper struct {
	Key   []byte        `json:"key"`
	Since protocol.Time `json:"since"`
}

func (p pepper) key(name string) string {
	m := hmac.New(sha256.New, p.Key)
	m.Write([]byte(name)) // never fails
	return string(m.Sum(nil))
}

func renewPepper(rows Rows, now time.Time) error {
	var p pepper
	if known, err := get(rows, meta, "pepper", &p); err != nil || known && now.Sub(p.Since.Time) < pepperTerm {
		return err
	}
	if _, err := drop(rows, tries, func(string, tried) bool { return true }); err != nil {
		return err
	}
	p = pepper{Key: make([]byte, 32), Since: protocol.T(now)}
	if _, err := rand.Read(p.Key); err != nil {
		return err
	}
	return put(rows, meta, "pepper", p)
}

// flood counts attempts per address at this centre alone, in memory: what goes past it costs no shelf anything. Owned by its mutex.
type flood struct {
	mu    sync.Mutex
	seen  map[string]tried
	swept time.Time // a full memory is swept once a minute, or a flood would also cost a sweep an attempt
}

func newFlood() *flood { return &flood{seen: map[string]tried{}} }

func (f *flood) passes(address string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) >= mostRemembered && now.Sub(f.swept) >= time.Minute {
		f.swept = now
		for k, v := range f.seen {
			if now.Sub(v.Since.Time) >= LockTerm {
				delete(f.seen, k)
			}
		}
	}
	t, known := f.seen[address]
	if !known && len(f.seen) >= mostRemembered {
		return false // an attack of this size: no new address logs in for a while, rather than everybody unlimited
	}
	if now.Sub(t.Since.Time) >= LockTerm {
		t = tried{Since: protocol.T(now)}
	}
	t.Count++
	f.seen[address] = t
	return t.Count <= triesPerAddress
}
