// Package edge is the recorder as one running thing: it wires ingest, footage, journal, orders, release, viewer and uplink together, starts them in
// the right order and stops them cleanly.
//
// # What may be recorded
//
// The configuration says which cameras hang on this recorder; only a mandate, signed and accepted, says that one may be recorded. For each camera
// stream one goroutine waits for its mandate, runs an RTSP session while it is valid and stops it when it is not. That a besluit lapses needs no
// order and no network: the mandate's own end is enough.
//
// # Start and stop
//
//	identity → journal → time → the epoch that ended meanwhile sealed → orders (replayed from the journal) → footage (which finishes what was begun and expires, invariant 4)
//	→ mandates and holds applied → recording → releases that were begun → uplink → viewer
//
// Nothing is served before expiry has run. On stop: viewer and releases first, then recording, then footage seals what is open, the journal says that
// it stopped, and the uplink has a moment to hand in the tail. Each of these has a bounded time: on a disk that does not answer the recorder stops
// without the part that waits for it, says which, and does not write that it stopped in order.
//
// Viewer, /metrics and /health, and the operator's socket are beside recording: when one cannot listen the operator sees why, and it is tried again.
//
// # When the share of the key is not here
//
// Where keys_holder is centre, or tpm and the TPM does not answer, the recorder starts write-only: it records, expires and holds, and serves nothing (package footage, Write-only).
// Its signed status asks the centre for its share; the answer, signed with the order key and sealed to a key of this start alone, opens the table. The share is replaced at each
// start and each day; the one in the TPM each hour.
//
// # When the journal is behind its witnesses
//
// After a disk was put back from a copy the witnesses know more of the journal than there is. The recorder records and expires, and serves nothing (invariant 13). Orders it lost come again, as the
// centre sends whatever follows the number in the status; the last of them may be the privacy officer's to resume. Then the journal goes on as its own successor (journal, Succession), footage of which the
// sealing is not in it is sealed again, and release grants from before end: what became of them may be in what was lost.
//
// # When the journal cannot be written
//
// The recorder records and expires, and serves nothing (invariant 10): every release and every view begins with a journal entry, which then fails. One that cannot even be
// opened, since its disk is gone or somebody damaged it, does not stop the start: what may be recorded and which disk is the right one stand in a file beside it
// (remembered), signed by the recorder itself. It is tried again until it opens; then the recorder starts anew by itself.
//
// # The operator's view
//
// Whoever minds the machine sees a [Situation]: over the socket operator.sock in the data directory (mode 0600; `beeldwacht-edge status` reads it), and,
// where metrics.listen is set, as /metrics for Prometheus and as /health: 200 while every camera that may be recorded is recorded and the journal can be
// written, 503 with a line for each reason otherwise. Nothing of footage passes either way, and nothing can be ordered there.
//
// Every metric begins with beeldwacht_edge_; those of cameras have the labels camera and stream, those of volumes the label volume, which is
// the path of its folder; there are no other labels.
//
//	info                               always 1; the label software says which program runs
//	start_time_seconds                 when the recorder started, Unix time
//	healthy                            1 when /health says 200
//	troubles                           what needs a person, as listed by `beeldwacht-edge status`
//	incidents_total                    incidents since the start
//	camera_permitted                   1 when a mandate allows recording
//	camera_recording                   1 when it is being recorded
//	camera_since_seconds               since when it is in this state, Unix time
//	camera_last_frame_seconds          when its last frame arrived, Unix time; absent before the first
//	camera_bits_per_second             what arrives, measured over two seconds
//	camera_lost_frames_total           frames that did not arrive whole; from 0 again when a mandate begins
//	camera_dropped_frames_total        frames that the disk was too slow for; from 0 again when a mandate begins
//	camera_oldest_footage_seconds      start of the camera's oldest footage here, Unix time; absent when there is none
//	footage_bytes                      sealed footage on the disk
//	footage_held_bytes                 of that, under a standing hold
//	footage_overdue_segments           segments that should be gone and could not be deleted yet
//	footage_early_segments_total       segments that went before their window since the start, to make room
//	footage_undestroyed_keys           segments that are deleted, and whose key should be gone and is not
//	footage_progress_seconds           when expiry last went round, Unix time
//	keys_locked                        1 while recording is write-only, until the share of the key arrives
//	volume_present                     1 when the disk is there
//	volume_bytes                       sealed footage on it, also where it is not there
//	volume_free_bytes                  free on the disk
//	volume_size_bytes                  size of the disk
//	volume_guests                      cameras recorded on it now that are at home on another
//	disk_free_bytes                    free on the disks with footage
//	disk_size_bytes                    size of that disk
//	journal_entries                    entries in the journal
//	journal_cosigned_entries           of those, covered by a cosigned checkpoint
//	journal_cosigned_seconds           when that was cosigned, Unix time; absent before the first since the start
//	journal_owed_entries               entries that the journal must still take
//	journal_writable                   1 when the journal can be written (invariant 10)
//	journal_behind                     1 when the witness knows more of it than this recorder (invariant 13)
//	journal_progress_seconds           when the journal's writer last answered, Unix time
//	clock_synced                       1 when NTP keeps the machine's clock, and the recorder's time is the same
//	clock_ahead_seconds                how much later it may be than the recorder's time; footage due by then is shown to nobody
//	uplink_connected                   1 during a session with the centre's broker
//	uplink_since_seconds               since when it is so, Unix time
//	orders_used                        number of the last order used
//	orders_dropped_total               envelopes dropped since the start
//	process_*                          processor, memory and files of this process, as Prometheus' own collector names them
package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/edge/release"
	"github.com/beeldwacht/beeldwacht/edge/tpm"
	"github.com/beeldwacht/beeldwacht/edge/uplink"
	"github.com/beeldwacht/beeldwacht/edge/viewer"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"golang.org/x/mod/sumdb/note"
)

