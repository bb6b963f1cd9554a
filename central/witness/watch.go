package witness

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// What the witness makes of the entries that it stores: which footage should be gone, and which should not be spoken of any more.

const (
	// ClockSlack is how far a recorder's clock may be from ours.
	ClockSlack = 5 * time.Minute

	// SilentAfter is how long a recorder may hand nothing in: no playback rests on a cosignature that is older (invariant 13).
	SilentAfter = time.Hour

	// deletionSlack is how long, by the log's own time, a deletion may take to be journalled once it is due.
	deletionSlack = 15 * time.Minute

	// unjournalled is how long before the newest footage.sealed entry all segments have stood in one.
	unjournalled = 5 * time.Minute

	// statusSlack is how much later than the log's last entry a status must be before its number of entries counts against the recorder.
	statusSlack = 2 * time.Second
)

// watch is what a recorder's row keeps for the indexes below.
type watch struct {
	Begun   bool          `json:"begun"`
	Since   protocol.Time `json:"since,omitzero"` // the indexes know nothing of footage before it: the store is older than they are
	Expired []uint64      `json:"expired"`        // the newest footage.expired entries, at most mostAgain, oldest first: a crash may write some twice
	Run     int           `json:"run"`            // how many of those since the recorder started
}

// mostAgain is how many entries a recorder may write again after a crash: one for each of its disks.
const mostAgain = 8

// tally is what the log says of one camera's footage of one clock hour, as long as any is left.
type tally struct {
	Camera protocol.CameraID `json:"c"`
	Left   int               `json:"n"` // segments sealed and not reported as deleted
	First  protocol.Time     `json:"f"` // of their minutes
	Last   protocol.Time     `json:"l"`
	Due    protocol.Time     `json:"d"` // by when all are over their window
	From   uint64            `json:"s"` // the first footage.sealed entry
}

func (t tally) overlaps(i protocol.Interval) bool {
	return t.First.Before(i.To) && i.From.Before(t.Last.Time)
}

// window is one that a mandate gave a camera.
type window struct {
	Seq       uint64          `json:"seq"`
	NotBefore protocol.Time   `json:"notBefore"`
	Window    protocol.Window `json:"window"`
}

// held is a hold that the recorder confirmed.
type held struct {
	Camera   protocol.CameraID `json:"camera"`
	Interval protocol.Interval `json:"interval"`
	Until    protocol.Time     `json:"until"` // its end, or when it was lifted
}

// gone is the newest hour of a camera of which the log says that all was deleted.
type gone struct {
	To  protocol.Time `json:"to"`
	Seq uint64        `json:"seq"` // the footage.expired entry that said the last of it
}

// read is how much footage an access could have found, by the log. Left −1: not known.
type read struct {
	Left int `json:"left"`
}

// watcher reads the entries of one batch, in order, within the transaction that stores them.
type watcher struct {
	log   *bbolt.Bucket
	id    protocol.RecorderID
	watch *watch
	found []Finding

	windows map[protocol.CameraID][]window // read in this batch
	edited  map[uint64][]tally             // hours that this batch changes; see flush
	cameras map[protocol.CameraID]footage  // that it changes; see finish

	sealedAside map[sealedMinute]bool // of parts that lie aside; nil: not read in this batch
}

// hour gives the tallies of an hour to change; flush keeps them.
func (x *watcher) hour(t protocol.Time) (uint64, []tally, error) {
	n := hourOf(t)
	if list, ok := x.edited[n]; ok {
		return n, list, nil
	}
	var list []tally
	_, err := get(x.log.Bucket(hours), key(n), &list)
	return n, list, err
}

// flush keeps the hours as they are now, for who reads them there.
func (x *watcher) flush() error {
	for n, list := range x.edited {
		if len(list) == 0 {
			if err := x.log.Bucket(hours).Delete(key(n)); err != nil {
				return err
			}
		} else if err := put(x.log.Bucket(hours), key(n), list); err != nil {
			return err
		}
	}
	clear(x.edited)
	return nil
}

// finish keeps what the batch changed.
func (x *watcher) finish() error {
	for camera, f := range x.cameras {
		if err := put(x.log.Bucket(cameras), []byte(camera), f); err != nil {
			return err
		}
	}
	clear(x.cameras)
	return x.flush()
}

