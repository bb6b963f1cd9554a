package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/edge/uplink"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// A fleet is many recorders without cameras: each has the real uplink, over TLS with a certificate of its own, and a journal that is a real chain kept in
// memory. Once a minute each writes what a recorder of so many cameras writes in a minute, and the lag is from there to the cosignature that covers it.

const (
	fleetTown = "stad"
	// fleetCameras a recorder: 338,000 cameras on 20,000 recorders.
	fleetCameras = 17
	fleetReport  = "fleet.json"
)

// fleetKey is the key of recorder n, the same each time: who enrols it and who plays it are two processes.
func fleetKey(n int) (id protocol.RecorderID, skey, vkey string, err error) {
	id = protocol.RecorderID(fmt.Sprintf("rec-%05d", n))
	seed := sha256.Sum256(fmt.Appendf(nil, "fleet %d", n)) // what ed25519.GenerateKey reads
	skey, vkey, err = note.GenerateKey(bytes.NewReader(seed[:]), protocol.Origin(id, fleetTown))
	return id, skey, vkey, err
}

// fleetState is what the fleet tells, each second, in a file.
type fleetState struct {
	Recorders int             // with a cosignature
	Behind    int             // with entries that wait for one
	Cosigned  int             // checkpoints, since the last reset
	Lags      []time.Duration // of the newest of them
	Batch     int             // bytes of a minute's, as it is sent
	Status    int             // bytes of one, as it is sent
	Note      int             // bytes of a cosigned checkpoint
}

// mostLags are kept: a quarter of a million minutes.
const mostLags = 250_000

type fleet struct {
	mu    sync.Mutex // guards state
	state fleetState

	witness note.Verifier
}

// player is one recorder's journal.
type player struct {
	fleet  *fleet
	n      int
	id     protocol.RecorderID
	signer note.Signer
	log    note.Verifier

	mu       sync.Mutex // guards what follows
	heads    []chain.Head
	tail     []chain.Entry // from size on
	made     []time.Time   // of each in tail
	size     uint64        // cosigned
	at       time.Time
	changed  chan struct{}
	answered bool
	ledger   protocol.LedgerHead     // of the centre, as it was last told
	before   []protocol.SealedCamera // of the minute before
	sealed   uint64                  // its entry
}

func runFleet(ctx context.Context, args []string, out io.Writer) (err error) {
	dir, broker := args[0], args[2]
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	minute, err := time.ParseDuration(args[3])
	if err == nil {
		_, err = connections(count)
	}
	if err != nil {
		return err
	}
	if args[4] != "" {
		done, failed := profile(filepath.Join(args[4], "fleet"), count)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, done()) }()
	}
	vkey, err := enrol.ReadLine(filepath.Join(dir, "centre", "witness.pub"))
	if err != nil {
		return err
	}
	f := &fleet{}
	if f.witness, err = chain.WitnessVerifier(vkey); err != nil {
		return err
	}
	issue, pool, err := fleetAuthority(filepath.Join(dir, "centre"))
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	running.Go(func() { f.report(ctx, filepath.Join(dir, fleetReport)) })
	players := make([]*player, count)
	for n := range players {
		p, err := f.player(n)
		if err != nil {
			return err
		}
		certificate, err := issue(string(p.id))
		if err != nil {
			return err
		}
		players[n] = p
		if err := p.write(time.Now()); err != nil {
			return err
		}
		u := &uplink.Uplink{Recorder: p.id, Broker: broker, Certificate: certificate, CAs: pool, Journal: p, Cosigned: p.cosigned, Log: slog.New(slog.DiscardHandler),
			Order: func(context.Context, []byte) {}, Ledger: p.follow, Status: p.status, Will: p.status}
		running.Go(func() { _ = u.Run(ctx) }) // it ends with ctx, and an error has been a session's only
		if err := sleep(ctx, time.Second/250); err != nil {
			return nil
		}
	}
	running.Go(func() {
		for round := 0; ; round++ { // each at its own moment of the minute
			began := time.Now()
			for n, p := range players {
				if sleep(ctx, time.Until(began.Add(minute*time.Duration(n)/time.Duration(count)))) != nil {
					return
				}
				if err := p.write(time.Now()); err != nil {
					fmt.Fprintln(os.Stderr, "fleet:", err)
				}
			}
			if sleep(ctx, time.Until(began.Add(minute))) != nil {
				return
			}
		}
	})
	return ready(ctx, out, "")
}

// connections is how many of n recorders one process may have connected here, which wants an open file each.
func connections(n int) (int, error) {
	const others = 600
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	if want := uint64(n + others); limit.Cur < want {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: want, Max: max(want, limit.Max)}) == nil {
			return n, nil
		}
		n = max(1, int(limit.Cur)-others)
	}
	return n, nil
}