// Software is what status and journal say of this program.
const Software = "beeldwacht-edge 0.1"

// Agent is one recorder.
type Agent struct {
	Config  Config
	Secrets Secrets
	Machine clock.Machine // what tells the time; zero: the machine this runs on
	Log     *slog.Logger
	Systemd Systemd                            // zero: nobody is told
	Disk    disk.Disk                          // under journal and footage; nil: the machine's own
	TPM     func() (io.ReadWriteCloser, error) // nil: /dev/tpmrm0

	watch   watch         // what the operator's view remembers; guards itself
	looking chan struct{} // holds one: whoever looks at the Situation from outside

	// Everything below is made in Run before any goroutine starts, and not replaced afterwards.
	identity *Identity
	clock    *clock.Clock
	journal  *journal.Journal
	orders   *orders.Orders
	footage  *footage.Store
	release  *release.Releaser
	uplink   *uplink.Uplink

	unopened    error  // why the journal cannot be opened; nil: it is
	remembering []byte // what stands in the file of that name; under obeying

	mandates *broadcast    // an accepted order changed what may be recorded
	granted  *broadcast    // a release grant was accepted
	unplaced chan struct{} // holds one: a hold could not be placed, or what was ordered not be erased

	obeying  sync.Mutex  // held while something that came down is carried out
	stopping atomic.Bool // footage is being closed: who gets obeying from then on takes nothing that comes down any more, and a status no longer asks footage

	tpm     *tpm.Keeper        // nil where the keys need none, and until it first answers; owned by who opens, then by turnTPM
	share   centreShare        // guards itself
	streams map[string]*stream // by camera/stream; each stream guards itself
	begun   uint64             // entries that the journal had at the start
	breaks  uint64             // of its epochs, at the start
	heard   time.Time          // time of the last cosignature; as seen
}

