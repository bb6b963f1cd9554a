package footage

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// format is the version of volume and rows that this package writes. Segments of version 1 are plaintext; they, and segment rows of version 2, are read, kept and expired
// as they are. All else of an older index is brought to this version when it is opened (see migrate).
const (
	format    = 3
	oneLine   = 2 // rows whose lists do not stand on a line of their own
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
	inQueues     = []byte("queues")
	inWaiting    = []byte("waiting")
	inKept       = []byte("kept")
	inOpen       = []byte("open")
	inOver       = []byte("over")
	inSpent      = []byte("spent")
	inVolumes    = []byte("volumes")
	inHomes      = []byte("homes")
	inErases     = []byte("erases")

	buckets = [][]byte{inMeta, inRuns, inSegments, inUnlisted, inMinutes, inTombstones, inHolds, inStreams, inGaps, inOwed, inQueues, inWaiting, inKept, inOpen, inOver, inSpent, inVolumes, inHomes, inErases}
)

type runRow struct {
	V      int               `json:"v"`
	Camera protocol.CameraID `json:"camera"`
	Stream protocol.StreamID `json:"stream"`
	Run    protocol.RunID    `json:"run"`
	Codec  Codec             `json:"codec"`
	Sound  SoundCodec        `json:"sound,omitempty"` // of its track of sound, if it has one
	Init   protocol.Hash     `json:"init"`
	Plain  bool              `json:"plain,omitempty"` // its segments are of version 1
	Start  protocol.Time     `json:"start"`
	End    protocol.Time     `json:"end"`   // of the last segment sealed; Start when there is none
	Queue  uint64            `json:"queue"` // of its camera, which says its window
	Ended  bool              `json:"ended"`
	Next   int               `json:"next"`             // place of the next segment to seal
	Count  int               `json:"count"`            // rows in segments
	Bytes  int64             `json:"bytes"`            // that those take on disk
	First  protocol.Time     `json:"first"`            // start of the oldest of those; meaningless when Count is 0
	From   int               `json:"from"`             // those before this place that are left are due, and held
	Back   int64             `json:"back,omitzero"`    // ms that the clock had been set back in all when it was recorded: see clock.Reading
	Volume string            `json:"volume,omitempty"` // where its footage is; empty: beside the index. Its queue says the same
	Waits  protocol.Time     `json:"waits,omitzero"`   // start of the oldest from From on, by which the run stands in its queue; zero: there is none
}

func (r *runRow) key() string { return runKey(r.Camera, r.Stream, r.Run) }

// add counts in a segment that takes so many bytes on disk.
func (r *runRow) add(l protocol.SegmentLine, stored int64) {
	if r.Count == 0 || l.Start.Before(r.First.Time) {
		r.First = l.Start
	}
	if l.End.After(r.End.Time) {
		r.End = l.End
	}
	if r.Waits.IsZero() {
		r.From, r.Waits = l.N, l.Start
	}
	r.Next = max(r.Next, l.N+1)
	r.Count++
	r.Bytes += stored
}

func (r *runRow) interval() protocol.Interval {
	return protocol.Interval{From: r.First.Time, To: r.End.Time}
}

type segmentRow struct {
	V         int             `json:"v"`
	Line      string          `json:"line"`                // protocol.SegmentLine
	Key       string          `json:"key,omitempty"`       // which key opens it, as chain/place: never a key; version 1 has none
	Chunk     int64           `json:"chunk,omitempty"`     // of its file, in bytes; absent: 64 KiB
	Window    protocol.Window `json:"window"`              // at sealing; what counts is that of the run's queue, which may be shorter by now
	Fragments [][2]int64      `json:"fragments,omitempty"` // offset in the file, decode time in the run (1/90000 s); since version 3 on a line of its own: see list
	Minute    uint64          `json:"minute,omitempty"`    // own number of the minute it is listed in; 0: none yet
	Index     int             `json:"index,omitempty"`     // its place in that list

	list []byte // the second line
}

// tombstoneRow is a number of segments on their way out, for one reason and at one time.
type tombstoneRow struct {
	V        int      `json:"v"`
	Reason   Reason   `json:"reason"`
	Volume   string   `json:"volume,omitempty"` // that they are on, as in a run's row
	Segments []buried `json:"segments"`

	Erase protocol.DocumentID `json:"erase,omitempty"` // the order, where Reason is [ReasonErase]
}

type buried struct {
	Line   string        `json:"line"`            // protocol.SegmentLine
	Key    string        `json:"key,omitempty"`   // see segmentRow
	Chunk  int64         `json:"chunk,omitempty"` // likewise
	Minute uint64        `json:"minute,omitempty"`
	Due    protocol.Time `json:"due"`

	line     protocol.SegmentLine // Line, read
	unlinked time.Time            // as its tombstone's, when that is gone
}

type minuteRow struct {
	V      int             `json:"v"`
	Seq    uint64          `json:"seq"` // of the footage.sealed entry; 0: still owed
	Root   protocol.Hash   `json:"root"`
	Leaves []protocol.Hash `json:"leaves,omitempty"` // RFC 6962 leaf hashes of the SegmentLines; since version 3 on a line of its own: see list
	Left   int             `json:"left"`             // how many of them are not gone

	list []byte // the second line
}

