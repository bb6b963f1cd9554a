package release_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"golang.org/x/mod/sumdb/note"

	trusted "github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/edge/release"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const (
	accessKey, secretKey = "recorder", "a secret of some length"

	plein protocol.CameraID = "plein-noord"
)

// noon is half past eleven yesterday: the footage stays within one clock hour, and the store, which has the real time, takes the lock.
var noon = time.Now().UTC().Truncate(24 * time.Hour).Add(-12*time.Hour - 30*time.Minute)

// A real S3 store with object lock runs beside the tests, in a child process because it changes its working directory.
var store struct{ addr string }

func TestMain(m *testing.M) {
	if dir := os.Getenv("BEELDWACHT_TEST_S3"); dir != "" {
		if err := serveS3(dir, os.Getenv("BEELDWACHT_TEST_S3_ADDR")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(func() int {
		stop, err := startS3()
		if err != nil {
			fmt.Fprintln(os.Stderr, "start S3:", err)
			return 1
		}
		defer stop()
		return m.Run()
	}())
}

func serveS3(dir, addr string) error {
	ctx, stop := context.WithCancel(context.Background())
	go func() { defer stop(); io.Copy(io.Discard, os.Stdin) }() // the parent is gone
	versions := filepath.Join(dir, "versions")
	objects := filepath.Join(dir, "objects")
	if err := errors.Join(os.MkdirAll(versions, 0o700), os.MkdirAll(objects, 0o700)); err != nil {
		return err
	}
	backend, err := posix.New(objects, meta.XattrMeta{}, posix.PosixOpts{VersioningDir: versions, ValidateBucketNames: true, Concurrency: 16})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, backend, &embedgw.Config{RootUserAccess: accessKey, RootUserSecret: secretKey, Ports: []string{addr}, MaxConnections: 64, MaxRequests: 64,
		MultipartMaxParts: 10000, KeepAlive: true, DisableACLs: true, Quiet: true})
}

func startS3() (stop func(), err error) {
	dir, err := os.MkdirTemp("", "release-s3-")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	store.addr = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "BEELDWACHT_TEST_S3="+dir, "BEELDWACHT_TEST_S3_ADDR="+store.addr)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(dir)
	}
	for range 100 {
		if c, err := net.Dial("tcp", store.addr); err == nil {
			return stop, c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, errors.New("does not answer")
}

// watched is the footage store, counting reads and telling what the journal said at that moment.
type watched struct {
	*footage.Store
	reads  atomic.Int64
	before func()
}

func (w *watched) Read(g *orders.Grant, i protocol.Interval, receipt *journal.Receipt) (*footage.Reading, error) {
	w.reads.Add(1)
	if w.before != nil {
		w.before()
	}
	return w.Store.Read(g, i, receipt)
}

// rig is a whole recorder without cameras and network: everything but the uplink is the real thing.
type rig struct {
	*testing.T
	town     *protocoltest.Town
	dir      string
	mu       sync.Mutex
	now      time.Time
	journal  *journal.Journal
	orders   *orders.Orders
	footage  *watched
	bucket   string
	endpoint string
	s3       *minio.Client
	number   uint64
	rest     func() // ends the witness
	volumes  []footage.Volume
}

func (r *rig) clock() time.Time     { r.mu.Lock(); defer r.mu.Unlock(); return r.now }
func (r *rig) setClock(t time.Time) { r.mu.Lock(); defer r.mu.Unlock(); r.now = t }
func (r *rig) check(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

var bucketNumber atomic.Int64

// newRig is a recorder with twelve seconds of footage of plein-noord since noon.
func newRig(t *testing.T, changes ...func(*protocol.Roster)) *rig {
	t.Helper()
	r := &rig{T: t, town: protocoltest.NewTown(t, noon.Add(-time.Hour)), dir: t.TempDir(), now: noon, bucket: fmt.Sprintf("evidence-%d", bucketNumber.Add(1)), endpoint: "http://" + store.addr}
	var err error
	r.s3, err = minio.New(store.addr, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), Region: "us-east-1"})
	r.check(err)
	r.check(r.s3.MakeBucket(t.Context(), r.bucket, minio.MakeBucketOptions{ObjectLocking: true, Region: "us-east-1"}))
	r.start(r.town.Roster(1, changes...))
	r.order(r.town.Compose(r.town.Mandate(plein, 1)))
	r.check(r.footage.SetMandates(r.orders.Mandates()))
	r.record(plein, 12*time.Second)
	return r
}