// windowOf is windowOf with the windows of this batch's cameras at hand.
func (x *watcher) windowOf(camera protocol.CameraID, i protocol.Interval) (window, error) {
	list, ok := x.windows[camera]
	if !ok {
		if _, err := get(x.log.Bucket(windows), []byte(camera), &list); err != nil {
			return window{}, err
		}
		x.windows[camera] = list
	}
	return longestOf(list, i), nil
}

// begin makes the indexes where there are none yet: on a store that is older than they are, they know nothing of what was sealed before.
func (x *watcher) begin(head chain.Head) error {
	if x.watch.Begun {
		return nil
	}
	for _, name := range [][]byte{hours, deleted, windows, holds} {
		if _, err := x.log.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	x.watch.Begun = true
	if head.Size > 0 {
		x.watch.Since = head.Time
	}
	return nil
}

func (x *watcher) accuse(f Finding) { x.found = append(x.found, f) }

func get(b *bbolt.Bucket, k []byte, v any) (bool, error) {
	raw := b.Get(k)
	if raw == nil {
		return false, nil
	}
	return true, json.Unmarshal(raw, v)
}

func put(b *bbolt.Bucket, k []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(k, raw)
}

func hourOf(t protocol.Time) uint64 { return uint64(max(t.Unix(), 0)) / 3600 }

// order keeps the windows of mandates: at most the last eight of a camera.
func (x *watcher) order(seq uint64, o protocol.Order) error {
	if o.Kind != "mandate" {
		return nil
	}
	s, err := protocol.ParseDocument([]byte(o.Document))
	m, ok := s.Document.(*protocol.Mandate)
	if err != nil || !ok {
		return nil // of a newer form: it gives no window, and so accuses nobody
	}
	var list []window
	if _, err := get(x.log.Bucket(windows), []byte(m.Camera), &list); err != nil {
		return err
	}
	list = append(list, window{seq, m.NotBefore, m.Window})
	delete(x.windows, m.Camera)
	return put(x.log.Bucket(windows), []byte(m.Camera), list[max(0, len(list)-8):])
}

// windowOf is the longest window that footage taken in the interval may have: of the mandate in force at its start, and of those that came into force until its end.
func windowOf(log *bbolt.Bucket, camera protocol.CameraID, i protocol.Interval) (window, error) {
	var list []window
	if _, err := get(log.Bucket(windows), []byte(camera), &list); err != nil {
		return window{}, err
	}
	return longestOf(list, i), nil
}

func longestOf(list []window, i protocol.Interval) (w window) {
	for _, one := range list {
		switch {
		case !one.NotBefore.After(i.From): // in force at the start: takes the place of what came before
			w = one
		case !one.NotBefore.After(i.To) && one.Window > w.Window:
			w = one
		}
	}
	if w.Window == 0 {
		w.Window = protocol.MaxWindow
	}
	return w
}

func (x *watcher) sealed(h chain.Header, s protocol.Sealed) error {
	for _, c := range s.Cameras {
		if protocol.ValidID(c.Camera) != nil || c.Count <= 0 || c.Last.Before(c.First.Time) {
			continue
		}
		if s.Again {
			if counted, err := x.counted(c); counted || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		}
		w, err := x.windowOf(c.Camera, protocol.Span(c.First.Time, c.Last.Time))
		if err != nil {
			return err
		}
		hour, list, err := x.hour(c.First)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(t tally) bool { return t.Camera == c.Camera })
		if i < 0 {
			i, list = len(list), append(list, tally{Camera: c.Camera, First: c.First, From: h.Seq})
		}
		t := &list[i]
		t.Left += c.Count
		t.First, t.Last = earlier(t.First, c.First), later(t.Last, c.Last)
		t.Due = later(t.Due, protocol.T(c.Last.Add(w.Window.Duration())))
		x.edited[hour] = list
	}
	return nil
}

// stillLists compares what the recorder calls a camera's oldest footage with what its log says is left; the second time in a row that it names footage reported as deleted is a
// finding, for the entry may have been on its way beside the deletion the first time.
func (x *watcher) stillLists(h chain.Header, c protocol.SealedCamera, f *footage) error {
	g, listed, err := listed(x.log, x.watch, c.Camera, c.Oldest, x.flush)
	switch {
	case err != nil:
		return err
	case !listed:
		f.Suspect = 0
	case f.Suspect == 0:
		f.Suspect = h.Seq
	default:
		said := entryWords(g.Seq)
		x.accuse(Finding{Kind: Listed, Camera: c.Camera, Key: daily(Listed, c.Camera, h.Time), Seqs: present0(g.Seq, h.Seq), Seen: central.Words{
			NL: fmt.Sprintf("%s zegt dat alle beelden van camera %s tot %s zijn verwijderd. Regel %d, later geschreven, noemt beelden van %s nog als de oudste die er zijn.", said.NL, c.Camera, g.To, h.Seq, c.Oldest),
			EN: fmt.Sprintf("%s says that all footage of camera %s up to %s was deleted. Entry %d, written later, still names footage of %s as the oldest there is.", said.EN, c.Camera, g.To, h.Seq, c.Oldest)}})
	}
	return nil
}

