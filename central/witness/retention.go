package witness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

var (
	destroyed     = []byte("destroyed") // kind → the last month whose bodies of that kind are gone
	metaDestroyed = []byte("destroyed") // the round that nobody was told of yet
)

// atOnce is how many entries one transaction goes through: recorders wait no longer than that takes.
const atOnce = 2000

// Destroy destroys the bodies whose term is over (protocol.BodyTerms), of every recorder, also of one that is gone, and says how many. Recorders do the same with theirs, and say so in
// their logs. The time is this machine's, but no later than the newest entry of any recorder: one clock that runs ahead destroys nothing. What cannot be done now is done the next time. What is destroyed is counted in the same transaction, for [Witness.Destroyed].
func (w *Witness) Destroy(ctx context.Context) (count int, err error) {
	now := time.Time{}
	var ids []protocol.RecorderID
	err = w.db.View(func(tx *bbolt.Tx) error {
		return eachRow(tx, func(id protocol.RecorderID, r row) error {
			ids = append(ids, id)
			if r.Head.Time.After(now) {
				now = r.Head.Time.Time
			}
			return nil
		})
	})
	if here := w.now(); here.Before(now) {
		now = here
	}
	for _, id := range ids {
		n, wrong := w.destroyOf(ctx, id, now)
		count += n
		if wrong != nil {
			err = errors.Join(err, fmt.Errorf("witness: recorder %s: bodies whose term is over: %w", id, wrong))
		}
	}
	return count, err
}

// span is what is to be destroyed of some kinds: the entries from first to before last, of months up to and including one.
type span struct {
	first, last uint64
	month       string
	kinds       []string
}

func (w *Witness) destroyOf(ctx context.Context, id protocol.RecorderID, now time.Time) (count int, err error) {
	// Of the present log, and of what only a former one has: by that one's number.
	at := func(tx *bbolt.Tx, log uint64) *bbolt.Bucket {
		if log == 0 {
			return tx.Bucket(logs).Bucket([]byte(id))
		}
		return tx.Bucket(logs).Bucket([]byte(id)).Bucket(former).Bucket(key(log))
	}
	parts := []uint64{0}
	err = w.db.View(func(tx *bbolt.Tx) error {
		return eachAside(at(tx, 0), func(n uint64, _ *bbolt.Bucket, _ aside) error {
			parts = append(parts, n)
			return nil
		})
	})
	for _, log := range parts {
		var spans []span
		if err == nil {
			err = w.db.View(func(tx *bbolt.Tx) (err error) {
				spans, err = due(at(tx, log), now)
				return err
			})
		}
		if len(spans) > 0 && err == nil {
			err = w.db.Update(func(tx *bbolt.Tx) error { return w.renew(at(tx, 0)) })
		}
		for _, s := range spans {
			for from := s.first; err == nil; {
				if err = ctx.Err(); err != nil {
					break
				}
				var next uint64
				n := 0
				err = w.db.Update(func(tx *bbolt.Tx) error {
					var counts map[string]int
					if next, counts, err = s.destroy(at(tx, log), from); err != nil {
						return err
					}
					n = 0
					for _, c := range counts {
						n += c
					}
					return w.countDestroyed(tx, counts, s.month)
				})
				if err != nil {
					break
				}
				if from, count = next, count+n; from >= s.last {
					break
				}
			}
		}
	}
	return count, err
}

