package footage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	appendTimeout = 10 * time.Second
	retryJournal  = 10 * time.Second
	settleAtOnce  = 16 // entries footage.expired in one transaction of the index: as many may be written twice after a crash
)

// owe makes an entry that the journal must take.
func owe(kind string, body any) (owedRow, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return owedRow{}, fmt.Errorf("entry %s: %w", kind, err)
	}
	return owedRow{V: format, Kind: kind, Body: jsontext.Value(b)}, nil
}

func putOwed(tx *bbolt.Tx, row owedRow) error {
	n, err := tx.Bucket(inOwed).NextSequence()
	if err != nil {
		return fmt.Errorf("index: owed: %w", err)
	}
	return put(tx, inOwed, number(n), row)
}

// putNews writes the incidents and gaps that waited for a transaction. The caller has mu and empties news when that is committed.
func (s *Store) putNews(tx *bbolt.Tx) error {
	for _, write := range s.news {
		if err := write(tx); err != nil {
			return err
		}
	}
	return nil
}

// settle appends what is owed to the journal, in order, and tells when to try again if it cannot. A journal that fails stops nothing here (invariant 10).
func (s *Store) settle(ctx context.Context) (retry time.Time) {
	// An append that a stop cuts off may have been written all the same, and would be written again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	select {
	case s.settling <- struct{}{}:
		defer func() { <-s.settling }()
	case <-ctx.Done():
		return s.Now().Add(retryJournal)
	}
	if waits(s.Now(), s.journalRetry, retryJournal) {
		return s.journalRetry
	}
	err := s.saveNews()
	for err == nil {
		var more bool
		if more, err = s.settleSome(ctx); !more {
			break
		}
		s.tidied.Add(1)
	}
	if err != nil {
		s.journalRetry = s.Now().Add(retryJournal)
		s.Log.Error("footage: entries are owed to the journal", "error", err)
		return s.journalRetry
	}
	return time.Time{}
}

func (s *Store) saveNews() error {
	s.badMu.Lock()
	bad := s.bad
	s.bad = nil
	s.badMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range bad {
		s.incidentLocked(b.what, "", b.detail)
	}
	if len(s.news) == 0 {
		return nil
	}
	err := s.db.Update(s.putNews)
	if err == nil {
		s.news = nil
	}
	return err
}

// owed is an entry on its way into the journal.
type owed struct {
	key  string
	row  owedRow
	body any
	seq  uint64
}

// settleSome appends the oldest owed entry, and after an expiry those that follow; more is false when there was none.
func (s *Store) settleSome(ctx context.Context) (more bool, err error) {
	var list []owed
	var bad string
	err = s.db.View(func(tx *bbolt.Tx) error {
		c := tx.Bucket(inOwed).Cursor()
		for k, v := c.First(); k != nil && len(list) < settleAtOnce; k, v = c.Next() {
			key := string(k)
			row, err := decode[owedRow](inOwed, key, v)
			if err == nil && len(list) > 0 && row.Kind != protocol.KindExpired {
				return nil // it may change what those after it say
			}
			var body any
			if err == nil {
				body, err = resolve(tx, row, s.badRow)
			}
			if err != nil && len(list) > 0 {
				return nil // it has its turn
			}
			if err != nil {
				bad = key
				return err
			}
			if list = append(list, owed{key: key, row: row, body: body}); row.Kind != protocol.KindExpired {
				return nil
			}
		}
		return nil
	})
	if bad != "" {
		// It can never be written; the others must be.
		s.badRow(err)
		s.mu.Lock()
		defer s.mu.Unlock()
		return true, s.db.Update(func(tx *bbolt.Tx) error { return del(tx, inOwed, bad) })
	}
	if err != nil || len(list) == 0 {
		return false, err
	}
	written := 0
	for i := range list {
		o := &list[i]
		if o.seq, err = s.Journal.Append(ctx, o.row.Kind, o.body); err != nil {
			err = fmt.Errorf("%s: %w", o.row.Kind, err)
			break
		}
		written++
	}
	if written == 0 {
		return true, err
	}
	if err := s.at("journalled"); err != nil {
		return true, err
	}
	if err := s.settled(list[:written]); err != nil {
		return true, err
	}
	return true, errors.Join(err, s.at("settled"))
}

