package edge

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	rand2 "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// TestSIGKILLAtAnyMoment takes the power from the real daemon at random moments: while it starts, recovers, records, seals, expires, destroys keys, obeys
// and stops; and from `beeldwacht-edge check` too. After each time check is clean, and what stands on the disk is held against what was known before,
// by code that shares nothing with the recorder's own but the formats: see [soak.inspect].
//
// BEELDWACHT_KILLS says how often (`make soak`: a thousand, over three recorders at once), BEELDWACHT_SEED with which chances. A recorder that fails
// leaves its directory, with the disk as the kill left it in killed/ and what the daemon said in daemon.log.
func TestSIGKILLAtAnyMoment(t *testing.T) {
	t.Parallel()
	rounds, recorders := 5, 1
	if n, err := strconv.Atoi(os.Getenv("BEELDWACHT_KILLS")); err == nil {
		rounds, recorders = n, 3
	}
	seed, err := strconv.ParseUint(os.Getenv("BEELDWACHT_SEED"), 10, 64)
	if err != nil {
		seed = rand2.Uint64N(1_000_000)
	}
	daemon := filepath.Join(t.TempDir(), "beeldwacht-edge")
	if out, err := exec.Command("go", "build", "-o", daemon, "../cmd/beeldwacht-edge").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("recorders", func(t *testing.T) { // returns when all of them are done with the program
		for i := range recorders {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				newSoak(t, daemon, seed+uint64(i)).run((rounds + i) / recorders)
			})
		}
	})
}

const kade protocol.CameraID = "kade-oost"

// soak is a recorder that dies often, and what is known of it. All of it belongs to the test's goroutine, but for orders.
type soak struct {
	*street
	seed         uint64
	chance       *rand2.Rand
	daemon, file string
	windows      map[protocol.CameraID]time.Duration
	orders       [][]byte // envelopes, from number 1 on; under street's mu
	kinds        map[string]int

	headers  [][]byte // the journal after the last round
	head     chain.Head
	runs     map[protocol.RunID]protocol.RunStarted
	expired  map[string]bool // segments, as their index key without stream
	minutes  map[uint64]protocol.Hash
	holds    map[protocol.HoldID]*soakHold
	segments map[string]soakSegment // ever seen in the index
	left     map[string]bool        // of these, what was there after the last round
	places   map[string]string      // which segment has a key: no two have one
}

type soakHold struct {
	protocol.Hold
	accepted, lifted time.Time
	placed           *protocol.HoldPlaced
}

// standing says whether a hold keeps footage at a moment.
func (h *soakHold) standing(at time.Time) bool {
	return at.Before(h.End.Time) && (h.lifted.IsZero() || at.Before(h.lifted))
}

type soakSegment struct {
	protocol.SegmentLine
	key string // chain/place
}

// newSoak makes a recorder with two cameras whose footage is kept for seconds.
func newSoak(t *testing.T, daemon string, seed uint64) *soak {
	t.Helper()
	k := &soak{street: newStreet(t), seed: seed, chance: rand2.New(rand2.NewPCG(seed, 0)), daemon: daemon, kinds: map[string]int{},
		windows: map[protocol.CameraID]time.Duration{plein: 4 * time.Second, kade: 2 * time.Second},
		runs:    map[protocol.RunID]protocol.RunStarted{}, expired: map[string]bool{}, minutes: map[uint64]protocol.Hash{}, holds: map[protocol.HoldID]*soakHold{},
		segments: map[string]soakSegment{}, left: map[string]bool{}, places: map[string]string{}}
	t.Cleanup(k.keep)
	cameras := ""
	for id := range k.windows {
		camera, err := cameratest.New(cameratest.Options{Clip: heavy(k.chance), Transport: cameratest.TCP})
		k.check(err)
		t.Cleanup(camera.Close)
		cameras += fmt.Sprintf("  - {id: %s, url: %q, transport: tcp}\n", id, camera.URL())
	}
	k.file = filepath.Join(k.dir, "edge.yaml")
	k.check(os.WriteFile(filepath.Join(k.dir, "secrets.yaml"), []byte("cameras: {}\n"), 0o600))
	k.check(os.WriteFile(k.file, fmt.Appendf(nil, `recorder: %s
municipality: %s
location: NL
data: data
identity: identity
secrets: secrets.yaml
broker: {url: "%s", checkpoint_every: 1s}
vault: {endpoint: "127.0.0.1:1", bucket: evidence}
viewer: {listen: "127.0.0.1:0", url: "https://viewer.example", desk: "https://desk.example"}
footage: {segment: 1s, seal_every: 500ms}
cameras:
%s`, k.town.Recorder, k.town.Municipality, k.config.Broker.URL, cameras), 0o600))
	return k
}