// start is a start of the recorder; stop its end.
func (r *rig) start(roster []byte) {
	r.Helper()
	var err error
	r.journal, err = journal.Open(filepath.Join(r.dir, "journal"), r.town.Log.Name(), r.town.Log, r.clock, slog.New(slog.DiscardHandler))
	r.check(err)
	r.orders, err = orders.Open(r.journal, r.town.Recorder, r.town.Roots, roster, r.clock, nil)
	r.check(err)
	f, err := footage.Open(context.Background(), footage.Config{Dir: filepath.Join(r.dir, "volume"), Volumes: r.volumes, Keys: filepath.Join(r.dir, "keys"), Recorder: r.town.Recorder, Journal: r.journal, SegmentLength: 2 * time.Second,
		FragmentLength: 500 * time.Millisecond, MinFree: 1 << 20, QueueBytes: 256 << 20, Clock: func() trusted.Reading { return trusted.Reading{Now: r.clock(), State: trusted.Synced} }})
	r.check(err)
	r.footage = &watched{Store: f}
	r.Cleanup(func() { r.footage.Close(); r.journal.Close() })
}

func (r *rig) restart() {
	r.Helper()
	if r.rest != nil {
		r.rest() // before its journal is gone
	}
	r.check(r.footage.Close())
	r.check(r.journal.Close())
	r.start(nil)
}

// record films for a while; the clock goes along.
func (r *rig) record(camera protocol.CameraID, length time.Duration) {
	r.Helper()
	r.recordStream(camera, "main", length)
}

