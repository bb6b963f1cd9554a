package viewer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

const (
	square protocol.CameraID = "plein-noord"
	quay   protocol.CameraID = "kade-oost"
)

// Half past three in the afternoon in Amsterdam; footage is of 14:20 to 14:23 and 14:26 to 14:30, between them the network was down.
var start = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

func at(minutes, seconds int) time.Time {
	return time.Date(2026, 11, 21, 14, minutes, seconds, 0, time.UTC)
}

// scene is a recorder with real journal, orders, footage and viewer, over real TLS.
type scene struct {
	t       *testing.T
	town    *protocoltest.Town
	viewer  *Viewer
	journal *journal.Journal
	orders  *orders.Orders
	store   *footage.Store
	dir     string
	url     string
	orderNo uint64
	stop    func() error

	mu  sync.Mutex
	now time.Time
}

func (s *scene) Now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *scene) advance(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, town: protocoltest.NewTown(t, start.Add(-time.Hour)), now: start, dir: t.TempDir()}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	s.journal, err = journal.Open(filepath.Join(s.dir, "journal"), s.town.Log.Name(), s.town.Log, s.Now, quiet)
	s.must(err)
	t.Cleanup(func() { s.journal.Close() })
	s.orders, err = orders.Open(s.journal, s.town.Recorder, s.town.Roots, s.town.Roster(1), s.Now, quiet)
	s.must(err)
	s.store, err = footage.Open(t.Context(), footage.Config{Dir: filepath.Join(s.dir, "footage"), Keys: filepath.Join(s.dir, "keys"), Recorder: s.town.Recorder, Journal: s.journal,
		SegmentLength: 10 * time.Second, QueueBytes: 1 << 30, Now: s.Now, Log: quiet})
	s.must(err)
	t.Cleanup(func() { s.store.Close() })
	for _, c := range []protocol.CameraID{square, quay} {
		s.order(s.town.Mandate(c, 1))
	}
	s.must(s.store.SetMandates(s.orders.Mandates()))
	s.record(square, cameratest.CounterH264(), at(20, 0), 3*time.Minute, footage.CauseNetwork)
	s.record(square, cameratest.CounterH264(), at(26, 0), 4*time.Minute, footage.CauseRecorder)
	s.cosign(s.journal)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.url = "https://" + l.Addr().String()
	s.viewer = &Viewer{Certificate: certificate(t), Desk: "https://desk.stad.example", Recorder: s.town.Recorder, Store: s.store, Journal: s.journal,
		Orders: s.orders, Now: s.Now, Log: quiet}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.viewer.Serve(ctx, l) }()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "viewer"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// record lays down footage as a camera would have, and waits until it is sealed.
func (s *scene) record(camera protocol.CameraID, clip cameratest.Clip, from time.Time, length time.Duration, cause footage.Cause) {
	s.t.Helper()
	s.recordWith(camera, clip, nil, from, length, cause)
}

// hear is record with sound.
func (s *scene) hear(camera protocol.CameraID, clip cameratest.Clip, sound *cameratest.Sound, from time.Time, length time.Duration) {
	s.t.Helper()
	s.recordWith(camera, clip, sound, from, length, footage.CauseRecorder)
}

func (s *scene) recordWith(camera protocol.CameraID, clip cameratest.Clip, sound *cameratest.Sound, from time.Time, length time.Duration, cause footage.Cause) {
	s.t.Helper()
	w := s.store.Camera(camera, "main")
	format := footage.Format{Codec: footage.Codec(clip.Codec), VPS: clip.VPS, SPS: clip.SPS, PPS: clip.PPS}
	if sound != nil {
		format.Sound = &footage.SoundFormat{Codec: footage.SoundCodec(sound.Codec), Rate: sound.Rate, Channels: sound.Channels, Config: sound.Config}
	}
	s.must(w.StartRun(format, from))
	end, heard := int64(length/time.Second)*90000, 0
	for round := int64(0); round*clip.Length < end; round++ {
		for _, f := range clip.Frames {
			if t := round*clip.Length + f.DTS; t < end {
				for ; sound != nil && int64(heard*sound.Length)*90000 < t*int64(sound.Rate); heard++ {
					s.must(w.WriteSound(footage.Sound{Data: sound.Frames[heard%len(sound.Frames)], Time: int64(heard * sound.Length), Length: int64(sound.Length)}))
				}
				s.must(w.Write(footage.AccessUnit{NALs: f.NALs, PTS: round*clip.Length + f.PTS, DTS: t, Arrival: s.Now(), Key: f.Key}))
			}
		}
	}
	s.must(w.EndRun(cause, ""))
	whole := protocol.Span(from, from.Add(length))
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		gaps, err := s.store.Gaps(camera, protocol.Span(whole.To.Add(-time.Millisecond), whole.To.Add(time.Second)))
		s.must(err)
		if n := len(gaps); n > 0 && gaps[n-1].From.Sub(whole.To).Abs() < time.Second { // the run has ended: all of it is sealed
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("the footage is not sealed")
		}
	}
}