// Run records until ctx ends. It returns nil after a clean stop, and [ErrLeft] when a disk that does not answer had to be left as it was: some goroutine then still
// waits for it, and the process is of no more use.
func (a *Agent) Run(ctx context.Context) (err error) {
	opened := make(chan error, 1)
	go func() { opened <- a.open(ctx) }()
	select {
	case err = <-opened:
	case <-ctx.Done(): // after weeks without power a start takes long, and stops soon when it is asked to; on a disk that hangs it does not
		err = within("the start", 4*patience, func() error { return <-opened })
	}
	switch {
	case errors.Is(err, ErrLeft):
		return err
	case err != nil:
		return errors.Join(err, a.close())
	}
	err = a.serve(ctx)
	if errors.Is(err, errAnew) && !errors.Is(err, ErrLeft) && ctx.Err() == nil {
		a.Log.Info("starting anew: the journal can be opened again")
		return (&Agent{Config: a.Config, Secrets: a.Secrets, Machine: a.Machine, Log: a.Log, Systemd: a.Systemd, Disk: a.Disk, TPM: a.TPM}).Run(ctx)
	}
	return err
}

// files is the disk under journal and footage.
func (a *Agent) files() disk.Disk {
	if a.Disk == nil {
		return disk.OS
	}
	return a.Disk
}

// open brings up journal, orders and footage, in that order. Whoever calls it calls close, also after an error.
func (a *Agent) open(ctx context.Context) (err error) {
	origin := protocol.Origin(a.Config.Recorder, a.Config.Municipality)
	if a.identity, err = LoadIdentity(a.Config.Identity, origin); err != nil {
		return err
	}
	a.mandates, a.granted, a.unplaced, a.looking = newBroadcast(), newBroadcast(), make(chan struct{}, 1), make(chan struct{}, 1)
	h, err := a.readJournal()
	switch {
	case errors.Is(err, journal.ErrInUse):
		return err
	case err == nil:
		a.journal, a.begun, a.breaks, a.orders = h.journal, h.begun, h.breaks, h.orders
	default:
		if h.volume, err = a.withoutJournal(err); err != nil {
			return err
		}
	}
	a.restoreCosigned()
	shares, err := a.shares()
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if a.footage, err = footage.Open(ctx, footage.Config{
		Dir: a.Config.footageDir(), Volumes: a.Config.volumes(), Keys: a.Config.keysDir(), Shares: shares,
		AwaitShare: a.Config.KeysHolder == HolderCentre || a.Config.KeysHolder == HolderTPM, Recorder: a.Config.Recorder, Volume: h.volume, SegmentLength: a.Config.Footage.Segment,
		SealEvery: a.Config.Footage.SealEvery, SyncInterval: a.Config.Footage.SyncInterval, MaxBytes: a.Config.Footage.MaxBytes, MinFree: a.Config.Footage.MinFree, HoldShare: int(a.orders.Roster().HoldShare), Holds: a.orders.Holds(),
		Journal: overseen{a.journal, &a.watch}, Clock: a.clock.Read, Log: a.Log, Disk: a.Disk,
	}); err != nil {
		return fmt.Errorf("footage: %w", err)
	}
	a.remember()
	a.resume(ctx)
	a.append(ctx, protocol.KindStarted, protocol.Started{Software: Software, Clean: h.clean, Volume: a.footage.Volume(), Volumes: a.footage.Others()})
	return a.applyOrders(ctx)
}

// close lets go of what open has opened.
func (a *Agent) close() error {
	var err error
	if a.footage != nil {
		err = a.footage.Close()
		a.append(context.Background(), protocol.KindStopped, protocol.Stopped{Reason: "checked, not started"})
	}
	if a.clock != nil {
		err = errors.Join(err, a.clock.Close())
	}
	if a.journal != nil {
		err = errors.Join(err, a.journal.Close())
	}
	return err
}

// restoreCosigned lets the last cosigned checkpoint of the run before this one count again: the witnesses' keys stand in the roster.
func (a *Agent) restoreCosigned() {
	if last := a.journal.CosignedNote(); last != nil {
		if err := a.cosigned(last); err != nil {
			a.Log.Warn("the last cosigned checkpoint no longer counts", "error", err)
		}
	}
}