// heavy is a clip of key frames, four a second, each as big as a good camera's: smaller ones would all be in the recorder's memory when the power goes.
func heavy(chance *rand2.Rand) cameratest.Clip {
	clip := cameratest.CounterH264()
	var keys []cameratest.Frame
	for _, f := range clip.Frames {
		if !f.Key {
			continue
		}
		sei := append([]byte{6, 5}, bytes.Repeat([]byte{255}, 157)...) // user data, 40035 bytes
		for range 40035 {
			sei = append(sei, byte(1+chance.IntN(255)))
		}
		at := int64(len(keys)) * 22500
		keys = append(keys, cameratest.Frame{NALs: append(slices.Clone(f.NALs), append(sei, 0x80)), DTS: at, PTS: at, Key: true})
	}
	clip.Frames, clip.Length = keys, int64(len(keys))*22500
	return clip
}

// keep saves what a failure left behind: the directory itself goes with the test.
func (k *soak) keep() {
	if !k.Failed() {
		return
	}
	kept, err := os.MkdirTemp("", "beeldwacht-soak-")
	if err == nil {
		err = errors.Join(os.RemoveAll(filepath.Join(k.dir, "data", socketName)), os.CopyFS(kept, os.DirFS(k.dir)))
	}
	k.Logf("seed %d; kept in %s (%v)", k.seed, kept, err)
}

func (k *soak) run(rounds int) {
	k.connect()
	k.serveOrders()
	for id, window := range k.windows {
		m := k.town.Mandate(id, 1)
		m.Window = protocol.Window(window)
		k.send(k.town.Compose(m))
	}
	first := k.spawn()
	k.until("both cameras have footage", func() bool {
		seen := map[protocol.CameraID]bool{}
		for _, e := range told[protocol.Sealed](k.street, protocol.KindSealed) {
			for _, c := range e.Cameras {
				seen[c.Camera] = true
			}
		}
		return len(seen) == len(k.windows)
	})
	k.kill(first)
	k.inspect()
	began := time.Now()
	for round := range rounds {
		k.round(round)
		k.inspect()
		if n := round + 1; n%25 == 0 || n == rounds {
			k.Logf("seed %d: %d of %d rounds in %s: %v; %d entries, %d segments came and %d went, %d holds", k.seed, n, rounds, time.Since(began).Round(time.Second),
				k.kinds, len(k.headers), len(k.segments), len(k.expired), len(k.holds))
		}
	}
	last := k.spawn()
	k.until("the centre has all, and every camera records", func() bool {
		at := k.now()
		recording := 0
		for _, c := range at.Cameras {
			if c.State == "recording" {
				recording++
			}
		}
		return time.Since(at.Time.Time) < 5*time.Second && at.State == "online" && recording == len(k.windows) && at.LastOrder == uint64(k.ordered())
	})
	k.check(last.Process.Signal(syscall.SIGTERM))
	k.check(last.Wait())
	k.inspect()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.faults) > 0 {
		k.Error(k.faults)
	}
}

// round is one life of the recorder, and its end.
func (k *soak) round(round int) {
	pause := func(longest time.Duration) { time.Sleep(time.Duration(k.chance.Int64N(int64(longest)))) }
	roll := k.chance.IntN(100)
	if roll >= 92 {
		k.kinds["check"]++
		c := exec.Command(k.daemon, "check", "-config", k.file)
		k.check(c.Start())
		pause(300 * time.Millisecond)
		k.kill(c)
		return
	}
	began := time.Now()
	c := k.spawn()
	switch {
	case roll < 25:
		k.kinds["start"]++
		pause(150 * time.Millisecond)
	case roll < 45:
		k.kinds["early"]++
		pause(1500 * time.Millisecond)
	case roll < 60:
		k.kinds["running"]++
		pause(5 * time.Second)
	case roll < 77:
		k.kinds["order"]++
		k.until("it takes orders", func() bool { at := k.now(); return at.State == "online" && at.Time.After(began) })
		k.sendSome(round)
		pause([]time.Duration{30 * time.Millisecond, 300 * time.Millisecond}[k.chance.IntN(2)]) // before it is journalled, before it is carried out, after
	default:
		k.kinds["stop"]++
		time.Sleep(200 * time.Millisecond)
		pause(2 * time.Second)
		k.check(c.Process.Signal(syscall.SIGTERM))
		pause(300 * time.Millisecond)
	}
	k.kill(c)
}