// entryWords names an entry of the log; 0, which says nothing of footage: one that only the log before it has.
func entryWords(seq uint64) central.Words {
	if seq == 0 {
		return central.Words{NL: "Een regel van het logboek van voor de hervatting", EN: "An entry of the log of before it was resumed"}
	}
	return central.Words{NL: fmt.Sprintf("Regel %d van het logboek", seq), EN: fmt.Sprintf("Entry %d of the log", seq)}
}

// present0 leaves out the 0 of [entryWords].
func present0(seqs ...uint64) []uint64 {
	return slices.DeleteFunc(seqs, func(seq uint64) bool { return seq == 0 })
}

// listed says whether footage of this time is gone by the log's own account. Before the hours are looked through, flush sees to it that they are there.
func listed(log *bbolt.Bucket, w *watch, camera protocol.CameraID, oldest protocol.Time, flush func() error) (g gone, is bool, err error) {
	if known, err := get(log.Bucket(deleted), []byte(camera), &g); err != nil || !known || oldest.After(g.To.Time) || !oldest.After(w.Since.Time) {
		return g, false, err
	}
	if err := flush(); err != nil {
		return g, false, err
	}
	first, err := earliest(log, camera)
	return g, err == nil && (first.IsZero() || oldest.Before(first.Time)), err
}

// earliest is when the oldest footage begins that the log says is left of a camera; zero: none.
func earliest(log *bbolt.Bucket, camera protocol.CameraID) (protocol.Time, error) {
	c := log.Bucket(hours).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var list []tally
		if err := json.Unmarshal(v, &list); err != nil {
			return protocol.Time{}, err
		}
		if i := slices.IndexFunc(list, func(t tally) bool { return t.Camera == camera }); i >= 0 {
			return list[i].First, nil
		}
	}
	return protocol.Time{}, nil
}

func (x *watcher) expired(h chain.Header, e protocol.Expired) error {
	again := x.again(e)
	x.watch.Expired = append(x.watch.Expired, h.Seq)
	x.watch.Expired = x.watch.Expired[max(0, len(x.watch.Expired)-mostAgain):]
	x.watch.Run = min(x.watch.Run+1, mostAgain)
	if again {
		return nil
	}
	minutes := map[uint64]protocol.Sealed{}
	for _, s := range e.Segments {
		minute, known := minutes[s.Minute]
		if body := bodyOf(x.log, s.Minute); !known && body != nil {
			if chain.ParseBody(body, &minute) != nil {
				minute = protocol.Sealed{} // no minute: nothing is counted off
			}
			minutes[s.Minute] = minute
		}
		i := slices.IndexFunc(minute.Cameras, func(c protocol.SealedCamera) bool { return c.Camera == s.Camera })
		if s.Minute == 0 || i < 0 {
			continue // gone before its minute was journalled
		}
		if err := x.countOff(h, s.Camera, minute.Cameras[i].First); err != nil {
			return err
		}
	}
	return nil
}

// again says whether an earlier footage.expired entry has told the same: the last one, or one of the run before that a crash ended. What was gone only after an entry was written cannot stand in it.
func (x *watcher) again(e protocol.Expired) bool {
	last := x.watch.Expired
	if x.watch.Run >= mostAgain && len(last) > 0 {
		last = last[len(last)-1:]
	}
	return slices.ContainsFunc(last, func(seq uint64) bool {
		if h, err := chain.ParseHeader(x.log.Bucket(headers).Get(key(seq))); err == nil && e.At.After(h.Time.Time) {
			return false
		}
		var before protocol.Expired
		body := bodyOf(x.log, seq)
		return body != nil && chain.ParseBody(body, &before) == nil && !slices.ContainsFunc(e.Segments, func(s protocol.ExpiredSegment) bool {
			return !slices.ContainsFunc(before.Segments, func(b protocol.ExpiredSegment) bool { return b.Run == s.Run && b.N == s.N })
		})
	})
}