func (s *scene) order(d protocol.Document, signers ...protocol.PersonID) orders.Action {
	s.t.Helper()
	s.orderNo++
	a, err := s.orders.Accept(s.t.Context(), s.town.Envelope(s.orderNo, s.town.Compose(d, signers...)))
	s.must(err)
	return a
}

// cosign has the witness confirm a journal as it is now, and tells ours.
func (s *scene) cosign(of *journal.Journal) error {
	s.t.Helper()
	cp, err := of.Checkpoint()
	s.must(err)
	cp, err = chain.Cosign(cp, s.town.Witness, s.Now())
	s.must(err)
	v, err := chain.WitnessVerifier(s.town.WitnessKey)
	s.must(err)
	return s.journal.Cosigned(cp, []note.Verifier{v}, 1)
}

func (s *scene) standing(id string, camera protocol.CameraID, key string, term time.Duration) {
	s.t.Helper()
	g := s.town.Grant(id, camera, protocol.Interval{})
	g.Use, g.Recipient, g.Purpose = protocol.UseStanding, key, "toezicht"
	g.NotBefore, g.NotAfter = protocol.T(s.Now()), protocol.T(s.Now().Add(term))
	s.order(g, protocoltest.Handler, protocoltest.Approver)
}

func (s *scene) view(id string, camera protocol.CameraID, key string, i protocol.Interval) {
	s.t.Helper()
	g := s.town.Grant(id, camera, i)
	g.Use, g.Recipient = protocol.UseView, key
	s.order(g, protocoltest.Handler, protocoltest.Approver)
}

// bodies are the journal's entries of a kind, by number.
func bodies[T any](s *scene, kind string) map[uint64]T {
	s.t.Helper()
	m := map[uint64]T{}
	s.must(s.journal.Replay(func(h chain.Header, body []byte) error {
		if h.Kind != kind {
			return nil
		}
		var b T
		m[h.Seq] = b
		err := chain.ParseBody(body, &b)
		m[h.Seq] = b
		return err
	}))
	return m
}

func (s *scene) looks() map[uint64]protocol.Access {
	return bodies[protocol.Access](s, protocol.KindView)
}
func (s *scene) refusals() map[uint64]protocol.AccessRefused {
	return bodies[protocol.AccessRefused](s, protocol.KindViewRefused)
}

// refusedWith says whether a refusal in the journal has this text, to this key.
func (s *scene) refusedWith(key, text string) bool {
	for _, r := range s.refusals() {
		if r.Recipient == key && strings.Contains(r.Reason, text) {
			return true
		}
	}
	return false
}

// browser is somebody with a key.
type browser struct {
	s      *scene
	key    *ecdsa.PrivateKey
	client *http.Client
}

func (s *scene) browser() *browser {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	return s.browserWith(key)
}

func (s *scene) browserWith(key *ecdsa.PrivateKey) *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	s.must(err)
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(s.viewer.Certificate.Certificate[0])
	s.must(err)
	roots.AddCert(leaf)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &browser{s, key, &http.Client{Jar: jar, Transport: transport}}
}

func (b *browser) public() string {
	return "p256:" + base64url.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), b.key.X, b.key.Y))
}

func (b *browser) do(method, path, contentType string, body io.Reader) (int, string, *http.Response) {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, b.s.url+path, body)
	b.s.must(err)
	r.Header.Set("Accept", "text/html")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := b.client.Do(r)
	b.s.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	b.s.must(err)
	return res.StatusCode, string(text), res
}

func (b *browser) get(path string) (int, string) {
	b.s.t.Helper()
	status, text, _ := b.do("GET", path, "", nil)
	return status, text
}

