package footage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

var (
	indexFormat = []byte("index") // in meta: the version of what is not read as it is; none: 2
	number3     = []byte("3")
)

const migrateAtOnce = 1000 // rows in one transaction

// runRow2 is a run's row up to version 2: each run had its own window, and nobody stood in a queue.
type runRow2 struct {
	V      int               `json:"v"`
	Camera protocol.CameraID `json:"camera"`
	Stream protocol.StreamID `json:"stream"`
	Run    protocol.RunID    `json:"run"`
	Codec  Codec             `json:"codec"`
	Init   protocol.Hash     `json:"init"`
	Start  protocol.Time     `json:"start"`
	End    protocol.Time     `json:"end"`
	Window protocol.Window   `json:"window"`
	Ended  bool              `json:"ended"`
	Next   int               `json:"next"`
	Count  int               `json:"count"`
	Bytes  int64             `json:"bytes"`
	First  protocol.Time     `json:"first"`
	Sound  SoundCodec        `json:"sound,omitempty"`
	Back   int64             `json:"back,omitzero"`
	Volume string            `json:"volume,omitempty"`
}

func (r *runRow2) now() *runRow {
	n := &runRow{V: format, Camera: r.Camera, Stream: r.Stream, Run: r.Run, Codec: r.Codec, Init: r.Init, Plain: r.V == plaintext, Start: r.Start, End: r.End,
		Ended: r.Ended, Next: r.Next, Count: r.Count, Bytes: r.Bytes, First: r.First, Sound: r.Sound, Back: r.Back, Volume: r.Volume}
	if r.Count > 0 {
		n.Waits = r.First
	}
	return n
}

// tombstoneRow2 is a tombstone up to version 2: one segment, under the segment's key.
type tombstoneRow2 struct {
	V       int           `json:"v"`
	Segment segmentRow    `json:"segment"`
	Reason  Reason        `json:"reason"`
	Due     protocol.Time `json:"due"`
	Gone    bool          `json:"gone"` // what is said of it stands in owed
}

// migrate brings an index of version 2 to version 3: rows of runs get their places in queues, tombstones are taken together. Rows of segments stay as they are. It goes by
// steps, each a transaction that leaves what it did not come to as it was; after a crash it goes on. For 2.6 million segments that is some 43,000 rows and a few seconds, once.
func (s *Store) migrate() error {
	done := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		done = bytes.Equal(tx.Bucket(inMeta).Get(indexFormat), number3)
		return nil
	})
	if err != nil || done {
		return err
	}
	for from, more := "", true; more; {
		if err := s.db.Update(func(tx *bbolt.Tx) (err error) { from, more, err = s.migrateRuns(tx, from); return err }); err != nil {
			return fmt.Errorf("index of version 2: runs: %w", err)
		}
		if err := s.at("migrated"); err != nil {
			return err
		}
	}
	for more := true; more; {
		if err := s.db.Update(func(tx *bbolt.Tx) (err error) { more, err = s.migrateTombstones(tx); return err }); err != nil {
			return fmt.Errorf("index of version 2: tombstones: %w", err)
		}
		if err := s.at("migrated"); err != nil {
			return err
		}
	}
	hours, _ := s.keys.hours() // a crash may have left keys without footage
	err = s.db.Update(func(tx *bbolt.Tx) error {
		err := tx.Bucket(inMeta).Put(indexFormat, number3)
		for of := range hours {
			if len(s.runsOfHour(tx, of)) == 0 {
				err = errors.Join(err, tx.Bucket(inSpent).Put([]byte(of.key()), nil))
			}
		}
		return err
	})
	clear(s.queues)
	s.totals = totalsRow{}
	return errors.Join(err, s.at("migrated"))
}

// migrateRuns takes the next rows of runs. Queues and totals are built up in memory too, and read again when all is done.
func (s *Store) migrateRuns(tx *bbolt.Tx, from string) (next string, more bool, err error) {
	if from == "" { // what a try before this one did
		if s.totals, _, err = get[totalsRow](tx, inMeta, "totals"); err != nil {
			return "", false, err
		}
		err = each(tx, inQueues, "", s.badRow, func(key string, row queueRow) error {
			q, err := parseQueue(key, row)
			if err == nil {
				s.queues[key] = q
			}
			return err
		})
		if err != nil {
			return "", false, err
		}
	}
	var keys []string
	c := tx.Bucket(inRuns).Cursor()
	for k, v := c.Seek([]byte(from)); k != nil && len(keys) < migrateAtOnce; k, v = c.Next() {
		if next = string(k) + "\x00"; versionOf(v) != format {
			keys = append(keys, string(k))
		}
	}
	for _, key := range keys {
		old, _, err := get[runRow2](tx, inRuns, key)
		r, window := old.now(), old.Window
		if err != nil { // it is made anew of its segments
			s.badRow(err)
			if r, window, err = s.remake(tx, key); err != nil {
				return "", false, err
			}
			if r == nil {
				err = del(tx, inRuns, key)
				if err != nil {
					return "", false, err
				}
				continue
			}
			s.incident("row of a run made anew", r.Camera, fmt.Sprintf("run %s: its %d segments expire by their own window", r.Run, r.Count))
		}
		q, err := s.queueFor(tx, r.Camera, window, r.Volume)
		if err != nil {
			return "", false, err
		}
		s.queues[q.key()], r.Queue = q, q.n
		if err := s.putRun(tx, nil, r, &s.totals); err != nil {
			return "", false, err
		}
	}
	return next, len(keys) == migrateAtOnce, putTotals(tx, &s.totals)
}

// migrateTombstones takes the next tombstones together in one for each reason.
func (s *Store) migrateTombstones(tx *bbolt.Tx) (more bool, err error) {
	taken := map[Reason]*tombstoneRow{}
	var keys []string
	c := tx.Bucket(inTombstones).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		key := string(k)
		if !strings.Contains(key, "/") {
			continue // of version 3
		}
		if more = len(keys) == buryAtOnce; more {
			break
		}
		keys = append(keys, key)
		row, err := decode[tombstoneRow2](inTombstones, key, v)
		if err != nil {
			s.badRow(err)
			continue
		}
		if row.Gone {
			continue
		}
		if taken[row.Reason] == nil {
			taken[row.Reason] = &tombstoneRow{V: format, Reason: row.Reason}
		}
		taken[row.Reason].Segments = append(taken[row.Reason].Segments, buried{Line: row.Segment.Line, Key: row.Segment.Key, Chunk: row.Segment.Chunk, Minute: row.Segment.Minute, Due: row.Due})
	}
	for _, key := range keys {
		if err := del(tx, inTombstones, key); err != nil {
			return false, err
		}
	}
	for _, row := range taken {
		if _, err := putTombstone(tx, row); err != nil {
			return false, err
		}
	}
	return more, nil
}
