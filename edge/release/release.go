// Package release carries out a release grant: it reads the footage, makes the bag, encrypts it and uploads it to the vault.
//
// # The rule
//
// Nothing is read before the journal says that it will be (invariant 9), and that entry is covered by a cosigned checkpoint (invariant
// 13). A grant is used once: the journal tells how far it came, and what it calls done or failed for good is not begun again. What
// leaves is exactly what was approved: the interval on the grant must be what the recorder rounds the asked one to today.
//
// # Steps
//
//	the grant is valid, and nothing in the journal says that it is over
//	rounding: footage.Round(asked) = the grant's interval, and there is footage
//	release.intent → Receipt → wait until it is cosigned
//	footage → bag → age, as one stream, into <work>/<grant>.age; then <work>/<grant>.json says what is in it
//	upload as release/<recorder>/<grant>.age, locked in the vault for fourteen days
//	release.done → remove both files
//
// The bag is never on this disk in clear: what is written is already encrypted to the recipient, and this recorder cannot read it back. Both files
// are synced before the upload begins, so a crash between upload and release.done ends with the same bytes under the same name, not with a
// second object. A release that was cut off before that reads again, under its first release.intent: one release has one.
//
// # Failures
//
// What may pass (no network, a full vault) is tried again with growing pauses while the grant is valid; the first few failures are journalled as
// release.failed. What cannot pass (another rounding, damaged footage, a grant that is over) ends with release.failed, final; of damaged footage it names each
// segment, since a court must be able to see which. When the journal cannot be written the release stops at once (invariant 10).
package release

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
)

const (
	maxPause   = 5 * time.Minute
	maxEntries = 3 // release.failed entries of one Release that are not final
	atOnce     = 2 // attempts: a release reads and encrypts a whole interval; recording goes first
)

// ErrBusy: this grant is being released at this moment.
var ErrBusy = errors.New("this grant is being released already")

// Releaser carries out release grants. Its fields are set before the first call and not changed after it.
type Releaser struct {
	Store    Store
	Journal  *journal.Journal
	Orders   *orders.Orders
	Vault    Vault
	Dir      string        // for the encrypted bags on their way; made if it is not there
	Software string        // for bag-info.txt
	Pause    time.Duration // after the first failure, then twice as long each time; zero: two seconds
	Now      func() time.Time
	Log      *slog.Logger

	cleaning sync.Mutex
	cleaned  bool // under cleaning

	mu   sync.Mutex
	busy map[protocol.GrantID]bool // under mu

	turns chan struct{} // made under mu before the first attempt; one that waits to try again has given its turn up
}

// final is a failure that trying again cannot mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

func finally(format string, args ...any) error { return final{fmt.Errorf(format, args...)} }

// Release carries out a grant to its end: nil once release.done is in the journal, or was. It returns early when ctx ends, when the journal
// fails, or when the release has failed for good; only the last is final, the others are taken up by calling it again.
func (r *Releaser) Release(ctx context.Context, g *orders.Grant) error {
	doc := g.Doc()
	if doc.Use != protocol.UseRelease {
		return fmt.Errorf("release: %q is not a release grant that this recorder accepted", doc.ID)
	}
	if !r.begin(doc.GrantID()) {
		return fmt.Errorf("release %s: %w", doc.ID, ErrBusy)
	}
	defer r.end(doc.GrantID())
	if err := r.Clean(); err != nil {
		return fmt.Errorf("release %s: %w", doc.ID, err)
	}
	var last error
	for failures := 0; ; failures++ {
		progress, err := r.Orders.Release(doc.GrantID())
		if err != nil {
			return fmt.Errorf("release %s: %w", doc.ID, err)
		}
		if progress.Over() {
			return r.remove(doc.GrantID())
		}
		if progress.Void {
			err = finally("this grant was given before the recorder's log was put back and resumed (log %d): what became of it may be in what was lost, and a grant is used once; ask for a new one", r.Journal.Log())
		} else {
			err = r.attempt(ctx, g, progress, last)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil: // whatever it failed of, it was stopped
			return fmt.Errorf("release %s: %w: %w", doc.ID, ctx.Err(), err)
		case errors.As(err, new(journalError)):
			return fmt.Errorf("release %s: %w", doc.ID, err)
		case errors.As(err, new(final)):
			r.Log.Error("release failed for good", "grant", doc.ID, "error", err)
			if jerr := r.failed(ctx, doc, err, true); jerr != nil {
				return errors.Join(fmt.Errorf("release %s: %w", doc.ID, err), jerr)
			}
			return errors.Join(fmt.Errorf("release %s: %w", doc.ID, err), r.remove(doc.GrantID()))
		}
		last = err
		r.Log.Warn("release failed, will be tried again", "grant", doc.ID, "failures", failures+1, "error", err)
		if failures < maxEntries {
			if jerr := r.failed(ctx, doc, err, false); jerr != nil {
				return fmt.Errorf("release %s: %w", doc.ID, errors.Join(err, jerr))
			}
		}
		if err := r.pause(ctx, failures, doc.NotAfter.Sub(r.Now())); err != nil {
			return fmt.Errorf("release %s: %w", doc.ID, err)
		}
	}
}