func (x *watcher) countOff(h chain.Header, camera protocol.CameraID, minute protocol.Time) error {
	hour, list, err := x.hour(minute)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(t tally) bool { return t.Camera == camera })
	if i < 0 {
		return nil
	}
	if list[i].Left--; list[i].Left == 0 {
		var g gone
		if _, err := get(x.log.Bucket(deleted), []byte(camera), &g); err != nil {
			return err
		}
		if list[i].Last.After(g.To.Time) {
			if err := put(x.log.Bucket(deleted), []byte(camera), gone{list[i].Last, h.Seq}); err != nil {
				return err
			}
		}
		list = slices.Delete(list, i, i+1)
	}
	x.edited[hour] = list
	return nil
}

// left is how many segments of an interval there can be by the log; −1: it cannot be said, because newer ones may not be in it yet, or older ones were stored before there
// were indexes.
func (x *watcher) left(camera protocol.CameraID, i protocol.Interval) (int, error) {
	if !i.From.After(x.watch.Since.Time) || i.IsZero() {
		return -1, nil
	}
	if err := x.flush(); err != nil {
		return 0, err
	}
	n := 0
	var newest protocol.Time
	c := x.log.Bucket(hours).Cursor()
	for k, v := c.Last(); k != nil; k, v = c.Prev() {
		var list []tally
		if err := json.Unmarshal(v, &list); err != nil {
			return 0, err
		}
		for _, t := range list {
			if t.Camera != camera {
				continue
			}
			newest = later(newest, t.Last)
			if t.overlaps(i) {
				n += t.Left
			}
		}
		if !newest.IsZero() && i.From.Sub(time.Unix(int64(number(k))*3600, 0)) > 2*time.Hour { // a minute may have begun in the hour before
			break
		}
	}
	if newest.Before(i.To.Add(unjournalled)) {
		return -1, nil
	}
	return n, nil
}

func (x *watcher) holdPlaced(h chain.Header, p protocol.HoldPlaced) error {
	if err := put(x.log.Bucket(holds), []byte(p.Hold), held{p.Camera, p.Interval, p.End}); err != nil {
		return err
	}
	left, err := x.left(p.Camera, p.Interval)
	if err == nil && left >= 0 && p.Segments > left {
		x.accuse(Finding{Kind: Listed, Camera: p.Camera, Key: daily(Listed, p.Camera, h.Time), Seqs: []uint64{h.Seq}, Seen: central.Words{
			NL: fmt.Sprintf("Regel %d bevestigt dat van camera %s in het tijdvak %s nog %d stukken film zijn vastgehouden. Volgens hetzelfde logboek waren er hooguit %d over; de andere stonden als verwijderd.", h.Seq, p.Camera, p.Interval, p.Segments, left),
			EN: fmt.Sprintf("Entry %d confirms that %d segments of camera %s in the interval %s are held. By the same log at most %d were left; the others were reported as deleted.", h.Seq, p.Segments, p.Camera, p.Interval, left)}})
	}
	return err
}

func (x *watcher) holdLifted(h chain.Header, l protocol.HoldLifted) error {
	var have held
	known, err := get(x.log.Bucket(holds), []byte(l.Hold), &have)
	if err != nil || !known || have.Until.Before(h.Time.Time) {
		return err
	}
	have.Until = h.Time
	return put(x.log.Bucket(holds), []byte(l.Hold), have)
}

// access keeps beside an access how much footage there was for it.
func (x *watcher) access(h chain.Header, a protocol.Access) error {
	left, err := x.left(a.Camera, a.Interval)
	if err != nil {
		return err
	}
	return put(x.log.Bucket(accesses), key(h.Seq), read{left})
}