func (r *rig) recordStream(camera protocol.CameraID, stream protocol.StreamID, length time.Duration) {
	r.Helper()
	clip := cameratest.CounterH264()
	w := r.footage.Camera(camera, stream)
	start := r.clock()
	r.check(w.StartRun(footage.Format{Codec: footage.Codec(clip.Codec), VPS: clip.VPS, SPS: clip.SPS, PPS: clip.PPS}, start))
	for base, done := int64(0), false; !done; base += clip.Length {
		for _, f := range clip.Frames {
			at := time.Duration(base+f.DTS) * time.Second / 90000
			if done = at >= length; done {
				break
			}
			r.setClock(start.Add(at))
			r.check(w.Write(footage.AccessUnit{NALs: f.NALs, DTS: base + f.DTS, PTS: base + f.PTS, Key: f.Key, Arrival: start.Add(at)}))
		}
	}
	r.check(w.EndRun(footage.CauseCamera, "the test is over"))
	for range 200 {
		covered, err := r.footage.Coverage(camera, protocol.Span(start, start.Add(length)))
		if err == nil && slices.ContainsFunc(covered, func(c footage.Stretch) bool { return c.Stream == stream && !c.To.Before(start.Add(length-time.Second)) }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.Fatal("the footage is not sealed")
}

func (r *rig) order(document []byte) orders.Action {
	r.Helper()
	r.number++
	a, err := r.orders.Accept(r.Context(), r.town.Envelope(r.number, document))
	r.check(err)
	return a
}

// asked is four of the twelve seconds.
func asked() protocol.Interval {
	return protocol.Span(noon.Add(3*time.Second), noon.Add(7*time.Second))
}

func (r *rig) grant(id string, changes ...func(*protocol.Grant)) *orders.Grant {
	r.Helper()
	g := r.town.Grant(id, plein, asked())
	rounded, _, err := r.footage.Round(plein, asked())
	r.check(err)
	g.Interval = rounded
	for _, c := range changes {
		c(g)
	}
	a := r.order(r.town.Compose(g, protocoltest.Handler, protocoltest.Approver))
	return a.(*orders.Grant)
}

func (r *rig) releaser() *release.Releaser {
	return &release.Releaser{Store: r.footage, Journal: r.journal, Orders: r.orders, Dir: filepath.Join(r.dir, "work"), Pause: 10 * time.Millisecond, Now: r.clock, Log: slog.New(slog.DiscardHandler),
		Vault: release.Vault{Endpoint: r.endpoint, Bucket: r.bucket, AccessKey: accessKey, SecretKey: secretKey}}
}

// cosign is what uplink and witness do together.
func (r *rig) cosign() {
	r.Helper()
	cp, err := r.journal.Checkpoint()
	r.check(err)
	r.take(cp)
}

func (r *rig) take(checkpoint []byte) {
	r.Helper()
	signed, err := chain.Cosign(checkpoint, r.town.Witness, r.clock())
	r.check(err)
	v, err := chain.WitnessVerifier(r.town.WitnessKey)
	r.check(err)
	r.check(r.journal.Cosigned(signed, []note.Verifier{v}, 1))
}

// witness cosigns all the time, until the recorder starts again.
func (r *rig) witness() {
	ctx, stop := context.WithCancel(r.Context())
	ended := make(chan struct{})
	r.rest = func() { stop(); <-ended }
	r.Cleanup(r.rest)
	j := r.journal
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			changed := j.Changed()
			cp, err := j.Checkpoint()
			if err == nil {
				r.take(cp)
			}
			select {
			case <-changed:
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
}

func (r *rig) kinds(wanted ...string) (out []string) {
	r.Helper()
	r.check(r.journal.Replay(func(h chain.Header, _ []byte) error {
		if slices.Contains(wanted, h.Kind) {
			out = append(out, h.Kind)
		}
		return nil
	}))
	return out
}

func (r *rig) count(kind string) int { r.Helper(); return len(r.kinds(kind)) }

func bodies[T any](r *rig, kind string) (out []T) {
	r.Helper()
	r.check(r.journal.Replay(func(h chain.Header, body []byte) error {
		if h.Kind != kind {
			return nil
		}
		var b T
		err := chain.ParseBody(body, &b)
		out = append(out, b)
		return err
	}))
	return out
}

func (r *rig) workDir() (names []string) {
	r.Helper()
	files, err := os.ReadDir(filepath.Join(r.dir, "work"))
	if !errors.Is(err, os.ErrNotExist) {
		r.check(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func (r *rig) versions() (n int) {
	r.Helper()
	for o := range r.s3.ListObjectsIter(r.Context(), r.bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		r.check(o.Err)
		n++
	}
	return n
}

// lock asks the store how an object is locked; minio-go cannot read this store's answer.
func (r *rig) lock(object string) (mode string, until time.Time) {
	r.Helper()
	ask, err := r.s3.Presign(r.Context(), http.MethodGet, r.bucket, object, time.Minute, url.Values{"retention": {""}})
	r.check(err)
	resp, err := http.Get(ask.String())
	r.check(err)
	defer resp.Body.Close()
	var answer struct {
		Mode            string
		RetainUntilDate time.Time
	}
	r.check(xml.NewDecoder(resp.Body).Decode(&answer))
	return answer.Mode, answer.RetainUntilDate
}

// faulty stands before the store and makes trouble as long as it is told to.
func (r *rig) faulty(trouble func(w http.ResponseWriter, q *http.Request, pass http.Handler) bool) {
	target := &url.URL{Scheme: "http", Host: store.addr}
	proxy := &httputil.ReverseProxy{Rewrite: func(q *httputil.ProxyRequest) { q.SetURL(target); q.Out.Host = q.In.Host }, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !trouble(w, q, proxy) {
			proxy.ServeHTTP(w, q)
		}
	}))
	r.Cleanup(s.Close)
	r.endpoint = s.URL
}

func full(w http.ResponseWriter) bool {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusInsufficientStorage)
	io.WriteString(w, `<Error><Code>XMinioStorageFull</Code><Message>Storage backend has reached its minimum free drive threshold</Message></Error>`)
	return true
}

// The main way: what comes out at the other end is a bag that anybody verifies from the roots alone, locked for its term, and the journal says so.
func TestReleaseTheWholeWay(t *testing.T) {
	r := newRig(t)
	r.witness()
	g := r.grant("g-1")
	r.check(r.releaser().Release(t.Context(), g))

	if got, want := r.kinds(protocol.KindIntent, protocol.KindReleased, protocol.KindReleaseFail), []string{protocol.KindIntent, protocol.KindReleased}; !slices.Equal(got, want) {
		t.Errorf("journal: %v, want %v", got, want)
	}
	done := bodies[protocol.Released](r, protocol.KindReleased)[0]
	if done.Object != "release/rec-1/g-1.age" || done.Grant != "g-1" || done.Request != "z-12" || done.Camera != plein || done.Segments < 2 || done.Intent == 0 {
		t.Errorf("%+v", done)
	}
	object, err := r.s3.GetObject(t.Context(), r.bucket, done.Object, minio.GetObjectOptions{})
	r.check(err)
	sealed, err := io.ReadAll(object)
	r.check(err)
	if int64(len(sealed)) != done.Size || protocol.HashOf(sealed) != done.SHA256 {
		t.Error("the vault has other bytes than the journal says")
	}
	info, err := object.Stat()
	r.check(err)
	if info.UserMetadata["Sha256"] != done.SHA256.String() {
		t.Errorf("metadata %v", info.UserMetadata)
	}
	if mode, until := r.lock(done.Object); mode != "COMPLIANCE" || !until.Equal(r.clock().Add(protocol.HandOverTerm).Truncate(time.Second)) {
		t.Errorf("locked %s until %s", mode, until)
	}
	r.judge(sealed, done)
	if left := r.workDir(); len(left) != 0 {
		t.Errorf("left in the work directory: %v", left)
	}

	// Used once: asked again, nothing is read or uploaded.
	r.check(r.releaser().Release(t.Context(), g))
	if r.footage.reads.Load() != 1 || r.versions() != 1 || r.count(protocol.KindIntent) != 1 {
		t.Error("a grant was used twice")
	}
}

// judge opens what lies in the vault and wants nothing to be wrong with it.
func (r *rig) judge(sealed []byte, done protocol.Released) evidence.Report {
	r.Helper()
	opened, err := age.Decrypt(bytes.NewReader(sealed), r.town.Vault)
	r.check(err)
	bag, err := io.ReadAll(opened)
	r.check(err)
	if protocol.HashOf(bag) != done.Bag {
		r.Error("the bag inside is another than the journal says")
	}
	report, err := evidence.Verify(bytes.NewReader(bag), int64(len(bag)), evidence.Trust{Roots: r.town.Roots}, nil)
	r.check(err)
	if report.State() != evidence.OK || report.Level != protocol.LevelPersons {
		for _, v := range report.Verdicts() {
			r.Errorf("%s: %+v", v.Name.EN, *v.Verdict)
		}
	}
	return report
}

// released carries out a grant of plein-noord and fetches what came of it.
func (r *rig) released(id string, i protocol.Interval) evidence.Report {
	r.Helper()
	rounded, _, err := r.footage.Round(plein, i)
	r.check(err)
	r.check(r.releaser().Release(r.Context(), r.grant(id, func(g *protocol.Grant) { g.Asked, g.Interval = i, rounded })))
	all := bodies[protocol.Released](r, protocol.KindReleased)
	done := all[len(all)-1]
	object, err := r.s3.GetObject(r.Context(), r.bucket, done.Object, minio.GetObjectOptions{})
	r.check(err)
	sealed, err := io.ReadAll(object)
	r.check(err)
	return r.judge(sealed, done)
}

// Asked from before the recorder existed: the bag is good, and says why there is nothing from then.
func TestAskedFromBeforeTheRecorder(t *testing.T) {
	r := newRig(t)
	r.witness()
	report := r.released("g-1", protocol.Span(noon.Add(-time.Minute), noon.Add(7*time.Second)))
	if !slices.ContainsFunc(report.Integrity.Sentences, func(s evidence.Text) bool {
		return strings.HasPrefix(s.EN, "Before "+protocol.T(noon).String()+" there is no footage")
	}) {
		t.Errorf("%+v", report.Integrity.Sentences)
	}
}

// Two streams of a camera are cut at other moments. What leaves touches what was asked: rounding for the one does not take more of the other.
func TestI12_TwoStreamsLeaveNoMoreThanAsked(t *testing.T) {
	r := newRig(t)
	r.witness()
	r.setClock(noon.Add(time.Second))
	r.recordStream(plein, "sub", 11*time.Second)
	_, lines, err := r.footage.Round(plein, asked())
	r.check(err)
	r.check(r.footage.Place(*r.town.Hold("h-1", plein, asked())))
	if report := r.released("g-1", asked()); report.Segments != len(lines) {
		t.Errorf("%d segments left, %d touch what was asked", report.Segments, len(lines))
	}
}

// At level centre the bag shows the only signature there is: that of the envelope.
func TestReleaseAtLevelCentre(t *testing.T) {
	r := newRig(t, func(ro *protocol.Roster) { ro.LevelCentre = true })
	r.witness()
	doc := r.town.Grant("g-1", plein, asked())
	var err error
	doc.Interval, _, err = r.footage.Round(plein, asked())
	r.check(err)
	id, err := age.GenerateX25519Identity() // the requester's own key
	r.check(err)
	doc.Recipient = id.Recipient().String()
	g := r.order(r.town.Compose(doc)).(*orders.Grant)
	r.check(r.releaser().Release(t.Context(), g))
	object, err := r.s3.GetObject(t.Context(), r.bucket, "release/rec-1/g-1.age", minio.GetObjectOptions{})
	r.check(err)
	opened, err := age.Decrypt(bufio.NewReader(object), id)
	r.check(err)
	bag, err := io.ReadAll(opened)
	r.check(err)
	report, err := evidence.Verify(bytes.NewReader(bag), int64(len(bag)), evidence.Trust{Roots: r.town.Roots}, nil)
	r.check(err)
	if report.State() != evidence.OK || report.Level != protocol.LevelCentre {
		t.Errorf("%v, level %v: %+v", report.State(), report.Level, report.Verdicts())
	}
}

// TestI09: the intent is in the journal before anything is read; with a journal that cannot be written nothing is.
func TestI09_IntentBeforeTheRead(t *testing.T) {
	r := newRig(t)
	r.witness()
	g := r.grant("g-1")
	intents := -1
	r.footage.before = func() { intents = r.count(protocol.KindIntent) }
	r.check(r.releaser().Release(t.Context(), g))
	if intents != 1 || r.count(protocol.KindReleased) != 1 {
		t.Errorf("%d intents when the footage was read", intents)
	}
	r2 := newRig(t)
	g = r2.grant("g-1")
	r2.check(r2.journal.Close())
	if err := r2.releaser().Release(t.Context(), g); err == nil || !strings.Contains(err.Error(), "journal") || r2.footage.reads.Load() != 0 || r2.versions() != 0 {
		t.Errorf("with a journal that cannot be written: %v, %d reads", err, r2.footage.reads.Load())
	}
}

// TestI13: nothing is read before the intent is covered by a cosigned checkpoint, however long that takes; a restart does not change that.
func TestI13_NoReadBeforeTheIntentIsCosigned(t *testing.T) {
	r := newRig(t)
	g := r.grant("g-1")
	r.cosign()
	before, err := r.journal.Checkpoint()
	r.check(err)
	run := func() (end func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.releaser().Release(ctx, g) }()
		return func() error { cancel(); return <-ended }
	}
	end := run()
	for r.count(protocol.KindIntent) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	r.take(before) // a cosignature that does not cover the intent
	time.Sleep(100 * time.Millisecond)
	if err := end(); !errors.Is(err, context.Canceled) || r.footage.reads.Load() != 0 {
		t.Fatalf("%v, %d reads before the intent was cosigned", err, r.footage.reads.Load())
	}
	r.restart()
	g = r.orders.Unfinished()[0]
	end = run()
	time.Sleep(100 * time.Millisecond)
	if r.footage.reads.Load() != 0 {
		t.Fatal("read though the intent is still not cosigned")
	}
	r.witness()
	for r.count(protocol.KindReleased) == 0 && !t.Failed() {
		time.Sleep(10 * time.Millisecond)
	}
	r.check(end())
	intents := bodies[protocol.Access](r, protocol.KindIntent)
	if len(intents) != 1 || r.footage.reads.Load() != 1 {
		t.Errorf("%d reads, intents %+v", r.footage.reads.Load(), intents)
	}
}

// What was approved and what would be read must be the same interval.
func TestAnotherRoundingIsRefused(t *testing.T) {
	r := newRig(t)
	r.witness()
	for name, change := range map[string]func(*protocol.Grant){
		"wider":    func(g *protocol.Grant) { g.Interval.To = g.Interval.To.Add(time.Second) },
		"as asked": func(g *protocol.Grant) { g.Interval = g.Asked },
		"no footage": func(g *protocol.Grant) {
			g.Asked = protocol.Span(noon.Add(-9*time.Minute), noon.Add(-8*time.Minute))
			g.Interval = g.Asked
		},
	} {
		g := r.grant("g-"+strings.ReplaceAll(name, " ", "-"), change)
		if err := r.releaser().Release(t.Context(), g); err == nil {
			t.Errorf("%s: released", name)
		}
		failures := bodies[protocol.ReleaseFailed](r, protocol.KindReleaseFail)
		if last := failures[len(failures)-1]; !last.Final || string(last.Grant) != string(g.Doc().ID) || last.Reason == "" {
			t.Errorf("%s: %+v", name, last)
		}
	}
	if r.count(protocol.KindIntent) != 0 || r.footage.reads.Load() != 0 || len(r.orders.Unfinished()) != 0 {
		t.Error("something was read, or is still to be done")
	}
}

// Damaged footage is never released, and trying again mends nothing: the release fails for good and names each damaged segment with its times. What is whole can be
// asked for by itself. A disk that is not there is another matter: it may come back.
func TestDamagedFootageIsNamed(t *testing.T) {
	r := newRig(t)
	r.witness()
	all := protocol.Span(noon, noon.Add(12*time.Second))
	rounded, lines, err := r.footage.Round(plein, all)
	r.check(err)
	file := func(n int) string {
		return filepath.Join(r.footage.Dir, "footage", string(plein), string(lines[n].Run), fmt.Sprintf("%06d.seg", lines[n].N))
	}
	if len(lines) < 4 {
		t.Fatalf("%d segments", len(lines))
	}
	b, err := os.ReadFile(file(1))
	r.check(err)
	b[len(b)/2] ^= 1
	r.check(os.WriteFile(file(1), b, 0o600))
	r.check(os.Remove(file(3)))

	volume := filepath.Join(r.footage.Dir, "volume.json")
	r.check(os.Rename(volume, volume+".away"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	g := r.grant("g-1", func(g *protocol.Grant) {
		g.Asked = protocol.Span(lines[3].Start.Time, lines[3].End.Time)
		g.Interval = g.Asked
	})
	if err := r.releaser().Release(ctx, g); err == nil || len(r.orders.Unfinished()) != 1 {
		t.Errorf("on a disk that is gone: %v; it is to be tried again", err)
	}
	r.check(os.Rename(volume+".away", volume))
	if err := r.releaser().Release(t.Context(), g); err == nil {
		t.Error("a missing file was released")
	}

	if err := r.releaser().Release(t.Context(), r.grant("g-2", func(g *protocol.Grant) { g.Asked, g.Interval = all, rounded })); err == nil {
		t.Error("released")
	}
	failures := bodies[protocol.ReleaseFailed](r, protocol.KindReleaseFail)
	last := failures[len(failures)-1]
	for _, n := range []int{1, 3} {
		if want := fmt.Sprintf("%s %d, %s", lines[n].Run, lines[n].N, protocol.Interval{From: lines[n].Start.Time, To: lines[n].End.Time}); !strings.Contains(last.Reason, want) {
			t.Errorf("%q is not named in %q", want, last.Reason)
		}
	}
	if !last.Final || last.Grant != "g-2" || !strings.Contains(last.Reason, fmt.Sprintf(": 2 of %d segments", len(lines))) || r.versions() != 0 || len(r.workDir()) != 0 || len(r.orders.Unfinished()) != 0 {
		t.Errorf("%+v; %d versions, left %v", last, r.versions(), r.workDir())
	}
	r.check(r.releaser().Release(t.Context(), r.grant("g-3", func(g *protocol.Grant) {
		g.Asked = protocol.Span(lines[2].Start.Time, lines[2].End.Time)
		g.Interval = g.Asked
	})))
}

// A full vault is asked again and again while the grant is valid; the footage is read once, and the journal is not filled.
func TestFullVaultIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.witness()
	var puts atomic.Int64
	r.faulty(func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		return q.Method == http.MethodPut && puts.Add(1) <= 6 && full(w)
	})
	r.check(r.releaser().Release(t.Context(), r.grant("g-1")))
	failures := bodies[protocol.ReleaseFailed](r, protocol.KindReleaseFail)
	if len(failures) != 3 || failures[0].Final || !strings.Contains(failures[0].Reason, "minimum free drive") {
		t.Errorf("%+v", failures)
	}
	if r.footage.reads.Load() != 1 || r.count(protocol.KindIntent) != 1 || r.versions() != 1 || r.count(protocol.KindReleased) != 1 {
		t.Errorf("%d reads, %d intents, %d versions", r.footage.reads.Load(), r.count(protocol.KindIntent), r.versions())
	}
}

func TestGrantEndsWhileTheVaultIsFull(t *testing.T) {
	r := newRig(t)
	r.witness()
	var puts atomic.Int64
	r.faulty(func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		if q.Method != http.MethodPut {
			return false
		}
		if puts.Add(1) == 3 {
			r.setClock(noon.Add(24 * time.Hour))
		}
		return full(w)
	})
	if err := r.releaser().Release(t.Context(), r.grant("g-1")); err == nil {
		t.Fatal("released")
	}
	failures := bodies[protocol.ReleaseFailed](r, protocol.KindReleaseFail)
	last := failures[len(failures)-1]
	if !last.Final || !strings.Contains(last.Reason, "expired at") || !strings.Contains(last.Reason, "minimum free drive") || r.versions() != 0 || len(r.workDir()) != 0 {
		t.Errorf("%+v, left %v", failures, r.workDir())
	}
	if len(r.orders.Unfinished()) != 0 {
		t.Error("still to be done")
	}
}

// The bag arrived and the answer was lost: that is found out, and there is one version.
func TestLostAnswerMakesNoSecondVersion(t *testing.T) {
	r := newRig(t)
	r.witness()
	var puts atomic.Int64
	r.faulty(func(w http.ResponseWriter, q *http.Request, pass http.Handler) bool {
		if q.Method != http.MethodPut || puts.Add(1) > 1 {
			return false
		}
		pass.ServeHTTP(httptest.NewRecorder(), q)
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			c.Close()
		}
		return true
	})
	r.check(r.releaser().Release(t.Context(), r.grant("g-1")))
	if r.versions() != 1 || r.count(protocol.KindReleased) != 1 {
		t.Errorf("%d versions", r.versions())
	}
}