func (b *browser) post(path string, form url.Values) (int, string, *http.Response) {
	b.s.t.Helper()
	return b.do("POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func sign(t *testing.T, key *ecdsa.PrivateKey, statement string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(statement))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64url.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func (b *browser) statement(challenge string) string {
	return fmt.Sprintf("beeldwacht/viewer v1\n%s\n%s\n%s\n", b.s.town.Recorder, strings.TrimPrefix(b.s.url, "https://"), challenge)
}

func (b *browser) prove(key, challenge, signature string) (int, string) {
	b.s.t.Helper()
	body, err := json.Marshal(map[string]string{"key": key, "challenge": challenge, "signature": signature})
	b.s.must(err)
	status, text, _ := b.do("POST", "/session", "application/json", bytes.NewReader(body))
	return status, text
}

func (b *browser) begin() (int, string) {
	b.s.t.Helper()
	status, challenge := b.get("/challenge")
	if status != http.StatusOK {
		return status, challenge
	}
	return b.prove(b.public(), challenge, sign(b.s.t, b.key, b.statement(challenge)))
}

func (b *browser) mustBegin() {
	b.s.t.Helper()
	if status, text := b.begin(); status != http.StatusNoContent {
		b.s.t.Fatalf("no session: %d %s", status, text)
	}
}

const reason = "melding van een vechtpartij"

var lastFive = url.Values{"how": {"last"}, "minutes": {"5"}, "reason": {reason}}

// open looks and returns the address of the player.
func (b *browser) open(grant string, form url.Values) string {
	b.s.t.Helper()
	status, text, res := b.post("/look/"+grant, form)
	if status != http.StatusOK || !strings.HasPrefix(res.Request.URL.Path, "/watch/") {
		b.s.t.Fatalf("not opened: %d at %s\n%s", status, res.Request.URL.Path, text)
	}
	return res.Request.URL.Path
}

// somebody has a standing grant for the square and a session.
func (s *scene) somebody() *browser {
	s.t.Helper()
	b := s.browser()
	s.standing("g-1", square, b.public(), 8*time.Hour)
	b.mustBegin()
	return b
}

func expect(t *testing.T, what string, status int, text string, wantStatus int, want string) {
	t.Helper()
	if status != wantStatus || !strings.Contains(text, want) {
		t.Errorf("%s: got %d\n%s\nwant %d with %q", what, status, text, wantStatus, want)
	}
}

func TestI09_ALookIsInTheJournalBeforeTheFirstByte(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	if _, text := b.get("/look/g-1"); !strings.Contains(text, "camera was niet te bereiken") || len(s.looks()) != 0 {
		t.Errorf("the form shows no gap with its cause, or is a look itself:\n%s", text)
	}
	path := b.open("g-1", lastFive)
	looks := s.looks()
	if len(looks) != 1 {
		t.Fatalf("%d looks in the journal, want one", len(looks))
	}
	var entry protocol.Access
	_, player := b.get(path)
	for seq, e := range looks {
		entry = e
		if !strings.Contains(player, fmt.Sprintf(`<strong id="entry">%d</strong>`, seq)) || !strings.Contains(player, reason) || !strings.Contains(player, string(square)) {
			t.Errorf("the player does not say camera, reason and entry %d:\n%s", seq, player)
		}
	}
	g, _ := s.orders.Grant("g-1")
	if entry.How != "playback" || entry.Grant != "g-1" || entry.Camera != square || entry.Person != protocoltest.Requester || entry.Recipient != b.public() ||
		entry.Reason != reason || entry.Document != g.Hash() || entry.Level != protocol.LevelPersons || !entry.Interval.Contains(protocol.Span(at(26, 0), at(30, 0))) {
		t.Errorf("the entry says %+v", entry)
	}

	// Everything that is served lies within the entry's interval, and is what was sealed.
	_, list := b.get(path + "/list.m3u8")
	_, lines, err := s.store.Round(square, protocol.Span(at(0, 0), start))
	s.must(err)
	bySum := map[protocol.Hash]protocol.SegmentLine{}
	for _, l := range lines {
		bySum[l.SHA256] = l
	}
	segments := regexp.MustCompile(`(?m)^\d+\.m4s$`).FindAllString(list, -1)
	if len(segments) != 24 || !strings.Contains(list, "#EXT-X-ENDLIST") {
		t.Errorf("%d segments, want the 24 of four minutes:\n%s", len(segments), list)
	}
	for _, name := range segments {
		status, body := b.get(path + "/" + name)
		l, known := bySum[protocol.HashOf([]byte(body))]
		if status != http.StatusOK || !known || !entry.Interval.Contains(protocol.Span(l.Start.Time, l.End.Time)) {
			t.Errorf("%s: %d, sealed: %t, %s–%s within %s", name, status, known, l.Start, l.End, entry.Interval)
		}
	}
	init := regexp.MustCompile(`URI="([^"]+)"`).FindStringSubmatch(list)
	if _, body := b.get(path + "/" + init[1]); protocol.HashOf([]byte(body)) != lines[len(lines)-1].Init {
		t.Error("the init is not the run's")
	}
	if len(s.looks()) != 1 {
		t.Error("fetching what was opened made entries")
	}
}

func TestI09_TwoRunsPlayAsOneWithADiscontinuity(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	_, list := b.get(b.open("g-1", url.Values{"how": {"last"}, "minutes": {"10"}, "reason": {reason}}) + "/list.m3u8")
	if strings.Count(list, "#EXT-X-MAP") != 2 || strings.Count(list, "#EXT-X-DISCONTINUITY\n") != 1 || strings.Count(list, ".m4s") != 42 {
		t.Errorf("want two inits, one discontinuity, 42 segments:\n%s", list)
	}
}

func TestI10_WithoutJournalNothingIsShown(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	s.must(s.journal.Close())
	status, text, _ := b.post("/look/g-1", lastFive)
	expect(t, "look", status, text, http.StatusServiceUnavailable, "kan niet worden geschreven")
	if len(s.viewer.openings) != 0 {
		t.Error("something was opened")
	}
}

func TestI12_AGrantServesOnlyItsKeyCameraAndSession(t *testing.T) {
	s := newScene(t)
	mine := s.somebody()
	path := mine.open("g-1", lastFive)

	stranger := s.browser()
	status, text := stranger.begin()
	expect(t, "a key without grant", status, text, http.StatusForbidden, "geen geldige toestemming")
	if !s.refusedWith(stranger.public(), "no valid grant") {
		t.Error("the refusal is not in the journal")
	}
	for _, p := range []string{"/look/g-1", path, path + "/list.m3u8", path + "/0.m4s"} {
		if status, text := stranger.get(p); status != http.StatusUnauthorized {
			t.Errorf("%s without session: %d %s", p, status, text)
		}
	}

	other := s.browser()
	s.standing("g-2", quay, other.public(), time.Hour)
	other.mustBegin()
	status, text = other.get("/look/g-1")
	expect(t, "another's grant", status, text, http.StatusForbidden, "geen toestemming voor deze camera")
	status, text, _ = other.post("/look/g-1", lastFive)
	expect(t, "another's grant", status, text, http.StatusForbidden, "geen toestemming voor deze camera")
	for _, p := range []string{path, path + "/list.m3u8", path + "/0.m4s"} {
		status, text = other.get(p)
		expect(t, "another's "+p, status, text, http.StatusNotFound, "niet door u geopend")
	}
	if !s.refusedWith(other.public(), "no grant for this camera") || !s.refusedWith(other.public(), "not opened by you") {
		t.Errorf("not in the journal: %v", s.refusals())
	}

	// The same key in another browser is another session.
	again := s.browserWith(mine.key)
	again.mustBegin()
	if status, _ := again.get(path + "/list.m3u8"); status != http.StatusNotFound {
		t.Errorf("another session of the same key: %d", status)
	}
	if status, _ := mine.get(path + "/list.m3u8"); status != http.StatusOK {
		t.Errorf("the session itself: %d", status)
	}
	mine.post("/end", nil)
	if status, _ := mine.get(path + "/list.m3u8"); status != http.StatusUnauthorized || len(s.viewer.openings) != 0 {
		t.Errorf("after the end: %d", status)
	}
	if n := len(s.looks()); n != 1 {
		t.Errorf("%d looks, want one", n)
	}
}

func TestI12_AGrantEndsWhereItSays(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	s.standing("g-1", square, b.public(), 10*time.Minute)
	b.mustBegin()
	path := b.open("g-1", lastFive)
	s.advance(10 * time.Minute)
	for _, p := range []string{path, path + "/list.m3u8", path + "/0.m4s"} {
		if status, text := b.get(p); status < 400 {
			t.Errorf("%s after the grant's end: %d %s", p, status, text)
		}
	}
	status, text, _ := b.post("/look/g-1", lastFive)
	expect(t, "look after the grant's end", status, text, http.StatusForbidden, "geldt van")
	if !s.refusedWith(b.public(), "is valid from") {
		t.Error("not in the journal")
	}
}

func TestI12_AViewGrantShowsExactlyItsInterval(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	s.view("v-1", square, b.public(), protocol.Span(at(20, 30), at(21, 15))) // its last segment is of 21:10 to 21:20
	b.mustBegin()
	// What the form says of moments is nothing to a view grant.
	_, list := b.get(b.open("v-1", url.Values{"how": {"last"}, "minutes": {"15"}, "reason": {reason}}) + "/list.m3u8")
	if n := strings.Count(list, ".m4s"); n != 4 || !strings.Contains(list, "PROGRAM-DATE-TIME:2026-11-21T14:20:30.000Z") {
		t.Errorf("%d segments, want the four from 14:20:30 that lie within the grant:\n%s", n, list)
	}
	for _, e := range s.looks() {
		if !e.Interval.Equal(protocol.Span(at(20, 30), at(21, 15))) {
			t.Errorf("the entry is of %s", e.Interval)
		}
	}
}

func TestI13_NothingIsShownOnAStaleCosignature(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	s.standing("g-1", square, b.public(), 8*time.Hour)
	s.view("v-1", square, b.public(), protocol.Span(at(20, 30), at(21, 30)))
	s.advance(55 * time.Minute)
	b.mustBegin()
	path := b.open("v-1", lastFive)
	s.advance(6 * time.Minute)
	status, text := b.get(path + "/list.m3u8")
	expect(t, "what was open", status, text, http.StatusServiceUnavailable, "langer dan een uur niet bevestigd")
	if status, _ := b.get(path + "/0.m4s"); status != http.StatusServiceUnavailable {
		t.Errorf("segment: %d", status)
	}
	status, text, _ = b.post("/look/v-1", lastFive)
	expect(t, "look", status, text, http.StatusServiceUnavailable, "langer dan een uur niet bevestigd")
	if len(s.looks()) != 1 || !s.refusedWith(b.public(), "more than an hour") {
		t.Errorf("journal: %v %v", s.looks(), s.refusals())
	}
	s.must(s.cosign(s.journal))
	if status, _ := b.get(path + "/list.m3u8"); status != http.StatusOK {
		t.Errorf("after a new cosignature: %d", status)
	}
}

func TestI13_ARecorderBehindItsWitnessShowsNothing(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	path := b.open("g-1", lastFive)
	copied := filepath.Join(s.dir, "copy")
	s.must(os.CopyFS(copied, os.DirFS(filepath.Join(s.dir, "journal"))))
	ahead, err := journal.Open(copied, s.town.Log.Name(), s.town.Log, s.Now, slog.New(slog.DiscardHandler))
	s.must(err)
	defer ahead.Close()
	for range 20 {
		_, err = ahead.Append(t.Context(), protocol.KindStopped, protocol.Stopped{Reason: "in the future"})
		s.must(err)
	}
	if err := s.cosign(ahead); !errors.Is(err, journal.ErrBehind) {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + "/0.m4s"} {
		status, text := b.get(p)
		expect(t, p, status, text, http.StatusServiceUnavailable, "klopt niet met wat de getuige weet")
	}
	status, text, _ := b.post("/look/g-1", lastFive)
	expect(t, "look", status, text, http.StatusServiceUnavailable, "klopt niet met wat de getuige weet")
	if len(s.looks()) != 1 {
		t.Error("a look on a recorder that is behind")
	}
}

func TestPossessionIsProvenForThisViewerNowAndOnce(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	s.standing("g-1", square, b.public(), time.Hour)
	other := s.browser()
	challenge := func() string { _, c := b.get("/challenge"); return c }
	c := challenge()
	good := sign(t, b.key, b.statement(c))
	for what, try := range map[string][3]string{
		"another's signature":     {b.public(), c, sign(t, other.key, b.statement(c))},
		"another viewer":          {b.public(), c, sign(t, b.key, strings.Replace(b.statement(c), "127.0.0.1", "viewer.elsewhere.example", 1))},
		"another recorder":        {b.public(), c, sign(t, b.key, strings.Replace(b.statement(c), "rec-1", "rec-2", 1))},
		"no signature":            {b.public(), c, ""},
		"zeros":                   {b.public(), c, base64url.EncodeToString(make([]byte, 64))},
		"a challenge of its own":  {b.public(), c[:len(c)-4] + "AAAA", good},
		"a key in another form":   {b.public() + "=", c, good},
		"a key that is no point":  {"p256:" + base64url.EncodeToString(make([]byte, 33)), c, good},
		"the challenge of nobody": {b.public(), "", good},
	} {
		if status, text := b.prove(try[0], try[1], try[2]); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", what, status, text)
		}
	}
	if status, text := b.prove(b.public(), c, good); status != http.StatusNoContent {
		t.Fatalf("the key itself: %d %s", status, text)
	}
	if status, _ := b.prove(b.public(), c, sign(t, b.key, b.statement(c))); status != http.StatusForbidden {
		t.Error("a challenge served twice")
	}
	late := challenge()
	s.advance(challengeTerm)
	if status, _ := b.prove(b.public(), late, sign(t, b.key, b.statement(late))); status != http.StatusForbidden {
		t.Error("a challenge served after its minute")
	}
}

