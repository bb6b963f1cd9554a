package edge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// broadcast tells any number of goroutines that something changed. Take wait before looking, so that nothing is missed.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func newBroadcast() *broadcast { return &broadcast{ch: make(chan struct{})} }

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// group runs goroutines that stop together; one that fails stops the recorder in order, with its name in the error.
type group struct {
	wg   sync.WaitGroup
	fail context.CancelCauseFunc
}

func newGroup(fail context.CancelCauseFunc) *group { return &group{fail: fail} }

func (g *group) run(name string, f func() error) {
	g.wg.Go(func() {
		if err := f(); err != nil && !errors.Is(err, context.Canceled) {
			g.fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

func (g *group) wait() error { g.wg.Wait(); return nil }

// ErrLeft: a part did not stop, since it waits for a disk that does not answer. The next start takes up what it left.
var ErrLeft = errors.New("does not stop, and was left as it was; the next start takes it up. Does its disk answer? Look at `dmesg`")

// patience is how long one part may take to stop: all of them together stay within TimeoutStopSec of beeldwacht-edge.service.
const patience = 5 * time.Second

// within waits for stop, but not for ever.
func within(part string, longest time.Duration, stop func() error) error {
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	select {
	case err := <-stopped:
		return err
	case <-time.After(longest):
		return fmt.Errorf("%s: %w", part, ErrLeft)
	}
}

// status is what the recorder says of itself, signed.
func (a *Agent) status(state string) ([]byte, error) {
	size, _ := a.journal.CosignedHead()
	var usage footage.Usage
	if !a.stopping.Load() {
		usage = a.footage.Usage()
	}
	s := protocol.Status{
		Recorder: a.Config.Recorder, Time: protocol.T(a.Now()), State: state, Log: a.journal.Epochs().Log, Entries: a.journal.Head().Size, Cosigned: size,
		LastOrder: a.orders.LastOrder(), Dropped: a.orders.Dropped(), DiskBytes: usage.Bytes, DiskFree: usage.Free, HeldBytes: usage.Held,
		Viewer: a.Config.Viewer.URL, Software: Software,
	}
	head, fault := a.orders.Ledger()
	s.Ledger = &head
	switch {
	case a.unopened != nil:
		s.Why = "the journal cannot be opened: this recorder records and expires by what it remembers, and serves nothing; " + a.unopened.Error()
	case a.journal.Err() != nil:
		s.Why = "the journal cannot be written: this recorder records and expires, and serves nothing until it can; " + a.journal.Err().Error()
	case a.journal.Behind():
		s.Why = protocol.WhyBehind
	case fault != "":
		s.Why = "no order is taken: the centre's ledger is not the one seen before; " + fault
	default:
		for _, v := range usage.Volumes {
			if v.Away != "" {
				s.Why = fmt.Sprintf("a disk with %d bytes of footage is missing: that cannot be shown or released now; %s: %s", v.Bytes, v.Dir, v.Away)
			}
		}
	}
	if !a.stopping.Load() {
		if s.Why == "" && a.footage.KeyState().Locked {
			s.Why = a.lockedWhy()
		}
		var err error
		if s.Share, err = a.shareAsk(); err != nil {
			return nil, err
		}
	}
	for _, c := range a.Config.Cameras {
		if st := a.streams[string(c.ID)+"/"+string(c.Stream)]; st != nil {
			s.Cameras = append(s.Cameras, st.status())
		}
	}
	return protocol.SignStatus(s, a.identity.Signer)
}

// releases carries out every release grant that the journal knows as accepted and not ended. What to do is read from there each time, so a grant
// whose release a crash cut off is taken up like a new one.
func (a *Agent) releases(ctx context.Context) error {
	if err := a.release.Clean(); err != nil {
		a.Log.Error("what earlier releases left behind cannot be removed", "error", err)
	}
	var busy sync.Map
	const again = time.Minute // what the journal or the store refused may work by then
	var running sync.WaitGroup
	defer running.Wait()
	for {
		granted := a.granted.wait()
		unfinished := a.orders.Unfinished()
		if a.footage.KeyState().Locked {
			unfinished = nil // nothing can be read; when the share comes, granted tells
		}
		for _, g := range unfinished {
			if _, taken := busy.LoadOrStore(g.Doc().ID, true); taken {
				continue
			}
			running.Go(func() {
				defer busy.Delete(g.Doc().ID)
				if err := a.release.Release(ctx, g); err != nil && ctx.Err() == nil {
					a.Log.Error("release failed", "grant", g.Doc().ID, "error", err) // the journal says so too; nothing else stops (invariant 14)
				}
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-granted:
		case <-time.After(again):
		}
	}
}