// The bag arrived, the recorder went down before it knew, and came back after the grant: what the journal then says is that it was released.
func TestArrivedBeforeTheGrantEnded(t *testing.T) {
	r := newRig(t)
	r.witness()
	ctx, crash := context.WithCancel(t.Context())
	r.faulty(func(w http.ResponseWriter, q *http.Request, pass http.Handler) bool {
		if q.Method != http.MethodPut {
			return false
		}
		pass.ServeHTTP(httptest.NewRecorder(), q)
		crash()
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil { // an answer might come sooner than the end of ctx
			c.Close()
		}
		return true
	})
	if err := r.releaser().Release(ctx, r.grant("g-1")); err == nil || r.versions() != 1 {
		t.Fatalf("%v, %d versions", err, r.versions())
	}
	r.restart()
	r.setClock(noon.Add(25 * time.Hour))
	r.check(r.releaser().Release(t.Context(), r.orders.Unfinished()[0]))
	if r.count(protocol.KindReleased) != 1 || r.count(protocol.KindReleaseFail) != 0 || r.footage.reads.Load() != 0 || len(r.workDir()) != 0 {
		t.Errorf("journal: %v, %d reads, left %v", r.kinds(protocol.KindReleased, protocol.KindReleaseFail), r.footage.reads.Load(), r.workDir())
	}
}