func TestSessionsEnd(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	s.standing("g-1", square, b.public(), 20*time.Hour)
	b.mustBegin()
	for range 26 {
		s.advance(29 * time.Minute)
		if s.Now().Sub(start) >= sessionTerm {
			break
		}
		if status, _ := b.get("/look/g-1"); status != http.StatusOK {
			t.Fatalf("%s after the beginning: %d", s.Now().Sub(start), status)
		}
	}
	if status, _ := b.get("/look/g-1"); status != http.StatusUnauthorized {
		t.Errorf("after twelve hours: %d", status)
	}
	b.mustBegin()
	s.advance(sessionIdle)
	if status, _ := b.get("/look/g-1"); status != http.StatusUnauthorized {
		t.Errorf("after half an hour without use: %d", status)
	}
	for range maxSessionsOfKey + 3 {
		s.browserWith(b.key).mustBegin()
	}
	if n := len(s.viewer.sessions); n != maxSessionsOfKey {
		t.Errorf("%d sessions of one key", n)
	}
}

func TestRefusalsSayWhy(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	for _, c := range []struct {
		what   string
		form   url.Values
		status int
		page   string
		entry  string
	}{
		{"older than a quarter", url.Values{"how": {"from"}, "at": {"15:14"}, "minutes": {"5"}, "reason": {reason}}, http.StatusForbidden, "tweede persoon", "more than fifteen minutes"},
		{"later today is yesterday", url.Values{"how": {"from"}, "at": {"15:40"}, "minutes": {"5"}, "reason": {reason}}, http.StatusForbidden, "20 november 2026 om 15:40", "20 November 2026"},
		{"in a gap", url.Values{"how": {"from"}, "at": {"15:24"}, "minutes": {"1"}, "reason": {reason}}, http.StatusNotFound, "camera was niet te bereiken", "could not be reached"},
		{"before anything", url.Values{"how": {"from"}, "at": {"15:16"}, "minutes": {"2"}, "reason": {reason}}, http.StatusNotFound, "oudste beeld", "no footage from"},
		{"no reason", url.Values{"how": {"last"}, "minutes": {"5"}, "reason": {"  kijken  \x00\u200b "}}, http.StatusUnprocessableEntity, "10 tot 300 tekens", ""},
		{"no time", url.Values{"how": {"from"}, "at": {"kwart over"}, "minutes": {"5"}, "reason": {reason}}, http.StatusUnprocessableEntity, "uren en minuten", ""},
		{"too many minutes", url.Values{"how": {"last"}, "minutes": {"16"}, "reason": {reason}}, http.StatusUnprocessableEntity, "ten hoogste 15", ""},
	} {
		before := len(s.refusals())
		status, text, _ := b.post("/look/g-1", c.form)
		expect(t, c.what, status, text, c.status, c.page)
		if c.entry != "" && !s.refusedWith(b.public(), c.entry) || c.entry == "" && len(s.refusals()) != before {
			t.Errorf("%s: journal has %v", c.what, s.refusals())
		}
	}
	if len(s.looks()) != 0 {
		t.Error("a refused look is in the journal as a look")
	}
	_, text := b.get("/en/look/unknown")
	if !strings.Contains(text, "Your key gives no grant for this camera.") {
		t.Errorf("English:\n%s", text)
	}
}