func (x *watcher) released(h chain.Header, d protocol.Released) error {
	var r read
	if raw := x.log.Bucket(accesses).Get(key(d.Intent)); len(raw) == 0 || json.Unmarshal(raw, &r) != nil || r.Left < 0 || d.Segments <= r.Left {
		return nil
	}
	x.accuse(Finding{Kind: Listed, Camera: d.Camera, Key: daily(Listed, d.Camera, h.Time), Seqs: []uint64{d.Intent, h.Seq}, Seen: central.Words{
		NL: fmt.Sprintf("Regel %d zegt dat %d stukken film van camera %s zijn verstrekt. Toen de verstrekking begon (regel %d) waren er volgens hetzelfde logboek hooguit %d over; de andere stonden als verwijderd.", h.Seq, d.Segments, d.Camera, d.Intent, r.Left),
		EN: fmt.Sprintf("Entry %d says that %d segments of camera %s were released. When the release began (entry %d) at most %d were left by the same log; the others were reported as deleted.", h.Seq, d.Segments, d.Camera, d.Intent, r.Left)}})
	return nil
}

// daily is the name of a finding of which one a day and camera is enough.
func daily(kind string, camera protocol.CameraID, t protocol.Time) string {
	return kind + " " + string(camera) + " " + t.UTC().Format(time.DateOnly)
}

func earlier(a, b protocol.Time) protocol.Time {
	if b.Before(a.Time) {
		return b
	}
	return a
}

func later(a, b protocol.Time) protocol.Time {
	if b.After(a.Time) {
		return b
	}
	return a
}

// aheadOf is a finding if the newest entry under a checkpoint is of a time that had not come when this witness cosigned it.
func aheadOf(r row, log *bbolt.Bucket, now protocol.Time) (Finding, bool, error) {
	if r.Head.Size == 0 || !r.Head.Time.After(now.Add(ClockSlack)) {
		return Finding{}, false, nil
	}
	seq := r.Head.Size - 1
	shown, err := show(present(log, r), r.Head.Size, seq)
	return Finding{Kind: Clock, Key: daily(Clock, "", now), Ours: r.Cosigned, Seqs: []uint64{seq}, Shown: shown, Seen: central.Words{
		NL: fmt.Sprintf("De recorder schreef bij regel %d de tijd %s. Deze centrale had die regel toen al in handen: zij tekende ervoor om %s, %s eerder.", seq, r.Head.Time, now, r.Head.Time.Sub(now.Time).Round(time.Second)),
		EN: fmt.Sprintf("The recorder wrote the time %s beside entry %d. This centre already had that entry: it signed for it at %s, %s earlier.", r.Head.Time, seq, now, r.Head.Time.Sub(now.Time).Round(time.Second))}}, true, err
}

// Behind keeps as a finding that an entry is dated before something that it holds: the centre's own ledger checkpoint, whose last entry is younger. ledger is that entry's header
// line, and proof that the checkpoint covers it; log is the number of the recorder's.
func (w *Witness) Behind(id protocol.RecorderID, log uint64, at chain.Header, checkpoint, ledger []byte, size uint64, proof tlog.RecordProof) error {
	h, err := chain.ParseHeader(ledger)
	if err != nil || !h.Time.After(at.Time.Add(ClockSlack)) {
		return err
	}
	return w.keep(Finding{Recorder: id, At: protocol.T(w.now()), Log: log, Kind: Clock, Key: daily(Clock, "", at.Time), Seqs: []uint64{at.Seq}, Theirs: checkpoint, Seq: size - 1, Entry: ledger, Inclusion: proof, Seen: central.Words{
		NL: fmt.Sprintf("De recorder schreef bij regel %d de tijd %s. Maar in die regel staat het logboek van de centrale met een regel van %s: %s later. De klok van de recorder liep achter.", at.Seq, at.Time, h.Time, h.Time.Sub(at.Time.Time).Round(time.Second)),
		EN: fmt.Sprintf("The recorder wrote the time %s beside entry %d. But that entry holds the centre's ledger with an entry of %s: %s later. The recorder's clock was behind.", at.Time, at.Seq, h.Time, h.Time.Sub(at.Time.Time).Round(time.Second))}})
}