// Releases that get nowhere wait without keeping others from their turn.
func TestStuckReleasesLetOthersThrough(t *testing.T) {
	r := newRig(t)
	r.witness()
	var refused atomic.Int64
	r.faulty(func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		if strings.Contains(q.URL.Path, "stuck") && q.Method == http.MethodPut {
			refused.Add(1)
			return full(w)
		}
		return false
	})
	one := r.releaser()
	one.Pause = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i := range 4 {
		g := r.grant(fmt.Sprintf("g-stuck-%d", i))
		wg.Go(func() {
			if err := one.Release(ctx, g); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	for refused.Load() < 4 {
		time.Sleep(5 * time.Millisecond)
	}
	soon, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	r.check(one.Release(soon, r.grant("g-1")))
}

// A recorder that stops while the vault is away goes on with the same bag: nothing is read twice, and there is no second intent.
func TestRestartGoesOnWithTheSameBag(t *testing.T) {
	r := newRig(t)
	r.witness()
	g := r.grant("g-1")
	var down atomic.Bool
	down.Store(true)
	tried := make(chan struct{}, 100)
	r.faulty(func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		if down.Load() {
			tried <- struct{}{}
			return full(w)
		}
		return false
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.releaser().Release(ctx, g) }()
	<-tried
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got := r.workDir(); !slices.Equal(got, []string{"g-1.age", "g-1.json"}) {
		t.Fatalf("work directory: %v", got)
	}
	sealed, err := os.ReadFile(filepath.Join(r.dir, "work", "g-1.age"))
	r.check(err)
	for _, name := range []string{"g-0.age", "g-0.json", "g-2.json.tmp"} { // what other crashes left
		r.check(os.WriteFile(filepath.Join(r.dir, "work", name), nil, 0o600))
	}
	down.Store(false)
	r.restart()
	todo := r.orders.Unfinished()
	if len(todo) != 1 || todo[0].Doc().ID != "g-1" {
		t.Fatalf("to be done: %v", todo)
	}
	r.check(r.releaser().Release(t.Context(), todo[0]))
	done := bodies[protocol.Released](r, protocol.KindReleased)
	if r.count(protocol.KindIntent) != 1 || r.footage.reads.Load() != 0 || done[0].SHA256 != protocol.HashOf(sealed) || len(r.workDir()) != 0 {
		t.Errorf("%d intents, %d reads after the restart, left %v", r.count(protocol.KindIntent), r.footage.reads.Load(), r.workDir())
	}
}

// A bag that rotted in the work directory is made anew, under the same intent.
func TestDamagedBagIsMadeAnew(t *testing.T) {
	r := newRig(t)
	r.witness()
	g := r.grant("g-1")
	var puts atomic.Int64
	r.faulty(func(w http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		if q.Method != http.MethodPut || puts.Add(1) > 1 {
			return false
		}
		f, err := os.OpenFile(filepath.Join(r.dir, "work", "g-1.age"), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("rot"), 100)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Error(err)
		}
		return full(w)
	})
	r.check(r.releaser().Release(t.Context(), g))
	if r.count(protocol.KindIntent) != 1 || r.footage.reads.Load() != 2 || r.versions() != 1 {
		t.Errorf("%d intents, %d reads, %d versions", r.count(protocol.KindIntent), r.footage.reads.Load(), r.versions())
	}
}

func TestOneReleaseAtATimeForAGrant(t *testing.T) {
	r := newRig(t)
	g := r.grant("g-1")
	rel := r.releaser()
	ended := make(chan error, 1)
	go func() { ended <- rel.Release(t.Context(), g) }()
	for r.count(protocol.KindIntent) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if err := rel.Release(t.Context(), g); !errors.Is(err, release.ErrBusy) {
		t.Errorf("at the same time: %v", err)
	}
	r.witness()
	r.check(<-ended)
	if r.versions() != 1 || r.count(protocol.KindIntent) != 1 {
		t.Error("released twice")
	}
}

func TestWhatIsNotAReleaseGrantIsRefused(t *testing.T) {
	r := newRig(t)
	var zero orders.Grant
	for _, g := range []*orders.Grant{nil, &zero} {
		if err := r.releaser().Release(t.Context(), g); err == nil {
			t.Error("released")
		}
	}
	r.endpoint = "http://192.0.2.1:9000"
	r.witness()
	if err := r.releaser().Release(t.Context(), r.grant("g-1")); err == nil || !strings.Contains(err.Error(), "without TLS") {
		t.Errorf("over a network without TLS: %v", err)
	}
}

// Somebody put another object under the name before us: the bag is not laid over it.
func TestAnotherObjectUnderTheName(t *testing.T) {
	r := newRig(t)
	r.witness()
	_, err := r.s3.PutObject(t.Context(), r.bucket, "release/rec-1/g-1.age", strings.NewReader("not a bag"), 9, minio.PutObjectOptions{SendContentMd5: true})
	r.check(err)
	if err := r.releaser().Release(t.Context(), r.grant("g-1")); err == nil || !strings.Contains(err.Error(), "another object") {
		t.Error(err)
	}
	failures := bodies[protocol.ReleaseFailed](r, protocol.KindReleaseFail)
	if len(failures) != 1 || !failures[0].Final || r.versions() != 1 {
		t.Errorf("%+v, %d versions", failures, r.versions())
	}
}

// A long bag goes up in parts; what was prepared before the start is taken as it is.
func TestLongBagGoesUpInParts(t *testing.T) {
	r := newRig(t)
	g := r.grant("g-1")
	long := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	r.check(os.MkdirAll(filepath.Join(r.dir, "work"), 0o700))
	r.check(os.WriteFile(filepath.Join(r.dir, "work", "g-1.age"), long, 0o600))
	r.check(os.WriteFile(filepath.Join(r.dir, "work", "g-1.json"), fmt.Appendf(nil, `{"v":1,"grant":"g-1","intent":7,"object":"release/rec-1/g-1.age","size":%d,"sha256":%q,"bag":"%064d","manifest":"%064d","segments":3,"gaps":0}`,
		len(long), protocol.HashOf(long), 1, 2), 0o600))
	r.check(r.releaser().Release(t.Context(), g))
	object, err := r.s3.GetObject(t.Context(), r.bucket, "release/rec-1/g-1.age", minio.GetObjectOptions{})
	r.check(err)
	got, err := io.ReadAll(object)
	r.check(err)
	if !bytes.Equal(got, long) {
		t.Errorf("%d bytes arrived, other than were sent", len(got))
	}
	if mode, _ := r.lock("release/rec-1/g-1.age"); mode != "COMPLIANCE" {
		t.Errorf("locked %q", mode)
	}
	if done := bodies[protocol.Released](r, protocol.KindReleased); len(done) != 1 || done[0].Intent != 7 {
		t.Errorf("%+v", done)
	}
}