// attempt goes through all steps once, when it is its turn.
func (r *Releaser) attempt(ctx context.Context, g *orders.Grant, progress orders.Release, last error) error {
	select {
	case r.turns <- struct{}{}:
		defer func() { <-r.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	doc := g.Doc()
	now := r.Now()
	p, err := r.prepared(doc.GrantID())
	if over := g.Valid(now); over != nil {
		if err == nil && p != nil {
			var there bool
			if there, err = r.Vault.has(ctx, p); there { // it left in time, and only the entry that says so is missing
				return r.done(ctx, doc, p)
			}
		}
		if last == nil {
			last = err
		}
		if last != nil {
			over = fmt.Errorf("%w; the last trouble was: %w", over, last)
		}
		return final{over}
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, doc.NotAfter.Sub(now)) // the grant's end ends whatever is under way
	defer cancel()
	if p == nil {
		if p, err = r.prepare(ctx, g, progress); err != nil {
			return err
		}
	}
	if err := r.Vault.put(ctx, p, r.bagFile(doc.GrantID()), now.Add(protocol.HandOverTerm)); err != nil {
		return err
	}
	return r.done(ctx, doc, p)
}

// done journals that a bag lies in the vault.
func (r *Releaser) done(ctx context.Context, doc protocol.Grant, p *prepared) error {
	done := protocol.Released{Grant: doc.GrantID(), Request: doc.Request, Camera: doc.Camera, Intent: p.Intent, Object: p.Object,
		Size: p.Size, SHA256: p.SHA256, Bag: p.Bag, Manifest: p.Manifest, Segments: p.Segments, Gaps: p.Gaps}
	// The bag has left: its entry is written also when the grant ended, or the recorder stops, at this moment.
	if _, err := r.Journal.Append(context.WithoutCancel(ctx), protocol.KindReleased, done); err != nil {
		return journalError{err}
	}
	r.Log.Info("released", "grant", doc.ID, "camera", doc.Camera, "object", p.Object, "bytes", p.Size, "segments", p.Segments)
	return r.remove(doc.GrantID())
}

// prepare journals the intent, waits for the witness, and only then reads.
func (r *Releaser) prepare(ctx context.Context, g *orders.Grant, progress orders.Release) (*prepared, error) {
	doc := g.Doc()
	if err := r.rounds(doc); err != nil {
		return nil, err
	}
	if err := r.Store.SealMinute(ctx); err != nil { // the minutes of what will be read come before the intent, and so under its checkpoint
		return nil, journalError{err}
	}
	receipt, err := r.intent(ctx, g, progress)
	if err != nil && ctx.Err() == nil {
		return nil, journalError{err}
	} else if err != nil {
		return nil, err
	}
	if err := r.Journal.WaitCosigned(ctx, receipt.Seq()); err != nil {
		return nil, fmt.Errorf("the intent is not cosigned: %w", err)
	}
	return r.bag(ctx, g, receipt)
}

// intent journals what is about to happen; of a release that was cut off it stands there already. Nobody else reads under it: see begin.
func (r *Releaser) intent(ctx context.Context, g *orders.Grant, progress orders.Release) (*journal.Receipt, error) {
	doc := g.Doc()
	if progress.Intent > 0 {
		return r.Journal.Resume(progress.Intent, doc.GrantID(), doc.Camera, doc.Interval)
	}
	return r.Journal.Access(ctx, protocol.KindIntent, protocol.Access{How: "release", Grant: doc.GrantID(), Request: doc.Request, Camera: doc.Camera,
		Interval: doc.Interval, Person: doc.Requester, Recipient: doc.Recipient, Reason: doc.Purpose, Document: g.Hash(), Level: g.Level()}, doc.Camera, doc.Interval)
}

// rounds checks that what was approved is what would be read.
func (r *Releaser) rounds(doc protocol.Grant) error {
	interval, lines, err := r.Store.Round(doc.Camera, doc.Asked)
	switch {
	case err != nil:
		return err
	case len(lines) == 0 && r.erased(doc):
		return finally("the footage of camera %s in %s was destroyed as unlawful, by an order of two approvers", doc.Camera, doc.Asked)
	case len(lines) == 0:
		return finally("there is no footage of camera %s in %s", doc.Camera, doc.Asked)
	case !interval.Equal(doc.Interval):
		return finally("the grant is for %s, but %s rounds to %s: what was approved is not what is here", doc.Interval, doc.Asked, interval)
	}
	return nil
}

// erased says that footage was there and went by order.
func (r *Releaser) erased(doc protocol.Grant) bool {
	gaps, err := r.Store.Gaps(doc.Camera, doc.Asked)
	return err == nil && slices.ContainsFunc(gaps, func(g protocol.Gap) bool { return g.Cause == string(footage.CauseErased) })
}

// journalError: the journal could not be written, so nothing more may happen.
type journalError struct{ err error }

func (e journalError) Error() string {
	return "journal: " + strings.TrimPrefix(e.err.Error(), "journal: ")
}
func (e journalError) Unwrap() error { return e.err }

func (r *Releaser) failed(ctx context.Context, doc protocol.Grant, why error, final bool) error {
	reason := []rune(strings.ToValidUTF8(why.Error(), "?"))
	body := protocol.ReleaseFailed{Grant: doc.GrantID(), Request: doc.Request, Reason: string(reason[:min(len(reason), 500)]), Final: final}
	if _, err := r.Journal.Append(ctx, protocol.KindReleaseFail, body); err != nil {
		return journalError{err}
	}
	return nil
}

// pause waits longer after each failure, with a third of chance in it so that many recorders do not come back at one moment; never past the
// grant's end.
func (r *Releaser) pause(ctx context.Context, failures int, left time.Duration) error {
	first := r.Pause
	if first == 0 {
		first = 2 * time.Second
	}
	d := min(first<<min(failures, 12), maxPause)
	d += time.Duration(rand.Int64N(int64(d)/3 + 1))
	t := time.NewTimer(max(min(d, left), 0))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Releaser) begin(id protocol.GrantID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[id] {
		return false
	}
	if r.busy == nil {
		r.busy, r.turns = map[protocol.GrantID]bool{}, make(chan struct{}, atOnce)
	}
	r.busy[id] = true
	return true
}

func (r *Releaser) end(id protocol.GrantID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, id)
}