// Status compares a recorder's signed status, which the caller has opened, with its log as it is known here and with its earlier statuses. A status of before is passed over.
func (w *Witness) Status(id protocol.RecorderID, raw []byte, s protocol.Status) error {
	if s.State != "online" {
		return nil // a last will, whose time is that of the connection
	}
	w.mu.Lock()
	last := w.statuses[id]
	newer := s.Time.After(last.at.Time)
	suspects := map[protocol.CameraID]bool{}
	this := said{s.Time, max(s.Log, 1), s.Entries, raw, suspects}
	if newer {
		w.statuses[id] = this
	}
	w.mu.Unlock()
	if !newer {
		return nil
	}
	if err := w.holdSaid(id, this); err != nil {
		return fmt.Errorf("witness: recorder %s: status: %w", id, err)
	}
	var found []Finding
	err := w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		log := tx.Bucket(logs).Bucket([]byte(id))
		here := max(s.Log, 1)
		switch {
		case here > r.number(): // see Receive
		case (here < r.number() || s.Entries < r.Head.Size) && s.Time.After(r.Head.Time.Add(statusSlack)):
			f, err := backed(r, log, raw, s)
			if err != nil {
				return err
			}
			found = append(found, f)
		case last.raw != nil && here == last.log && s.Entries < last.entries:
			found = append(found, Finding{Kind: Truncation, Log: r.Log, Key: fmt.Sprintf("%s %d", Truncation, last.entries), Ours: last.raw, Theirs: raw, Seen: central.Words{
				NL: fmt.Sprintf("Op %s zei de recorder dat zijn logboek %d regels had. Op %s zei hij dat het er %d zijn. Er is dus een stuk af, dat deze centrale nog niet had.", last.at, last.entries, s.Time, s.Entries),
				EN: fmt.Sprintf("On %s the recorder said that its log had %d entries. On %s it said that there are %d. So a piece is gone, which this centre did not have yet.", last.at, last.entries, s.Time, s.Entries)}})
		}
		if s.Entries > r.Head.Size || here != r.number() {
			return nil // it may know of deletions that have not come in
		}
		for _, c := range s.Cameras {
			if c.Oldest == nil {
				continue
			}
			g, is, err := listed(log, &r.Watch, c.Camera, *c.Oldest, func() error { return nil })
			if err != nil {
				return err
			}
			if !is {
				continue
			}
			suspects[c.Camera] = true
			if last.suspects[c.Camera] {
				said := entryWords(g.Seq)
				found = append(found, Finding{Kind: Listed, Camera: c.Camera, Key: daily(Listed, c.Camera, s.Time), Log: r.Log, Seqs: present0(g.Seq), Theirs: raw, Seen: central.Words{
					NL: fmt.Sprintf("%s zegt dat alle beelden van camera %s tot %s zijn verwijderd. Op %s noemt de recorder in zijn ondertekende toestand beelden van %s nog als de oudste die er zijn.", said.NL, c.Camera, g.To, s.Time, *c.Oldest),
					EN: fmt.Sprintf("%s says that all footage of camera %s up to %s was deleted. On %s the recorder's signed status still names footage of %s as the oldest there is.", said.EN, c.Camera, g.To, s.Time, *c.Oldest)}})
			}
		}
		return nil
	})
	for _, f := range found {
		if err != nil {
			break
		}
		f.Recorder, f.At = id, protocol.T(w.now())
		err = w.keep(f)
	}
	if err != nil {
		err = fmt.Errorf("witness: recorder %s: status: %w", id, err)
	}
	return err
}

// backed is a status with fewer entries than the recorder signed for before: a rollback; or with none at all, when its log cannot be opened any more.
func backed(r row, log *bbolt.Bucket, raw []byte, s protocol.Status) (Finding, error) {
	seq := r.Head.Size - 1
	shown, err := show(present(log, r), r.Head.Size, seq)
	f := Finding{Kind: Rollback, Key: fmt.Sprintf("%s %d", Rollback, r.Head.Size), Log: r.Log, Ours: r.Checkpoint, Theirs: raw, Seqs: []uint64{seq}, Shown: shown, Seen: central.Words{
		NL: fmt.Sprintf("De recorder tekende voor een logboek van %d regels, de laatste van %s. Op %s zegt hij dat zijn logboek %d regels heeft: het is teruggezet.", r.Head.Size, r.Head.Time, s.Time, s.Entries),
		EN: fmt.Sprintf("The recorder signed for a log of %d entries, the last of %s. On %s it says that its log has %d entries: it was put back.", r.Head.Size, r.Head.Time, s.Time, s.Entries)}}
	if r.Size == r.Head.Size {
		f.Ours = r.Cosigned
	}
	switch {
	case max(s.Log, 1) < r.number():
		f.Seen = central.Words{
			NL: fmt.Sprintf("De recorder tekende voor logboek %d, van %d regels, de laatste van %s. Op %s zegt hij dat zijn logboek nummer %d is, van %d regels: het is teruggezet tot voor zijn hervatting.", r.number(), r.Head.Size, r.Head.Time, s.Time, max(s.Log, 1), s.Entries),
			EN: fmt.Sprintf("The recorder signed for log %d, of %d entries, the last of %s. On %s it says that its log is number %d, of %d entries: it was put back to before it was resumed.", r.number(), r.Head.Size, r.Head.Time, s.Time, max(s.Log, 1), s.Entries)}
	case s.Entries == 0:
		f.Kind, f.Key = Truncation, fmt.Sprintf("%s %d", Truncation, r.Head.Size)
		f.Seen = central.Words{
			NL: fmt.Sprintf("De recorder tekende voor een logboek van %d regels, de laatste van %s. Op %s heeft hij geen logboek meer dat hij kan openen (%.200q).", r.Head.Size, r.Head.Time, s.Time, s.Why),
			EN: fmt.Sprintf("The recorder signed for a log of %d entries, the last of %s. On %s it has no log any more that it can open (%.200q).", r.Head.Size, r.Head.Time, s.Time, s.Why)}
	}
	return f, err
}