func TestLookingBackEndsAtAQuarter(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	s.advance(7*time.Minute + 55*time.Second) // 14:37:55: of the segment from 14:22:50 to 14:23:00 the first half is too old
	path := b.open("g-1", url.Values{"how": {"last"}, "minutes": {"15"}, "reason": {reason}})
	_, list := b.get(path + "/list.m3u8")
	if !strings.Contains(list, "PROGRAM-DATE-TIME:2026-11-21T14:26:00.000Z") || strings.Count(list, "#EXT-X-MAP") != 1 {
		t.Errorf("footage older than fifteen minutes is in:\n%s", list)
	}
	for _, e := range s.looks() {
		if e.Interval.From.Before(s.Now().Add(-protocol.LookBack)) {
			t.Errorf("the entry is of %s at %s", e.Interval, s.Now())
		}
	}
}

func TestWhatWasOpenedClosesAndIsBounded(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	var paths []string
	for range maxOpeningsOf + 1 {
		paths = append(paths, b.open("g-1", lastFive))
		s.advance(time.Second)
	}
	if n := len(s.viewer.openings); n != maxOpeningsOf {
		t.Errorf("%d open", n)
	}
	if status, _ := b.get(paths[0] + "/list.m3u8"); status != http.StatusNotFound {
		t.Errorf("the oldest: %d", status)
	}
	last := paths[len(paths)-1]
	s.advance(openFor - 2*time.Second)
	if status, _ := b.get(last + "/0.m4s"); status != http.StatusOK {
		t.Errorf("within the quarter: %d", status)
	}
	s.advance(2 * time.Second)
	if status, text := b.get(last + "/0.m4s"); status != http.StatusNotFound {
		t.Errorf("after the quarter: %d %s", status, text)
	}
	s.viewer.tidy(t.Context(), s.Now())
	if n := len(s.viewer.openings); n != 0 {
		t.Errorf("%d open after their end", n)
	}
	if n := len(s.looks()); n != maxOpeningsOf+1 {
		t.Errorf("%d looks in the journal; every look needs its own", n)
	}
}