// applyOrders brings footage to what the journal says was ordered: what a crash cut off between entry and act is done now.
func (a *Agent) applyOrders(ctx context.Context) error {
	if err := a.footage.SetMandates(a.orders.Mandates()); err != nil {
		return fmt.Errorf("footage: %w", err)
	}
	for _, h := range a.orders.Holds() {
		a.place(ctx, h)
	}
	for _, l := range a.orders.Lifts() {
		if err := a.footage.Lift(l.Hold, "lift"); err != nil {
			a.Log.Error("a hold that was lifted still stands", "hold", l.Hold, "error", err)
		}
	}
	for _, e := range a.orders.Erases() {
		a.erase(ctx, e)
	}
	return nil
}

// serve runs everything until ctx ends, or until one part fails in a way that needs a person.
func (a *Agent) serve(ctx context.Context) error {
	// Three circles, stopped from the outside in: those who read footage, those who make it, and the uplink that tells of both.
	uplinkCtx, stopUplink := context.WithCancelCause(context.WithoutCancel(ctx))
	makeCtx, stopMaking := context.WithCancelCause(context.WithoutCancel(ctx))
	readCtx, stopReading := context.WithCancelCause(ctx)
	readers, makers, uplinks := newGroup(stopReading), newGroup(stopReading), newGroup(stopReading)

	a.release = &release.Releaser{Store: a.footage, Journal: a.journal, Orders: a.orders, Dir: filepath.Join(a.Config.Data, "work"), Software: Software,
		Vault: release.Vault{Endpoint: a.Config.Vault.Endpoint, Bucket: a.Config.Vault.Bucket, AccessKey: a.Secrets.Vault.AccessKey,
			SecretKey: a.Secrets.Vault.SecretKey, CAs: a.identity.CA},
		Now: a.Now, Log: a.Log}
	a.uplink = &uplink.Uplink{Recorder: a.Config.Recorder, Now: a.Now, Broker: a.Config.Broker.URL, Certificate: a.identity.Client, CAs: a.identity.CA,
		CheckpointEvery: a.Config.Broker.CheckpointEvery, Journal: a.journal, Cosigned: a.cosigned, Order: a.obey, Ledger: a.ledger,
		Share:  a.shareRoad(),
		Status: func() ([]byte, error) { return a.status("online") }, Will: func() ([]byte, error) { return a.status("offline") }, Session: a.session, Log: a.Log}

	makers.run("clock", func() error { return a.keepTime(makeCtx) })
	if a.Config.KeysHolder == HolderTPM {
		makers.run("TPM", func() error { return a.turnTPM(makeCtx) })
	}
	makers.run("footage", func() error { return a.footage.Run(makeCtx) })
	makers.run("holds", func() error { return a.tendHolds(makeCtx) })
	a.streams = map[string]*stream{}
	for _, c := range a.Config.Cameras {
		s := &stream{agent: a, config: c, login: a.Secrets.Cameras[c.ID]}
		a.streams[string(c.ID)+"/"+string(c.Stream)] = s
	}
	for _, s := range a.streams {
		makers.run("camera "+string(s.config.ID), func() error { return s.keep(makeCtx) })
	}
	readers.run("releases", func() error { return a.releases(readCtx) })
	uplinks.run("uplink", func() error { return a.uplink.Run(uplinkCtx) })
	readers.run("journal", func() error { return a.awaitJournal(readCtx) })
	readers.run("viewer", func() error {
		a.door(readCtx, "Nobody can look back here", func() (net.Listener, error) { return net.Listen("tcp", a.Config.Viewer.Listen) }, a.view)
		return nil
	})
	readers.run("operator's view", func() error { return a.oversee(readCtx) })
	a.Log.Info("recorder started", "recorder", a.Config.Recorder, "cameras", len(a.Config.Cameras), "viewer", a.Config.Viewer.URL)

	<-readCtx.Done()
	stopReading(nil)
	err := within("who reads footage", patience, readers.wait)
	stopMaking(&ingest.Stop{Cause: footage.CauseRecorder, Detail: "the recorder was stopped"})
	err = errors.Join(err, within("cameras and expiry", patience, makers.wait))
	a.stopping.Store(true)
	err = errors.Join(err, within("an order", patience, func() error { // what is being carried out is finished; what comes after it waits for the next start
		a.obeying.Lock()
		defer a.obeying.Unlock()
		return nil
	}))
	sealing := 4 * patience
	if errors.Is(err, ErrLeft) { // it will not get far
		sealing = patience
	}
	if err = errors.Join(err, within("footage", sealing, a.footage.Close)); !errors.Is(err, ErrLeft) {
		stopped, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		a.append(stopped, protocol.KindStopped, protocol.Stopped{Reason: "asked to stop"})
		cancel()
	}
	a.handIn()
	stopUplink(nil)
	err = errors.Join(err, within("the uplink", patience, uplinks.wait), within("the time floor", patience, a.clock.Close), within("the journal", patience, a.journal.Close))
	if cause := context.Cause(readCtx); ctx.Err() == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(err, cause)
	}
	return err
}