// Sweep looks for what only time brings: recorders that are silent, and footage that should be gone; and keeps what others cosigned. Call it every minute or so.
func (w *Witness) Sweep() error {
	now := protocol.T(w.now())
	if err := errors.Join(w.dropSaid(), w.keepWitnessed()); err != nil {
		return err
	}
	for _, r := range w.Silence(now.Time, SilentAfter) {
		since := later(r.Heard, w.opened)
		if r.Heard.IsZero() || now.Sub(since.Time) <= SilentAfter { // never heard yet; or it was we who were not there
			continue
		}
		err := w.keepOnce(Finding{Recorder: r.ID, At: now, Log: laterLog(r.Log), Kind: Silent, Key: fmt.Sprintf("%s %s", Silent, r.Heard), Ours: r.Cosigned, Seen: central.Words{
			NL: fmt.Sprintf("De recorder leverde het laatst iets in om %s. Op %s, %s later, was er nog niets gekomen.", r.Heard, now, now.Sub(r.Heard.Time).Round(time.Second)),
			EN: fmt.Sprintf("The recorder last handed something in at %s. On %s, %s later, nothing had come yet.", r.Heard, now, now.Sub(r.Heard.Time).Round(time.Second))}})
		if err != nil {
			return err
		}
	}
	for _, id := range w.turn(now) {
		found, err := w.overdue(id)
		for _, f := range found {
			if err == nil {
				f.Recorder, f.At = id, now
				err = w.keepOnce(f)
			}
		}
		if err != nil {
			return fmt.Errorf("witness: recorder %s: %w", id, err)
		}
	}
	return nil
}

// Each recorder's footage is looked through as often as a deletion may be late; of many recorders some at a time.
const sweepAtLeast = 50

func (w *Witness) turn(now protocol.Time) []protocol.RecorderID {
	all := w.Recorders()
	w.sweeping.Lock()
	defer w.sweeping.Unlock()
	var ids []protocol.RecorderID
	for _, r := range all {
		if since := now.Sub(w.swept[r.ID].Time); since >= deletionSlack || since < 0 {
			ids = append(ids, r.ID)
		}
	}
	slices.SortStableFunc(ids, func(a, b protocol.RecorderID) int { return w.swept[a].Compare(w.swept[b].Time) })
	ids = ids[:min(len(ids), max(sweepAtLeast, len(all)/10))]
	for _, id := range ids {
		w.swept[id] = now
	}
	return ids
}

// lateHour is an hour of a camera that should be gone.
type lateHour struct {
	camera protocol.CameraID
	hour   uint64
}