// due lists what is to be destroyed of a log, or of a part of one.
func due(log *bbolt.Bucket, now time.Time) (spans []span, err error) {
	start, size := uint64(0), uint64(0)
	if k, _ := log.Bucket(headers).Cursor().First(); k != nil {
		start = number(k)
	}
	if k, _ := log.Bucket(headers).Cursor().Last(); k != nil {
		size = number(k) + 1
	}
	// begin is the first entry of a month or later; times never fall.
	begin := func(month time.Time) uint64 {
		return start + uint64(sort.Search(int(size-start), func(i int) bool {
			h, wrong := chain.ParseHeader(log.Bucket(headers).Get(key(start + uint64(i))))
			err = errors.Join(err, wrong)
			return !h.Time.Before(month)
		}))
	}
	done := log.Bucket(destroyed)
	for _, term := range protocol.BodyTerms {
		if term.Years == 0 || size == 0 {
			continue
		}
		last := time.Date(now.Year()-term.Years, now.Month(), 1, 0, 0, 0, 0, time.UTC) // the first month that is still to be kept
		month := last.AddDate(0, -1, 0).Format("2006-01")
		for _, kind := range term.Kinds {
			from := start
			if done != nil {
				if v := done.Get([]byte(kind)); v != nil {
					if string(v) >= month {
						continue
					}
					gone, wrong := time.Parse("2006-01", string(v))
					if wrong != nil {
						return nil, wrong
					}
					from = begin(gone.AddDate(0, 1, 0))
				}
			}
			s := span{first: from, last: begin(last), month: month}
			if s.first >= s.last { // none of these months are here
				continue
			}
			i := slices.IndexFunc(spans, func(o span) bool { return o.first == s.first && o.last == s.last && o.month == s.month })
			if i < 0 {
				spans, i = append(spans, s), len(spans)
			}
			spans[i].kinds = append(spans[i].kinds, kind)
		}
	}
	return spans, err
}

// destroy goes through some entries, and says where it is to go on, and how many of each kind went.
func (s span) destroy(log *bbolt.Bucket, from uint64) (next uint64, counts map[string]int, err error) {
	counts = map[string]int{}
	done, err := log.CreateBucketIfNotExists(destroyed)
	if err != nil {
		return from, nil, err
	}
	c := log.Bucket(headers).Cursor()
	k, header := c.Seek(key(from))
	for next = from; k != nil && number(k) < s.last && next < from+atOnce; k, header = c.Next() {
		next = number(k) + 1
		h, err := chain.ParseHeader(header)
		if err != nil {
			return from, nil, err
		}
		if slices.Contains(s.kinds, h.Kind) && log.Bucket(bodies).Get(k) != nil {
			if err := log.Bucket(bodies).Delete(k); err != nil {
				return from, nil, err
			}
			counts[h.Kind]++
		}
	}
	if k == nil || number(k) >= s.last {
		next = s.last
		for _, kind := range s.kinds {
			if err := done.Put([]byte(kind), []byte(s.month)); err != nil {
				return from, nil, err
			}
		}
	}
	return next, counts, nil
}

// countDestroyed adds to the round that nobody was told of yet.
func (w *Witness) countDestroyed(tx *bbolt.Tx, counts map[string]int, month string) error {
	if len(counts) == 0 {
		return nil
	}
	var round central.BodiesDestroyed
	known, err := get(tx.Bucket(meta), metaDestroyed, &round)
	if err != nil {
		return err
	}
	if !known {
		round.Begun = protocol.T(w.now())
	}
	for kind, n := range counts {
		i := slices.IndexFunc(round.Kinds, func(k central.KindDestroyed) bool { return k.Kind == kind })
		if i < 0 {
			i, round.Kinds = len(round.Kinds), append(round.Kinds, central.KindDestroyed{Kind: kind})
		}
		k := &round.Kinds[i]
		k.Bodies, k.Until = k.Bodies+n, max(k.Until, month)
	}
	slices.SortFunc(round.Kinds, func(a, b central.KindDestroyed) int { return cmp.Compare(a.Kind, b.Kind) })
	return put(tx.Bucket(meta), metaDestroyed, round)
}

// Destroyed is what was destroyed since [Witness.Told]; false: nothing. It outlives a crash.
func (w *Witness) Destroyed() (round central.BodiesDestroyed, any bool, err error) {
	err = w.db.View(func(tx *bbolt.Tx) (err error) { any, err = get(tx.Bucket(meta), metaDestroyed, &round); return err })
	if err != nil {
		err = fmt.Errorf("witness: bodies destroyed: %w", err)
	}
	return round, any, err
}

// Told forgets what [Witness.Destroyed] gave: the ledger has it.
func (w *Witness) Told(round central.BodiesDestroyed) error {
	return w.db.Update(func(tx *bbolt.Tx) error {
		var have central.BodiesDestroyed
		if known, err := get(tx.Bucket(meta), metaDestroyed, &have); err != nil || !known || !have.Begun.Equal(round.Begun.Time) {
			return err
		}
		return tx.Bucket(meta).Delete(metaDestroyed)
	})
}