// view serves people near the recorder.
func (a *Agent) view(ctx context.Context, l net.Listener) error {
	v := &viewer.Viewer{Certificate: a.identity.Viewer, Desk: a.Config.Viewer.Desk, Recorder: a.Config.Recorder,
		Store: a.footage, Journal: a.journal, Orders: a.orders, Now: a.Now, Log: a.Log}
	return v.Serve(ctx, l)
}

// handIn gives the uplink a moment to have the tail cosigned; what it cannot deliver goes on the next start.
func (a *Agent) handIn() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if size := a.journal.Head().Size; size > 0 {
		if err := a.journal.WaitCosigned(ctx, size-1); err != nil {
			a.Log.Info("the journal's last entries are not cosigned yet; they are handed in at the next start", "entries", size)
		}
	}
}

// append writes an entry that nothing waits for. A failure is an incident that the log of this machine keeps, since the journal cannot.
func (a *Agent) append(ctx context.Context, kind string, body any) {
	if _, err := (overseen{a.journal, &a.watch}).Append(ctx, kind, body); err != nil {
		a.Log.Error("the journal cannot be written: recording and expiry go on, nothing is served", "kind", kind, "error", err)
	}
}

// obey takes one envelope from the uplink; it runs on one goroutine, so orders are carried out in order. One that comes while the recorder stops uses no
// number: the centre sends it again.
func (a *Agent) obey(ctx context.Context, raw []byte) {
	a.obeying.Lock()
	defer a.obeying.Unlock()
	if a.stopping.Load() {
		return
	}
	if a.clock.Read().Doubtful() { // judged by this clock it might be refused, and its number used up; the centre sends it again
		a.Log.Warn("an order waits until it is known what time it is")
		return
	}
	action, err := a.orders.Accept(ctx, raw)
	if errors.Is(err, orders.ErrRepeated) { // brokers repeat, and the centre sends again what it has not seen used
		a.Log.Debug("order repeated", "error", err)
		return
	}
	if err != nil {
		a.Log.Warn("order not accepted", "error", err)
		return
	}
	switch act := action.(type) {
	case *protocol.Mandate:
		a.remember()
		if err := a.footage.SetMandates(a.orders.Mandates()); err != nil {
			a.incident(ctx, "a mandate could not be carried out", act.Camera, err)
		}
		a.mandates.tell()
	case protocol.Hold:
		a.place(ctx, act)
	case protocol.Lift:
		if err := a.footage.Lift(act.Hold, "lift"); err != nil {
			a.incident(ctx, "a hold could not be lifted", act.Camera, err)
		}
	case protocol.Erase:
		a.erase(ctx, act)
	case *protocol.Roster:
		a.remember()
		a.footage.SetHoldShare(int(act.HoldShare))
		if err := a.footage.SetMandates(a.orders.Mandates()); err != nil { // its ceilings count for mandates that came before
			a.incident(ctx, "a roster could not be carried out", "", err)
		}
		a.mandates.tell()
	case orders.Resume:
		a.resume(ctx)
	case *orders.Grant:
		if act.Doc().Use == protocol.UseRelease {
			a.granted.tell()
		}
	}
}