// spawn starts the daemon. What it says is kept until the next one starts.
func (k *soak) spawn() *exec.Cmd {
	log := filepath.Join(k.dir, "daemon.log")
	if _, err := os.Stat(log); err == nil {
		k.check(os.Rename(log, log+".before"))
	}
	f, err := os.Create(log)
	k.check(err)
	defer f.Close() // the daemon has it
	c := exec.Command(k.daemon, "-config", k.file)
	c.Stderr = f
	k.check(c.Start())
	k.Cleanup(func() { c.Process.Kill(); c.Wait() }) // where the test failed
	return c
}

func (k *soak) kill(c *exec.Cmd) {
	k.Helper()
	if err := c.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		k.Fatal(err)
	}
	if err := c.Wait(); err != nil && c.ProcessState.ExitCode() != -1 {
		k.Fatalf("seed %d: it ended by itself: %v", k.seed, err)
	}
}

func (k *soak) until(what string, ok func() bool) {
	k.Helper()
	for began := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 2*time.Minute {
			k.Fatalf("seed %d: never: %s; status %+v, faults %v", k.seed, what, k.now(), k.faults)
		}
	}
}

// send gives the centre a document to send down; serveOrders sends each again until the recorder says that it used its number.
func (k *soak) send(document []byte) {
	k.mu.Lock()
	raw := k.town.Envelope(uint64(len(k.orders)+1), document)
	k.orders = append(k.orders, raw)
	k.mu.Unlock()
	k.check(k.broker.Publish(protocol.Topic(k.town.Recorder, protocol.DownOrders), raw, false, 1))
}

func (k *soak) ordered() int { k.mu.Lock(); defer k.mu.Unlock(); return len(k.orders) }

func (k *soak) serveOrders() {
	k.check(k.broker.Subscribe(protocol.TopicFilter(protocol.UpStatus), 3, func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) {
		status, err := openStatus(pk.Payload, k.log)
		k.mu.Lock()
		defer k.mu.Unlock()
		if err == nil && status.LastOrder < uint64(len(k.orders)) {
			err = k.broker.Publish(protocol.Topic(k.town.Recorder, protocol.DownOrders), k.orders[status.LastOrder], false, 1)
		}
		if err != nil {
			k.faults = append(k.faults, err)
		}
	}))
}

// sendSome holds some of the last seconds of a camera, or lifts a hold that stands.
func (k *soak) sendSome(round int) {
	now := time.Now()
	for id, h := range k.holds {
		if h.standing(now.Add(2*time.Second)) && k.chance.IntN(3) == 0 {
			k.send(k.town.Compose(&protocol.Lift{Heading: k.town.Heading(fmt.Sprintf("l-%d", round), 24*time.Hour), Camera: h.Camera, Hold: id, Reason: protocol.LiftWithdrawn,
				Handler: protocoltest.Handler, Approver: protocoltest.Approver}, protocoltest.Handler, protocoltest.Approver))
			return
		}
	}
	camera := []protocol.CameraID{plein, kade}[k.chance.IntN(2)]
	from := now.Add(-time.Duration(k.chance.Int64N(int64(4 * time.Second))))
	h := k.town.Hold(fmt.Sprintf("h-%d", round), camera, protocol.Span(from, from.Add(time.Second+time.Duration(k.chance.Int64N(int64(2*time.Second))))))
	h.End = protocol.T(now.Add(3*time.Second + time.Duration(k.chance.Int64N(int64(12*time.Second)))))
	k.send(k.town.Compose(h))
}