func TestManyLookAtTheSameTime(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			one := s.browserWith(b.key)
			one.begin()
			for range 3 {
				if _, _, res := one.post("/look/g-1", lastFive); strings.HasPrefix(res.Request.URL.Path, "/watch/") {
					one.get(res.Request.URL.Path + "/0.m4s")
				}
			}
			s.viewer.tidy(t.Context(), s.Now())
			one.post("/end", nil)
		})
	}
	all.Wait()
	if len(s.viewer.sessions) != 1 && len(s.viewer.sessions) != 0 || len(s.viewer.openings) != 0 {
		t.Errorf("%d sessions, %d openings are left", len(s.viewer.sessions), len(s.viewer.openings))
	}
}

func TestRefusalsDoNotFloodTheJournal(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	for range 50 {
		b.get("/look/unknown")
	}
	for range 3 { // keys without a grant share what they may write
		for range 10 {
			s.browser().begin()
		}
		s.advance(time.Minute)
	}
	if n := len(s.refusals()); n != 2*refusalsAnHour {
		t.Errorf("%d entries, want %d", n, 2*refusalsAnHour)
	}
	s.advance(time.Hour)
	s.viewer.tidy(t.Context(), s.Now())
	if !s.refusedWith(b.public(), "30 more refusals") || !s.refusedWith("several", "10 more refusals") {
		t.Errorf("the others are not counted: %v", s.refusals())
	}
}