// place has a hold stand. One for which there is no room is refused, and the centre is told which and why; one that the disk refuses is tried again until it stands or
// its end comes: what it is to keep may expire meanwhile.
func (a *Agent) place(ctx context.Context, h protocol.Hold) {
	err := a.footage.Place(h)
	if err == nil {
		return
	}
	if errors.Is(err, footage.ErrHoldShare) {
		if err = a.orders.CannotHold(ctx, h.HoldID(), err); err == nil {
			return
		}
	}
	a.incident(ctx, "a hold could not be placed", h.Camera, err)
	select {
	case a.unplaced <- struct{}{}:
	default:
	}
}

// erase destroys what an order names. One that a hold stands in the way of is refused, and the centre is told why; one that the disk refuses is tried again until it stands.
func (a *Agent) erase(ctx context.Context, e protocol.Erase) {
	err := a.footage.Erase(e)
	if err == nil {
		return
	}
	if errors.Is(err, footage.ErrHeld) {
		if err = a.orders.CannotErase(ctx, e.ID, err); err == nil {
			return
		}
	}
	a.incident(ctx, "an order to erase could not be carried out", e.Camera, err)
	select {
	case a.unplaced <- struct{}{}:
	default:
	}
}

// tendHolds tries again to place, and to erase, what could not be.
func (a *Agent) tendHolds(ctx context.Context) error {
	const again = 10 * time.Second
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.unplaced:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
		a.obeying.Lock()
		for _, h := range a.orders.Holds() {
			a.place(ctx, h)
		}
		for _, e := range a.orders.Erases() {
			a.erase(ctx, e)
		}
		a.obeying.Unlock()
	}
}

func (a *Agent) incident(ctx context.Context, what string, camera protocol.CameraID, err error) {
	a.Log.Error(what, "camera", camera, "error", err)
	a.append(ctx, protocol.KindIncident, protocol.Incident{What: what, Camera: camera, Detail: err.Error()})
}

// cosigned takes a checkpoint note from the uplink; the roster says whose cosignatures count.
func (a *Agent) cosigned(raw []byte) error {
	roster := a.orders.Roster()
	var witnesses []note.Verifier
	for _, key := range roster.Witnesses {
		v, err := chain.WitnessVerifier(key)
		if err != nil {
			return err
		}
		witnesses = append(witnesses, v)
	}
	behind := a.journal.Behind()
	err := a.journal.Cosigned(raw, witnesses, int(roster.Quorum))
	if a.journal.Behind() && !behind {
		a.statusChanged() // the privacy officer is to know at once
	}
	if errors.Is(err, journal.ErrQuorum) { // an outside witness is slower than the centre, or absent: the journal knows which, and the status says so in time
		a.Log.Debug("not enough cosignatures yet", "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	if size, at := a.journal.CosignedHead(); size > a.begun && !at.Equal(a.heard) { // made since this start, so it is no older
		a.heard = at
		a.clock.Cosigned(at)
	}
	return nil
}

// ledger follows the centre's ledger; see package orders.
func (a *Agent) ledger(ctx context.Context, raw []byte) {
	a.obeying.Lock()
	defer a.obeying.Unlock()
	if a.stopping.Load() {
		return
	}
	_, before := a.orders.Ledger()
	err := a.orders.SeeLedger(ctx, raw)
	if errors.Is(err, orders.ErrLedger) {
		if _, now := a.orders.Ledger(); before == "" && now != "" {
			a.incident(ctx, "the centre's ledger was rolled back or forked", "", err)
		}
		return
	}
	if err != nil {
		a.Log.Warn("a ledger checkpoint was not accepted", "error", err)
	}
}