// fleetAuthority signs a client certificate for each recorder with the centre's authority. They share one key: making twenty thousand would measure nothing.
func fleetAuthority(dir string) (issue func(name string) (tls.Certificate, error), pool *x509.CertPool, err error) {
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.tls"))
	if err != nil {
		return nil, nil, err
	}
	authority, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		return nil, nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	pool = x509.NewCertPool()
	pool.AddCert(authority)
	serial := int64(1 << 40)
	return func(name string) (tls.Certificate, error) {
		serial++
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
			NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, authority, &key.PublicKey, ca.PrivateKey)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
	}, pool, nil
}

func (f *fleet) player(n int) (*player, error) {
	id, skey, vkey, err := fleetKey(n)
	if err != nil {
		return nil, err
	}
	p := &player{fleet: f, n: n, id: id, heads: []chain.Head{{}}, changed: make(chan struct{})}
	if p.signer, err = note.NewSigner(skey); err != nil {
		return nil, err
	}
	p.log, err = note.NewVerifier(vkey)
	return p, err
}

// write is a recorder's minute: what was sealed, what was sealed in the minute before and expires now, and one thing more.
func (p *player) write(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.size + uint64(len(p.tail))
	sealed := protocol.Sealed{Root: protocol.HashOf(fmt.Appendf(nil, "%d", now.UnixNano())), Count: fleetCameras}
	expired := protocol.Expired{Reason: "window", At: protocol.T(now)}
	for c := range fleetCameras {
		end := now.Add(-time.Duration(c*3571) * time.Millisecond) // each camera's segments at a moment of their own
		one := protocol.SealedCamera{Camera: protocol.CameraID(fmt.Sprintf("plein-%05d-%02d", p.n, c)), Count: 1, First: protocol.T(end.Add(-time.Minute)), Last: protocol.T(end)}
		if next > 0 {
			one.First = protocol.T(p.before[c].Last.Add(time.Millisecond))
		}
		one.Oldest = one.First
		sealed.Cameras = append(sealed.Cameras, one)
		if next > 0 {
			was := p.before[c]
			expired.Segments = append(expired.Segments, protocol.ExpiredSegment{Camera: was.Camera, Run: protocol.RunID(was.First.UTC().Format("20060102T15") + fmt.Sprintf("00%02d.%03dZ-main", c, c*59)),
				N: was.First.Minute(), Minute: p.sealed, Start: was.First, Due: protocol.T(was.First.Add(time.Minute)), SHA256: protocol.HashOf(fmt.Appendf(nil, "%d %d", now.UnixNano(), c))})
		}
		expired.Oldest = append(expired.Oldest, protocol.OldestFootage{Camera: one.Camera, Oldest: &one.First})
	}
	p.before, p.sealed = sealed.Cameras, next
	var sample bytes.Buffer
	for _, e := range []struct {
		kind string
		body any
	}{{protocol.KindSealed, sealed}, {protocol.KindExpired, expired}, {protocol.KindLedger, protocol.LedgerSeen{}}} {
		head := p.heads[len(p.heads)-1]
		entry, err := chain.Seal(&head, e.kind, e.body, now)
		if err != nil {
			return err
		}
		if err := head.Add(entry); err != nil {
			return err
		}
		if err := chain.WriteEntry(&sample, entry); err != nil {
			return err
		}
		p.heads, p.tail, p.made = append(p.heads, head), append(p.tail, entry), append(p.made, now)
	}
	p.wake()
	batch := 0
	if p.n%sampled == 0 {
		checkpoint, err := chain.SignCheckpoint(chain.Checkpoint{Origin: p.signer.Name(), Size: next + 3, Root: p.heads[len(p.heads)-1].Root()}, p.signer)
		if err != nil {
			return err
		}
		if err := chain.WriteCheckpoint(&sample, checkpoint); err != nil {
			return err
		}
		batch = len(protocol.Pack(sample.Bytes()))
	}
	p.fleet.mu.Lock()
	defer p.fleet.mu.Unlock()
	p.fleet.state.Batch = cmp.Or(batch, p.fleet.state.Batch)
	if len(p.tail) == 3 {
		p.fleet.state.Behind++
	}
	return nil
}

// sampled: of every so many recorders one says how long its messages are, which takes the time to make them.
const sampled = 100

// wake: the caller holds mu.
func (p *player) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *player) Entries(from uint64, max int) ([]chain.Entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from < p.size || from > p.size+uint64(len(p.tail)) {
		return nil, fmt.Errorf("entry %d: %d are cosigned, %d more are here", from, p.size, len(p.tail))
	}
	list := p.tail[from-p.size:]
	return slices.Clone(list[:min(max, len(list))]), nil
}