// totalsRow counts over all runs, so that nobody has to.
type totalsRow struct {
	V       int                    `json:"v"`
	On      map[string]volumeTotal `json:"on"`            // by volume, as in a run's row
	Longest int64                  `json:"longest"`       // run there ever was, ms
	Back    int64                  `json:"back,omitzero"` // the most that a run has, ms
}

type volumeTotal struct {
	Runs     int   `json:"runs"`
	Segments int   `json:"segments"`
	Bytes    int64 `json:"bytes"` // that they take on disk
}

// with is the totals and so much more on a volume.
func (t totalsRow) with(volume string, runs, segments int, bytes int64) totalsRow {
	on := maps.Clone(t.On)
	if on == nil {
		on = map[string]volumeTotal{}
	}
	v := on[volume]
	if v = (volumeTotal{v.Runs + runs, v.Segments + segments, v.Bytes + bytes}); v == (volumeTotal{}) {
		delete(on, volume)
	} else {
		on[volume] = v
	}
	t.On = on
	return t
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
	Drop    []string `json:"drop,omitempty"`    // up to version 2: what has been dropped by now

	Erase protocol.DocumentID `json:"erase,omitempty"` // footage.erased: the order that it closes
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
	// After a large expiry there are many free pages; a map of them does not slow down each transaction after it.
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{Timeout: time.Second, FreelistType: bbolt.FreelistMapType})
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
	return runKey(l.Camera, l.Stream, l.Run) + "/" + placeName(l.N)
}

// placeName is a segment's place in its run with six digits, so that it sorts as its number does.
func placeName(n int) string {
	digits := strconv.Itoa(n)
	return "000000"[min(len(digits), 6):] + digits
}

// number is a key that sorts as its number does.
func number(n uint64) string { return fmt.Sprintf("%016x", n) }

func put(tx *bbolt.Tx, bucket []byte, key string, row any) error {
	return putListed(tx, bucket, key, row, nil)
}

// putListed writes a row whose list, if any, stands on a line of its own: most who read the row do not need it.
func putListed(tx *bbolt.Tx, bucket []byte, key string, row any, list []byte) error {
	b, err := json.Marshal(row)
	if err == nil && list != nil {
		b = append(append(b, '\n'), list...)
	}
	if err == nil {
		err = tx.Bucket(bucket).Put([]byte(key), b)
	}
	if err != nil {
		return fmt.Errorf("index: %s %s: %w", bucket, key, err)
	}
	return nil
}

func putSegment(tx *bbolt.Tx, key string, row segmentRow) (err error) {
	list := row.list
	if row.V == format {
		if list == nil {
			list, err = json.Marshal(row.Fragments)
		}
		row.Fragments = nil
	}
	return errors.Join(err, putListed(tx, inSegments, key, row, list))
}

func putMinute(tx *bbolt.Tx, own uint64, row minuteRow) (err error) {
	list := row.list
	if list == nil {
		list, err = json.Marshal(row.Leaves)
	}
	row.V, row.Leaves = format, nil
	return errors.Join(err, putListed(tx, inMinutes, number(own), row, list))
}

func (r *segmentRow) second(line []byte) { r.list = line }
func (r *minuteRow) second(line []byte)  { r.list = line }

func (r *segmentRow) fragments() (list [][2]int64, err error) {
	if r.list == nil {
		return r.Fragments, nil
	}
	if err := json.Unmarshal(r.list, &list); err != nil {
		return nil, fmt.Errorf("index: fragments of %s: %w", r.Line, err)
	}
	return list, nil
}

func (r *minuteRow) leaves() (list []protocol.Hash, err error) {
	if r.list == nil {
		return r.Leaves, nil
	}
	if err := json.Unmarshal(r.list, &list); err != nil {
		return nil, fmt.Errorf("index: list of the minute of entry %d: %w", r.Seq, err)
	}
	return list, nil
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
	first, second, listed := bytes.Cut(b, []byte("\n"))
	if err = json.Unmarshal(first, &row, json.RejectUnknownMembers(true)); err == nil {
		err = known(first)
	} else if e := known(first); e != nil {
		err = e
	}
	if r, ok := any(&row).(interface{ second([]byte) }); ok && listed {
		r.second(bytes.Clone(second)) // which may outlive the transaction
	}
	if err != nil {
		err = fmt.Errorf("index: %s %s: %w", bucket, key, err)
	}
	return row, err
}

// known says whether a row is of a version that is read here. All rows begin with it.
func known(row []byte) error {
	v := versionOf(row)
	if v < plaintext || v > format {
		return fmt.Errorf("version %d, this program knows %d to %d", v, plaintext, format)
	}
	return nil
}

// versionOf is a row's version; zero when it has none.
func versionOf(row []byte) (v int) {
	rest, ok := bytes.CutPrefix(row, []byte(`{"v":`))
	for i := 0; ok && i < len(rest) && rest[i] >= '0' && rest[i] <= '9' && v < 1000; i++ {
		v = 10*v + int(rest[i]-'0')
	}
	return v
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
	return storedAs(l.Size, r.V != plaintext, r.Chunk)
}

func storedAs(size int64, encrypted bool, chunk int64) int64 {
	switch {
	case !encrypted:
		return size
	case chunk == 0:
		return storedSize(size, coarseSize)
	}
	return storedSize(size, chunk)
}

// keyRun is the run's key in a segment's; of what is no segment's key it is all of it.
func keyRun(segment string) string {
	if i := strings.LastIndexByte(segment, '/'); i >= 0 {
		return segment[:i]
	}
	return segment
}
