package footage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.etcd.io/bbolt"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// format is the version of volume, rows and segments that this package writes: encrypted. Those of version 1, plaintext, are read, kept and expired as they are; nothing is
// added to a run of version 1.
const (
	format    = 2
	plaintext = 1
)

var (
	inMeta       = []byte("meta")
	inRuns       = []byte("runs")
	inSegments   = []byte("segments")
	inUnlisted   = []byte("unlisted")
	inMinutes    = []byte("minutes")
	inTombstones = []byte("tombstones")
	inHolds      = []byte("holds")
	inStreams    = []byte("streams")
	inGaps       = []byte("gaps")
	inOwed       = []byte("owed")
	inVolumes    = []byte("volumes")
	inHomes      = []byte("homes")

	buckets = [][]byte{inMeta, inRuns, inSegments, inUnlisted, inMinutes, inTombstones, inHolds, inStreams, inGaps, inOwed, inVolumes, inHomes}
)

type runRow struct {
	V      int               `json:"v"`
	Camera protocol.CameraID `json:"camera"`
	Stream protocol.StreamID `json:"stream"`
	Run    protocol.RunID    `json:"run"`
	Codec  Codec             `json:"codec"`
	Sound  SoundCodec        `json:"sound,omitempty"` // of its track of sound, if it has one
	Init   protocol.Hash     `json:"init"`
	Start  protocol.Time     `json:"start"`
	End    protocol.Time     `json:"end"`    // of the last segment sealed; Start when there is none
	Window protocol.Window   `json:"window"` // only ever gets shorter
	Ended  bool              `json:"ended"`
	Next   int               `json:"next"`             // place of the next segment to seal
	Count  int               `json:"count"`            // rows in segments
	Bytes  int64             `json:"bytes"`            // that those take on disk
	Back   int64             `json:"back,omitzero"`    // ms that the clock had been set back in all when it was recorded: see clock.Reading
	First  protocol.Time     `json:"first"`            // start of the oldest of those; meaningless when Count is 0
	Volume string            `json:"volume,omitempty"` // where its footage is; empty: beside the index
}

func (r *runRow) key() string { return runKey(r.Camera, r.Stream, r.Run) }

// due is when the oldest segment left of the run expires.
func (r *runRow) due(now trusted.Reading) time.Time { return r.dueFrom(r.First.Time, now) }

// dueFrom is when a segment of the run expires that starts then.
func (r *runRow) dueFrom(start time.Time, now trusted.Reading) time.Time {
	return Aging{SegmentLine: protocol.SegmentLine{Start: protocol.T(start)}, Window: r.Window, Back: r.back(now)}.Due()
}

// back is how far the clock was set back since the run was recorded.
func (r *runRow) back(now trusted.Reading) time.Duration {
	return max(0, now.Back-time.Duration(r.Back)*time.Millisecond)
}

// add counts in a segment that takes so many bytes on disk.
func (r *runRow) add(l protocol.SegmentLine, stored int64) {
	if r.Count == 0 || l.Start.Before(r.First.Time) {
		r.First = l.Start
	}
	if l.End.After(r.End.Time) {
		r.End = l.End
	}
	r.Next = max(r.Next, l.N+1)
	r.Count++
	r.Bytes += stored
}

type segmentRow struct {
	V         int             `json:"v"`
	Line      string          `json:"line"`             // protocol.SegmentLine
	Key       string          `json:"key,omitempty"`    // which key opens it, as chain/place: never a key; version 1 has none
	Chunk     int64           `json:"chunk,omitempty"`  // of its file, in bytes; absent: 64 KiB
	Window    protocol.Window `json:"window"`           // of the run at sealing; what counts is the run's, which may be shorter by now
	Fragments [][2]int64      `json:"fragments"`        // offset in the file, decode time in the run (1/90000 s)
	Minute    uint64          `json:"minute,omitempty"` // own number of the minute it is listed in; 0: none yet
	Index     int             `json:"index,omitempty"`  // its place in that list
}

type tombstoneRow struct {
	V       int           `json:"v"`
	Segment segmentRow    `json:"segment"`
	Reason  Reason        `json:"reason"`
	Due     protocol.Time `json:"due"`
	Gone    bool          `json:"gone"` // unlinked and the directory synced; its entry is owed
}

type minuteRow struct {
	V      int             `json:"v"`
	Seq    uint64          `json:"seq"` // of the footage.sealed entry; 0: still owed
	Root   protocol.Hash   `json:"root"`
	Leaves []protocol.Hash `json:"leaves"` // RFC 6962 leaf hashes of the SegmentLines
	Left   int             `json:"left"`   // how many of them are not gone
}

type streamRow struct {
	V   int           `json:"v"`
	Gap *protocol.Gap `json:"gap"` // absent while recording
}

// owedRow is an entry for the journal, and what to do once it is there.
type owedRow struct {
	V    int            `json:"v"`
	Kind string         `json:"kind"`
	Body jsontext.Value `json:"body"`

	Minute  uint64   `json:"minute,omitempty"`  // footage.sealed: the minute whose seq becomes known
	Minutes []uint64 `json:"minutes,omitempty"` // footage.expired: per segment, the minute whose seq its body must name
	Drop    []string `json:"drop,omitempty"`    // footage.expired: tombstones to drop
}

// database is the index's file. bbolt opens and syncs it; what a transaction did reaches the disk by way of [disk.Disk].
type database struct {
	*bbolt.DB
	disk  disk.Disk
	doubt bool // see errDoubt; guarded by the store's mu
}