// inspect has the disk checked by the recorder's own program, and then compares it with what was known before:
//
//   - every entry that was in the journal, or that the centre has, is there, and what came after it chains on;
//   - every segment that was in the index is there, with the same line and key, unless it expired: in its time, with an entry that says so, and never to return;
//   - nothing stands in the index past its window, but what a hold keeps; nothing is left half expired;
//   - what a hold keeps is what hold.placed said, to the byte: check has read it, and the root is over its hashes;
//   - the key of each segment in the index is in the key table, and of none that is gone, now or in the table that the kill left.
func (k *soak) inspect() {
	k.Helper()
	data, killed := filepath.Join(k.dir, "data"), filepath.Join(k.dir, "killed")
	k.check(os.RemoveAll(killed))
	k.check(os.RemoveAll(filepath.Join(data, socketName)))
	k.check(os.CopyFS(killed, os.DirFS(data)))
	before := time.Now()
	if out, err := exec.Command(k.daemon, "check", "-config", k.file).CombinedOutput(); err != nil {
		k.Fatalf("seed %d: check: %v\n%s", k.seed, err, out)
	}
	k.inspectJournal()
	k.inspectIndex(before, time.Now())
	k.inspectKeys()
}

func (k *soak) inspectJournal() {
	k.Helper()
	log, err := journal.OpenLog(filepath.Join(k.dir, "data", "journal"))
	k.check(err)
	defer log.Close() // only read from
	r := chain.NewReader(log)
	seq := 0
	for ; ; seq++ {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		k.check(err)
		if seq < len(k.headers) {
			if !bytes.Equal(k.headers[seq], e.Header) {
				k.Fatalf("seed %d: entry %d was %s and is %s", k.seed, seq, k.headers[seq], e.Header)
			}
			continue
		}
		if err := k.head.Add(e); err != nil {
			k.Fatalf("seed %d: the journal: %v", k.seed, err)
		}
		k.headers = append(k.headers, e.Header)
		k.learn(e)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if seq < len(k.headers) || len(k.copied) > seq {
		k.Fatalf("seed %d: the journal has %d entries; it had %d, and the centre has %d", k.seed, seq, len(k.headers), len(k.copied))
	}
	for i, e := range k.copied {
		if !bytes.Equal(e.Header, k.headers[i]) {
			k.Fatalf("seed %d: the centre has another entry %d", k.seed, i)
		}
	}
}

// learn takes in what an entry says, and refuses what may not be said.
func (k *soak) learn(e chain.Entry) {
	k.Helper()
	h, err := chain.ParseHeader(e.Header)
	k.check(err)
	fail := func(format string, a ...any) {
		k.Helper()
		k.Fatalf("seed %d: entry %d: %s: %s", k.seed, h.Seq, fmt.Sprintf(format, a...), e.Body)
	}
	switch h.Kind {
	case protocol.KindIncident:
		fail("an incident")
	case protocol.KindOrder:
		s, err := protocol.ParseDocument([]byte(body[protocol.Order](k, e).Document))
		k.check(err)
		switch d := s.Document.(type) {
		case *protocol.Hold:
			k.holds[d.HoldID()] = &soakHold{Hold: *d, accepted: h.Time.Time}
		case *protocol.Lift:
			k.holds[d.Hold].lifted = h.Time.Time
		}
	case protocol.KindHoldPlaced:
		b := body[protocol.HoldPlaced](k, e)
		if was := k.holds[b.Hold].placed; was != nil && (was.Root != b.Root || was.Interval != b.Interval) {
			fail("the hold was confirmed as %+v", was)
		}
		k.holds[b.Hold].placed = &b
	case protocol.KindRun:
		b := body[protocol.RunStarted](k, e)
		b.Salt = ""
		if was, known := k.runs[b.Run]; known && was != b { // the same again may be: see package footage, Order of things
			fail("the run was %+v", was)
		}
		k.runs[b.Run] = b
	case protocol.KindSealed:
		k.minutes[h.Seq] = body[protocol.Sealed](k, e).Root
	case protocol.KindExpired:
		b := body[protocol.Expired](k, e)
		for _, s := range b.Segments {
			if b.Reason == "space" || b.At.Before(s.Due.Time) || s.Due.Before(s.Start.Add(k.windows[s.Camera])) {
				fail("%s %d went before its time", s.Run, s.N)
			}
			k.expired[fmt.Sprintf("%s/%s/%06d", s.Camera, s.Run, s.N)] = true
		}
	}
}

func body[T any](k *soak, e chain.Entry) (b T) {
	k.Helper()
	k.check(chain.ParseBody(e.Body, &b))
	return b
}

func (k *soak) inspectIndex(before, after time.Time) {
	k.Helper()
	db, err := bbolt.Open(filepath.Join(k.dir, "data", "footage", "index.db"), 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	k.check(err)
	defer db.Close() // only read from
	now := map[string]bool{}
	k.check(db.View(func(tx *bbolt.Tx) error {
		for _, bucket := range []string{"tombstones", "owed"} {
			if key, row := tx.Bucket([]byte(bucket)).Cursor().First(); key != nil {
				return fmt.Errorf("%s: left half done: %s %s", bucket, key, row)
			}
		}
		err := tx.Bucket([]byte("minutes")).ForEach(func(key, b []byte) error {
			var row struct {
				Seq  uint64        `json:"seq"`
				Root protocol.Hash `json:"root"`
			}
			b, _, _ = bytes.Cut(b, []byte("\n")) // its leaves stand behind it
			err := json.Unmarshal(b, &row)
			if err == nil && k.minutes[row.Seq] != row.Root {
				err = fmt.Errorf("minute %s is not what entry %d says", key, row.Seq)
			}
			return err
		})
		return errors.Join(err, tx.Bucket([]byte("segments")).ForEach(func(key, b []byte) error {
			now[string(key)] = true
			return k.present(string(key), b, before)
		}))
	}))
	for key := range k.left {
		if !now[key] {
			k.check(k.absent(key, after))
		}
	}
	k.left = now
	for id, h := range k.holds {
		if h.placed == nil || !h.standing(after) {
			continue
		}
		if root := k.rootOf(h); root != h.placed.Root {
			k.Fatalf("seed %d: hold %s keeps footage with root %s, hold.placed says %s of %d segments in %s", k.seed, id, root, h.placed.Root, h.placed.Segments, h.placed.Interval)
		}
	}
}

// present judges a row that is there.
func (k *soak) present(key string, b []byte, now time.Time) error {
	var row struct {
		Line string `json:"line"`
		Key  string `json:"key"`
	}
	b, _, _ = bytes.Cut(b, []byte("\n")) // its fragments stand behind it
	if err := json.Unmarshal(b, &row); err != nil {
		return err
	}
	l, err := protocol.ParseSegmentLine(row.Line)
	if err != nil {
		return err
	}
	s := soakSegment{l, row.Key}
	switch was, known := k.segments[key]; {
	case known && was != s:
		return fmt.Errorf("%s was %+v and is %+v", key, was, s)
	case known && !k.left[key]:
		return fmt.Errorf("%s expired, and is there again", key)
	case !known && k.places[row.Key] != "":
		return fmt.Errorf("%s has the key %s, which %s had", key, row.Key, k.places[row.Key])
	}
	k.segments[key], k.places[row.Key] = s, key
	if due := l.Start.Add(k.windows[l.Camera]); !now.Before(due) && !k.held(l, func(h *soakHold) bool { return h.standing(now) }) {
		return fmt.Errorf("%s was due at %s, and was not deleted at %s", key, due, now)
	}
	return nil
}

// absent judges a row that was there and is gone.
func (k *soak) absent(key string, now time.Time) error {
	s := k.segments[key]
	due := s.Start.Add(k.windows[s.Camera])
	switch {
	case now.Before(due):
		return fmt.Errorf("%s is gone before its window was over: %s", key, due)
	case k.held(s.SegmentLine, func(h *soakHold) bool { return h.accepted.Before(due) && h.standing(now) }):
		return fmt.Errorf("%s is gone, and was held", key)
	case !k.expired[fmt.Sprintf("%s/%s/%06d", s.Camera, s.Run, s.N)]:
		return fmt.Errorf("%s is gone, and no entry says so", key)
	}
	return nil
}

func (k *soak) held(l protocol.SegmentLine, wanted func(*soakHold) bool) bool {
	for _, h := range k.holds {
		if h.Camera == l.Camera && h.Asked.Overlaps(protocol.Interval{From: l.Start.Time, To: l.End.Time}) && wanted(h) {
			return true
		}
	}
	return false
}

// rootOf is the RFC 6962 root over what is there of a hold's footage.
func (k *soak) rootOf(h *soakHold) protocol.Hash {
	var keys []string
	for key := range k.left {
		l := k.segments[key]
		if h.Camera == l.Camera && h.Asked.Overlaps(protocol.Interval{From: l.Start.Time, To: l.End.Time}) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		if c := k.segments[a].Start.Compare(k.segments[b].Start.Time); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	if len(keys) == 0 {
		return protocol.HashOf(nil)
	}
	var leaves chain.Hashes
	for i, key := range keys {
		k.check(leaves.Add(uint64(i), []byte(k.segments[key].String())))
	}
	root, err := tlog.TreeHash(int64(len(keys)), leaves)
	k.check(err)
	return protocol.Hash(root)
}

func (k *soak) inspectKeys() {
	k.Helper()
	now := filepath.Join(k.dir, "data", "keys")
	generations := k.generations(now)
	if len(generations) != 1 {
		k.Fatalf("seed %d: %d generation keys are there after an orderly stop, want one", k.seed, len(generations))
	}
	table, err := os.ReadFile(filepath.Join(now, "keys.tbl"))
	k.check(err)
	opens, err := k.table(table, generations)
	k.check(err)
	for key, s := range k.segments {
		switch {
		case k.left[key] && !opens(s.key):
			k.Fatalf("seed %d: the key of %s is lost", k.seed, key)
		case !k.left[key] && opens(s.key):
			k.Fatalf("seed %d: the key of %s is still there", k.seed, key)
		}
	}
	for _, name := range []string{"keys.tbl", "keys.tbl.new"} { // what a thief of that disk would try with the keys there are now
		old, err := os.ReadFile(filepath.Join(k.dir, "killed", "keys", name))
		if errors.Is(err, os.ErrNotExist) || bytes.Equal(old, table) {
			continue
		}
		k.check(err)
		opens, err := k.table(old, generations)
		if err != nil {
			continue // as it should: under a key that is gone
		}
		for key, s := range k.segments {
			if !k.left[key] && opens(s.key) {
				k.Fatalf("seed %d: %s as the kill left it opens with a key that is still there, and holds that of %s", k.seed, name, key)
			}
		}
	}
}

// generations are the keys in generation.key, as package footage describes that file.
func (k *soak) generations(dir string) (keys map[uint64][]byte) {
	b, err := os.ReadFile(filepath.Join(dir, "generation.key"))
	k.check(err)
	keys = map[uint64][]byte{}
	for ; len(b) >= 4096; b = b[4096:] {
		if string(b[:8]) == "BWGENKEY" {
			keys[binary.BigEndian.Uint64(b[8:])] = b[16:48]
		}
	}
	return keys
}

// table opens a key table, as package footage describes it, and tells which segments it has the keys of, by chain/place.
func (k *soak) table(raw []byte, generations map[uint64][]byte) (has func(key string) bool, err error) {
	if len(raw) < 44 {
		return nil, io.ErrUnexpectedEOF
	}
	key := generations[binary.BigEndian.Uint64(raw[8:])]
	if key == nil {
		return nil, errors.New("of another generation")
	}
	var volume struct{ Volume string }
	line, err := os.ReadFile(filepath.Join(k.dir, "data", "footage", "volume.json"))
	k.check(err)
	k.check(json.Unmarshal(line, &volume, json.MatchCaseInsensitiveNames(true)))
	block, err := aes.NewCipher(key)
	k.check(err)
	aead, err := cipher.NewGCM(block)
	k.check(err)
	b, err := aead.Open(nil, raw[32:44], raw[44:], fmt.Appendf(slices.Clone(raw[:32]), "%s\n%s\n", k.town.Recorder, volume.Volume))
	if err != nil {
		return nil, err
	}
	take := func(n uint32) []byte { out := b[:n]; b = b[n:]; return out }
	number := func() uint32 { return binary.BigEndian.Uint32(take(4)) }
	from, own := map[string]uint32{}, map[string]bool{}
	for range number() {
		id := hex.EncodeToString(take(8))
		take(8)
		take(uint32(take(1)[0]))
		from[id] = number()
		take(32)
		for range number() {
			own[fmt.Sprintf("%s/%d", id, number())] = true
			take(32)
		}
	}
	return func(key string) bool {
		id, place, _ := strings.Cut(key, "/")
		n, err := strconv.ParseUint(place, 10, 32)
		k.check(err)
		first, known := from[id]
		return own[key] || known && uint32(n) >= first
	}, nil
}