// overdue are the hours of footage that should be gone, and still were not deletionSlack later by the log's own time. A hold on any of an hour excuses all of it.
func (w *Witness) overdue(id protocol.RecorderID) (found []Finding, err error) {
	w.sweeping.Lock()
	defer w.sweeping.Unlock()
	before, still := w.due[id], map[lateHour]protocol.Time{}
	defer func() {
		if w.due[id] = still; len(still) == 0 {
			delete(w.due, id)
		}
	}()
	err = w.db.View(func(tx *bbolt.Tx) error {
		r, err := readRow(tx, id)
		if err != nil {
			return err
		}
		log := tx.Bucket(logs).Bucket([]byte(id))
		if log.Bucket(hours) == nil {
			return nil // nothing came in since there are indexes
		}
		kept, err := holdsOf(log)
		if err != nil {
			return err
		}
		return log.Bucket(hours).ForEach(func(k, v []byte) error {
			var list []tally
			if err := json.Unmarshal(v, &list); err != nil {
				return err
			}
			for _, t := range list {
				at := t.Due
				for _, h := range kept {
					if h.Camera == t.Camera && t.overlaps(h.Interval) {
						at = later(at, h.Until)
					}
				}
				if !r.Head.Time.After(at.Time) {
					continue
				}
				one := lateHour{t.Camera, number(k)}
				since, known := before[one]
				if !known {
					since = r.Head.Time
				}
				still[one] = since
				if r.Head.Time.Sub(since.Time) > deletionSlack {
					given, err := windowOf(log, t.Camera, protocol.Span(t.First.Time, t.Last.Time))
					if err != nil {
						return err
					}
					from := entryWords(t.From)
					from.NL, from.EN = strings.ToLower(from.NL[:1])+from.NL[1:], strings.ToLower(from.EN[:1])+from.EN[1:]
					f := Finding{Kind: Overdue, Camera: t.Camera, Key: daily(Overdue, t.Camera, t.Due), Log: r.Log, Seqs: present0(t.From, r.Head.Size-1), Seen: central.Words{
						NL: fmt.Sprintf("Camera %s: van de beelden van %s tot %s (vanaf %s) zijn %d stukken film niet als verwijderd gemeld. Hun bewaartermijn was om %s voorbij; een bewaring loopt er niet op. Het logboek liep door tot %s (regel %d).", t.Camera, t.First, t.Last, from.NL, t.Left, t.Due, r.Head.Time, r.Head.Size-1),
						EN: fmt.Sprintf("Camera %s: of the footage of %s to %s (from %s on) %d segments were not reported as deleted. Their window was over at %s, and no hold stands on it. The log went on until %s (entry %d).", t.Camera, t.First, t.Last, from.EN, t.Left, t.Due, r.Head.Time, r.Head.Size-1)}}
					if given.Seq > 0 {
						f.Seqs = append(f.Seqs, given.Seq)
					}
					found = append(found, f)
				}
			}
			return nil
		})
	})
	return found, err
}

func holdsOf(log *bbolt.Bucket) (list []held, err error) {
	err = log.Bucket(holds).ForEach(func(_, v []byte) error {
		var h held
		if err := json.Unmarshal(v, &h); err != nil {
			return err
		}
		list = append(list, h)
		return nil
	})
	return list, err
}

// Name is what a finding is asked for by; see [Witness.Evidence].
func (f Finding) Name() string {
	switch {
	case f.Key != "" && f.Log > 1:
		return fmt.Sprintf("%s (log %d)", f.Key, f.Log)
	case f.Key != "":
		return f.Key
	case f.Kind == Fork:
		h := protocol.HashOf(f.Theirs)
		return Fork + " " + hex.EncodeToString(h[:8])
	}
	return f.Kind
}

// Shown is an entry of a recorder's log, and the proof that a checkpoint covers it.
type Shown struct {
	Seq    uint64           `json:"seq"`
	Header []byte           `json:"header"`
	Body   []byte           `json:"body,omitempty"`
	Proof  tlog.RecordProof `json:"proof"`
}

// show proves entries under the checkpoint of a size.
func show(log stored, size uint64, seqs ...uint64) ([]Shown, error) {
	seqs = slices.Compact(slices.Sorted(slices.Values(seqs)))
	var list []Shown
	for _, seq := range seqs {
		e, ok := log.entry(seq)
		if !ok || seq >= size {
			return nil, fmt.Errorf("entry %d is not stored", seq)
		}
		proof, err := chain.InclusionProof(seq, size, log)
		if err != nil {
			return nil, err
		}
		list = append(list, Shown{seq, e.Header, e.Body, proof})
	}
	return list, nil
}

// check verifies that a checkpoint covers what is shown, and that bodies are those of their headers.
func (s Shown) check(c chain.Checkpoint) (chain.Header, error) {
	h, err := chain.ParseHeader(s.Header)
	switch {
	case err != nil:
		return h, err
	case h.Seq != s.Seq:
		return h, fmt.Errorf("entry %d is shown as %d", h.Seq, s.Seq)
	case s.Body != nil && !h.Holds(s.Body):
		return h, fmt.Errorf("entry %d: its body is another", s.Seq)
	}
	return h, chain.CheckInclusion(s.Proof, c.Size, c.Root, s.Seq, s.Header)
}