// settled drops what is owed no more, and notes what it leaves behind.
func (s *Store) settled(list []owed) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.db.Update(func(tx *bbolt.Tx) error {
		left := map[uint64]int{}
		for _, o := range list {
			if err := del(tx, inOwed, o.key); err != nil {
				return err
			}
			if o.row.Erase != "" {
				if err := del(tx, inErases, string(o.row.Erase)); err != nil {
					return err
				}
			}
			if o.row.Minute != 0 {
				m, found, err := get[minuteRow](tx, inMinutes, number(o.row.Minute))
				if err != nil || !found {
					return err
				}
				m.Seq = o.seq
				if err := putMinute(tx, o.row.Minute, m); err != nil {
					return err
				}
			}
			for _, own := range o.row.Minutes {
				left[own]++
			}
		}
		for own, n := range left {
			if err := leaveMinute(tx, own, n); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, o := range list {
		if id := o.row.Erase; id != "" {
			delete(s.erases, id)
			s.obeyed[id] = true
		}
	}
	return nil
}

// resolve is the body as it is known now: an expired segment names the entry of its minute.
func resolve(tx *bbolt.Tx, row owedRow, broken func(error)) (any, error) {
	if row.Kind != protocol.KindExpired {
		return row.Body, nil
	}
	var body protocol.Expired
	if err := json.Unmarshal(row.Body, &body, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	if len(row.Minutes) != len(body.Segments) {
		return nil, fmt.Errorf("index: owed %s: its lists differ in length", row.Kind)
	}
	seqs := map[uint64]uint64{0: 0}
	for i, own := range row.Minutes {
		seq, known := seqs[own]
		if !known {
			m, _, err := get[minuteRow](tx, inMinutes, number(own))
			if err != nil {
				broken(err) // that it expired must be written all the same
			}
			seq = m.Seq
			seqs[own] = seq
		}
		body.Segments[i].Minute = seq
	}
	return body, nil
}

// leaveMinute counts segments out of their minute, and drops the list with the last.
func leaveMinute(tx *bbolt.Tx, own uint64, n int) error {
	if own == 0 {
		return nil
	}
	m, found, err := get[minuteRow](tx, inMinutes, number(own))
	if err != nil || !found {
		return err
	}
	if m.Left -= n; m.Left <= 0 {
		return del(tx, inMinutes, number(own))
	}
	return putMinute(tx, own, m)
}

// SealMinute journals the segments sealed since the last time, of all cameras, as one footage.sealed entry for each volume, so that a bag that lacks a disk lacks no part of a minute: the root over their lines in the order of camera,
// stream, run and place. The list stays here until all of them are gone. It returns the journal's error, if any; the entry is then owed.
func (s *Store) SealMinute(ctx context.Context) error {
	for _, v := range s.volumes {
		for more := true; more; {
			var err error
			if more, err = s.listMinute(v); err != nil {
				return fmt.Errorf("footage: minute: %w", err)
			}
		}
	}
	if retry := s.settle(ctx); !retry.IsZero() {
		return errors.New("footage: the journal cannot be written; sealed segments are journalled later")
	}
	return nil
}

// minuteList is the most segments in one footage.sealed entry: after a crash in a long journal failure there may be many.
const minuteList = 2000

func (s *Store) listMinute(v *volume) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.db.Update(func(tx *bbolt.Tx) error {
		var keys []string
		var rows []segmentRow
		var lines []protocol.SegmentLine
		c := tx.Bucket(inUnlisted).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			key := string(k)
			if s.whereSegment(key) != v {
				continue
			}
			if more = len(keys) == minuteList; more {
				break
			}
			row, found, err := get[segmentRow](tx, inSegments, key)
			var line protocol.SegmentLine
			if err == nil && !found {
				err = fmt.Errorf("index: unlisted %s: no such segment", key)
			}
			if err == nil {
				line, err = row.line(key)
			}
			if err != nil {
				s.badRow(err)
				continue
			}
			keys, rows, lines = append(keys, key), append(rows, row), append(lines, line)
		}
		if len(keys) == 0 {
			return nil
		}
		own, err := tx.Bucket(inMinutes).NextSequence()
		if err != nil {
			return err
		}
		minute := minuteRow{Left: len(keys), Leaves: leaves(lines)}
		if minute.Root, err = rootOf(minute.Leaves); err != nil {
			return err
		}
		for i, key := range keys {
			rows[i].Minute, rows[i].Index = own, i
			if err := errors.Join(putSegment(tx, key, rows[i]), del(tx, inUnlisted, key)); err != nil {
				return err
			}
		}
		sealed, err := owe(protocol.KindSealed, protocol.Sealed{Root: minute.Root, Count: len(keys), Cameras: s.sealedCameras(tx, lines)})
		if err != nil {
			return err
		}
		sealed.Minute = own
		return errors.Join(putMinute(tx, own, minute), putOwed(tx, sealed))
	})
	return more && err == nil, err
}

func (s *Store) sealedCameras(tx *bbolt.Tx, lines []protocol.SegmentLine) []protocol.SealedCamera {
	cameras := map[protocol.CameraID]*protocol.SealedCamera{}
	for _, l := range lines {
		s.addSealed(tx, cameras, l)
	}
	return sorted(cameras)
}

// addSealed counts a segment in.
func (s *Store) addSealed(tx *bbolt.Tx, cameras map[protocol.CameraID]*protocol.SealedCamera, l protocol.SegmentLine) {
	c := cameras[l.Camera]
	if c == nil {
		c = &protocol.SealedCamera{Camera: l.Camera, First: l.Start, Last: l.End, Oldest: l.Start}
		if at, ok := s.oldest(tx, l.Camera); ok {
			c.Oldest = protocol.T(at)
		}
		cameras[l.Camera] = c
	}
	c.Count++
	if l.Start.Before(c.First.Time) {
		c.First = l.Start
	}
	if l.End.After(c.Last.Time) {
		c.Last = l.End
	}
}

func sorted(cameras map[protocol.CameraID]*protocol.SealedCamera) (out []protocol.SealedCamera) {
	for _, id := range slices.Sorted(maps.Keys(cameras)) {
		out = append(out, *cameras[id])
	}
	return out
}

// leaves are the RFC 6962 leaf hashes of lines.
func leaves(lines []protocol.SegmentLine) []protocol.Hash {
	out := make([]protocol.Hash, len(lines))
	for i, l := range lines {
		out[i] = protocol.Hash(tlog.RecordHash([]byte(l.String())))
	}
	return out
}

// tree stores the hashes of a tree over leaves as tlog wants to read them.
type tree []tlog.Hash

func (t tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t)) {
			return nil, fmt.Errorf("hash %d of %d", x, len(t))
		}
		out[i] = t[x]
	}
	return out, nil
}

func treeOf(leaves []protocol.Hash) (tree, error) {
	var t tree
	for i, l := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(l), t)
		if err != nil {
			return nil, err
		}
		t = append(t, more...)
	}
	return t, nil
}

// rootOf is the RFC 6962 root over leaf hashes; that over none is the hash of nothing.
func rootOf(leaves []protocol.Hash) (protocol.Hash, error) {
	if len(leaves) == 0 {
		return protocol.HashOf(nil), nil
	}
	t, err := treeOf(leaves)
	if err != nil {
		return protocol.Hash{}, err
	}
	root, err := tlog.TreeHash(int64(len(leaves)), t)
	return protocol.Hash(root), err
}

// pathOf is the RFC 6962 audit path of one leaf.
func pathOf(leaves []protocol.Hash, index int) ([]protocol.Hash, error) {
	t, err := treeOf(leaves)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(int64(len(leaves)), int64(index), t)
	if err != nil {
		return nil, err
	}
	path := make([]protocol.Hash, len(proof))
	for i, h := range proof {
		path[i] = protocol.Hash(h)
	}
	return path, nil
}