func TestAnAddressThatAsksTooOftenWaits(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	for range asksAMinute {
		b.get("/challenge")
	}
	status, text := b.get("/challenge")
	expect(t, "too often", status, text, http.StatusTooManyRequests, "te vaak")
	s.advance(time.Minute)
	if status, _ := b.get("/challenge"); status != http.StatusOK {
		t.Errorf("a minute later: %d", status)
	}
}

func TestPagesAreStrict(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	path := b.open("g-1", lastFive)
	stranger := s.browser()
	inline := regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<style|\sstyle=|\son[a-z]+=|(?:src|href)="(?:https?:)?//`)
	for _, c := range []struct {
		b            *browser
		path, nl, en string
	}{
		{stranger, "/", "Nog geen toestemming?", "No grant yet?"},
		{b, "/", "Welke camera", "Which camera"},
		{b, "/look/g-1", "Waarom kijkt u?", "Why do you look?"},
		{b, path, "staat in het logboek", "is in this recorder&#39;s log"},
		{b, "/nergens", "Deze pagina bestaat niet", "There is no such page"},
	} {
		for prefix, want := range map[string]string{"": c.nl, "/en": c.en} {
			_, text, res := c.b.do("GET", prefix+c.path, "", nil)
			csp := res.Header.Get("Content-Security-Policy")
			if !strings.Contains(strings.ReplaceAll(text, "'", "&#39;"), want) {
				t.Errorf("%s%s: want %q in\n%s", prefix, c.path, want, text)
			}
			if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s%s: headers %v", prefix, c.path, res.Header)
			}
			if bad := inline.FindString(strings.ReplaceAll(text, "https://desk.stad.example", "")); bad != "" {
				t.Errorf("%s%s: %q", prefix, c.path, bad)
			}
		}
	}
	r, err := http.NewRequest("POST", s.url+"/look/g-1", strings.NewReader(lastFive.Encode()))
	s.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := b.client.Do(r)
	s.must(err)
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden || len(s.looks()) != 1 {
		t.Errorf("a form on another site: %d", res.StatusCode)
	}
}