// errDoubt: a transaction stands in the file and was reported as failed twice: a power cut may undo it, and memory does not know of it. Nothing is written until [Store.settleIndex] has
// made it stay and read it anew.
var errDoubt = errors.New("the disk does not say whether the index was written")

func openDatabase(d disk.Disk, name string) (*database, error) {
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{Timeout: time.Second})
	return &database{DB: db, disk: d}, err
}

// Update is bbolt's: after an error nothing of the transaction stands, but for errDoubt.
func (db *database) Update(do func(*bbolt.Tx) error) error {
	if db.doubt {
		return errDoubt
	}
	id, err := db.commit(do)
	if err == nil || id == 0 {
		return err
	}
	// What the disk calls failed may stand all the same. Then memory must follow it, and one more commit makes it stay.
	stands := false
	if e := db.View(func(tx *bbolt.Tx) error { stands = tx.ID() >= id; return nil }); e != nil || !stands {
		return errors.Join(err, e)
	}
	if e := db.settle(); e != nil {
		return errors.Join(errDoubt, err, e)
	}
	return nil
}

// commit tells which transaction failed, or 0 when it did not come to its commit.
func (db *database) commit(do func(*bbolt.Tx) error) (id int, err error) {
	tx, err := db.Begin(true)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := do(tx); err != nil {
		return 0, err
	}
	return tx.ID(), db.disk.Commit(db.Path(), tx.Commit)
}

// settle makes what stands in the file stay there.
func (db *database) settle() error {
	_, err := db.commit(func(*bbolt.Tx) error { return nil })
	db.doubt = err != nil
	return err
}

func streamKey(c protocol.CameraID, s protocol.StreamID) string { return string(c) + "/" + string(s) }

func runKey(c protocol.CameraID, s protocol.StreamID, r protocol.RunID) string {
	return streamKey(c, s) + "/" + string(r)
}

func segmentKey(l protocol.SegmentLine) string {
	return fmt.Sprintf("%s/%06d", runKey(l.Camera, l.Stream, l.Run), l.N)
}

// number is a key that sorts as its number does.
func number(n uint64) string { return fmt.Sprintf("%016x", n) }

func put(tx *bbolt.Tx, bucket []byte, key string, row any) error {
	b, err := json.Marshal(row)
	if err == nil {
		err = tx.Bucket(bucket).Put([]byte(key), b)
	}
	if err != nil {
		return fmt.Errorf("index: %s %s: %w", bucket, key, err)
	}
	return nil
}

func del(tx *bbolt.Tx, bucket []byte, key string) error {
	if err := tx.Bucket(bucket).Delete([]byte(key)); err != nil {
		return fmt.Errorf("index: %s %s: %w", bucket, key, err)
	}
	return nil
}

// get reads one row; found is false when there is none.
func get[T any](tx *bbolt.Tx, bucket []byte, key string) (row T, found bool, err error) {
	b := tx.Bucket(bucket).Get([]byte(key))
	if b == nil {
		return row, false, nil
	}
	row, err = decode[T](bucket, key, b)
	return row, true, err
}

// each reads the rows under a prefix in the order of their keys. A row that cannot be read goes to broken and does not stop the others (invariant 14).
func each[T any](tx *bbolt.Tx, bucket []byte, prefix string, broken func(error), row func(key string, row T) error) error {
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
		key := string(k)
		r, err := decode[T](bucket, key, v)
		if err != nil {
			broken(err)
			continue
		}
		if err := row(key, r); err != nil {
			return err
		}
	}
	return nil
}

func decode[T any](bucket []byte, key string, b []byte) (row T, err error) {
	var version struct {
		V int `json:"v"`
	}
	if err = json.Unmarshal(b, &version); err == nil && version.V != format && version.V != plaintext {
		err = fmt.Errorf("version %d, this program knows %d and %d", version.V, plaintext, format)
	}
	if err == nil {
		err = json.Unmarshal(b, &row, json.RejectUnknownMembers(true))
	}
	if err != nil {
		err = fmt.Errorf("index: %s %s: %w", bucket, key, err)
	}
	return row, err
}

// line reads a row's SegmentLine and checks that it stands under its own key.
func (r *segmentRow) line(key string) (protocol.SegmentLine, error) {
	l, err := protocol.ParseSegmentLine(r.Line)
	if err == nil && segmentKey(l) != key {
		err = fmt.Errorf("stands under another's key")
	}
	if err != nil {
		return l, fmt.Errorf("index: segments %s: %w", key, err)
	}
	return l, nil
}

// slot is which key opens the segment; encrypted is false for one of version 1.
func (r *segmentRow) slot() (k slot, encrypted bool, err error) {
	if r.V == plaintext {
		return k, false, nil
	}
	k, err = parseSlot(r.Key)
	return k, true, err
}

// stored is what the segment takes on disk, in bytes.
func (r *segmentRow) stored(l protocol.SegmentLine) int64 {
	if r.V == plaintext {
		return l.Size
	}
	if r.Chunk == 0 {
		return storedSize(l.Size, coarseSize)
	}
	return storedSize(l.Size, r.Chunk)
}

// keyRun is the run's key in a segment's; of what is no segment's key it is all of it.
func keyRun(segment string) string {
	if i := strings.LastIndexByte(segment, '/'); i >= 0 {
		return segment[:i]
	}
	return segment
}