func (p *player) CheckpointAt(size uint64) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if size < p.size || size-p.size >= uint64(len(p.heads)) {
		return nil, fmt.Errorf("no head at %d", size)
	}
	return chain.SignCheckpoint(chain.Checkpoint{Origin: p.signer.Name(), Size: size, Root: p.heads[size-p.size].Root()}, p.signer)
}

func (p *player) Delivered() (uint64, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size, p.at
}

func (p *player) Changed() <-chan struct{} { p.mu.Lock(); defer p.mu.Unlock(); return p.changed }

func (p *player) cosigned(signed []byte) error {
	c, by, err := chain.OpenCheckpoint(signed, p.signer.Name(), p.log, p.fleet.witness)
	if err != nil {
		return err
	}
	if len(by) == 0 {
		return errors.New("nobody cosigned it")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Size < p.size || c.Size-p.size >= uint64(len(p.heads)) {
		return nil
	}
	n := c.Size - p.size
	if p.heads[n].Root() != c.Root {
		return errors.New("another root")
	}
	now := time.Now()
	made := slices.Clone(p.made[:n])
	p.heads, p.tail, p.made, p.size, p.at = slices.Clone(p.heads[n:]), slices.Clone(p.tail[n:]), slices.Clone(p.made[n:]), c.Size, by[0].Time
	first := !p.answered
	p.answered = true
	p.wake()

	f := p.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	if first {
		f.state.Recorders++
	}
	if n > 0 {
		if len(p.tail) == 0 {
			f.state.Behind--
		}
		f.state.Cosigned++
		f.state.Note = len(signed)
		f.state.Lags = append(f.state.Lags, now.Sub(made[0]))
		if len(f.state.Lags) > mostLags {
			f.state.Lags = slices.Clone(f.state.Lags[len(f.state.Lags)/2:])
		}
	}
	return nil
}

func (p *player) status() ([]byte, error) {
	now := protocol.T(time.Now())
	p.mu.Lock()
	s := protocol.Status{Recorder: p.id, Time: now, State: "online", Entries: p.size + uint64(len(p.tail)), Cosigned: p.size, DiskBytes: 1 << 40, DiskFree: 1 << 40, Software: "bench", Ledger: &protocol.LedgerHead{}}
	*s.Ledger = p.ledger
	p.mu.Unlock()
	for c := range fleetCameras {
		first := protocol.T(now.Add(-time.Duration(c*3571)*time.Millisecond - time.Minute))
		s.Cameras = append(s.Cameras, protocol.CameraStatus{Camera: protocol.CameraID(fmt.Sprintf("plein-%05d-%02d", p.n, c)), State: "recording", Since: first, LastFrame: &now, Bitrate: 4e6 + int64(c*1733), Oldest: &first})
	}
	raw, err := protocol.SignStatus(s, p.signer)
	if err == nil && p.n%sampled == 0 {
		p.fleet.mu.Lock()
		defer p.fleet.mu.Unlock()
		p.fleet.state.Status = len(protocol.Pack(raw))
	}
	return raw, err
}

// follow takes the checkpoint of the centre's ledger for what it says: the recorder's own code checks it, which is not what is measured.
func (p *player) follow(_ context.Context, payload []byte) {
	s, err := chain.ParseSubmission(payload)
	if err != nil {
		return
	}
	if c, err := chain.UnverifiedCheckpoint(s.Note); err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ledger = protocol.LedgerHead{Size: c.Size, Root: c.Root}
	}
}

// report writes the state each second. The reader takes the lags of the time it asks about from the newest of them.
func (f *fleet) report(ctx context.Context, file string) {
	for sleep(ctx, time.Second) == nil {
		f.mu.Lock()
		b, err := json.Marshal(f.state)
		f.mu.Unlock()
		if err == nil {
			err = errors.Join(os.WriteFile(file+".new", b, 0o600), os.Rename(file+".new", file))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "fleet:", err)
		}
	}
}

func readFleet(file string) (s fleetState, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(b, &s)
}

// bareCrypto is what no witness can do without, once a minute for one recorder: to verify a checkpoint and a status, and to sign a cosignature.
func bareCrypto(rounds int) (time.Duration, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	text := make([]byte, 150)
	began := time.Now()
	for i := range rounds {
		binary.LittleEndian.PutUint64(text, uint64(i))
		signed := ed25519.Sign(private, text)
		for range 2 {
			if !ed25519.Verify(public, text, signed) {
				return 0, errors.New("Ed25519 does not verify its own signature")
			}
		}
	}
	return time.Since(began) / time.Duration(rounds), nil
}