func TestTheClockOnTheWall(t *testing.T) {
	autumn := time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC) // summer time ends at 01:00 UTC
	for _, c := range []struct {
		clock     string
		now, want time.Time
	}{
		{"15:20", start, at(20, 0)},
		{"15:31", start, at(31, 0).Add(-24 * time.Hour)},
		{"23:55", time.Date(2026, 11, 21, 23, 5, 0, 0, time.UTC), time.Date(2026, 11, 21, 22, 55, 0, 0, time.UTC)},
		{"02:30", autumn.Add(45 * time.Minute), autumn.Add(30 * time.Minute)},      // the first half past two
		{"02:30", autumn.Add(105 * time.Minute), autumn.Add(90 * time.Minute)},     // the second one
		{"02:55", autumn.Add(65 * time.Minute), autumn.Add(55 * time.Minute)},      // ten minutes ago, an hour later on the clock
		{"02:00", time.Date(2026, 3, 29, 1, 5, 0, 0, time.UTC), time.Time{}.UTC()}, // skipped in spring: not within the day, the day before at most
	} {
		got, ok := lastAt(c.clock, c.now)
		if c.want.IsZero() {
			if !ok || got.After(c.now) {
				t.Errorf("%s at %s: %s, %t", c.clock, c.now, got, ok)
			}
			continue
		}
		if !ok || !got.Equal(c.want) {
			t.Errorf("%s at %s: %s, %t; want %s", c.clock, c.now, got.UTC(), ok, c.want)
		}
	}
}

func TestItStopsWhenAsked(t *testing.T) {
	s := newScene(t)
	b := s.somebody()
	b.open("g-1", lastFive)
	b.client.CloseIdleConnections()
	if err := s.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if len(s.viewer.openings) != 0 || len(s.viewer.sessions) != 0 {
		t.Error("something is open")
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(s.url, "https://"), time.Second); err == nil {
		t.Error("it still listens")
	}
}

func FuzzKey(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("p256:" + base64url.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y)))
	f.Add("p256:")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := parseKey(s)
		if err != nil {
			return
		}
		if again := "p256:" + base64url.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), k.X, k.Y)); again != s {
			t.Errorf("%q and %q are one key", s, again)
		}
	})
}

func FuzzForm(f *testing.F) {
	f.Add("last", "5", "", reason)
	f.Add("from", "15", "15:20", "een\u200b \x00reden")
	f.Fuzz(func(t *testing.T, how, minutes, clock, why string) {
		i, wrong := lookForm{How: how, Minutes: minutes, At: clock}.interval(start)
		if wrong.NL == "" && (i.Valid() != nil || i.To.After(start) || i.Duration() > protocol.LookBack) {
			t.Errorf("%s", i)
		}
		if r := tidyReason(why); tidyReason(r) != r || strings.ContainsAny(r, "\n\x00") {
			t.Errorf("%q", r)
		}
	})
}
