package journal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Receipt shows that an access is on record: its entry was on the disk before the Receipt existed. It allows one read of one
// camera within one interval. Only [Journal.Access] makes one, and [Journal.Resume] for an intent that was not carried out; the zero value allows nothing.
type Receipt struct {
	seq      uint64
	camera   protocol.CameraID
	interval protocol.Interval
	unused   *atomic.Bool // shared by copies, so that a copy is no second use
}

// Access journals an access, as release.intent or access.view, and returns its Receipt. The interval must be within the one that
// body states: what is read is what was written down. It is refused on a log that is behind its witnesses (invariant 13).
func (j *Journal) Access(ctx context.Context, kind string, body protocol.Access, camera protocol.CameraID, interval protocol.Interval) (*Receipt, error) {
	if kind != protocol.KindIntent && kind != protocol.KindView {
		return nil, fmt.Errorf("access: an entry of kind %q does not record an access", kind)
	}
	if err := interval.Valid(); err != nil {
		return nil, fmt.Errorf("access: %w", err)
	}
	if body.Camera != camera || !body.Interval.Contains(interval) {
		return nil, fmt.Errorf("access: the entry says %s %s, the read would be of %s %s", body.Camera, body.Interval, camera, interval)
	}
	if j.Behind() {
		return nil, ErrBehind
	}
	seq, err := j.Append(ctx, kind, body)
	if err != nil {
		return nil, err
	}
	r := &Receipt{seq: seq, camera: camera, interval: interval, unused: new(atomic.Bool)}
	r.unused.Store(true)
	return r, nil
}

// Resume gives a Receipt for a release.intent that stands in the journal already, so that a release which a crash or a failure cut off reads under its
// first entry and leaves no second. Only for the same grant, camera and interval, and only as long as no release.done, nor a final
// release.failed, of that grant stands in the journal. The caller sees to it that nobody reads under this entry any more.
func (j *Journal) Resume(seq uint64, grant protocol.GrantID, camera protocol.CameraID, interval protocol.Interval) (*Receipt, error) {
	if err := interval.Valid(); err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	if err := j.Err(); err != nil { // the outcome could not be written down (invariant 10)
		return nil, err
	}
	if j.Behind() {
		return nil, ErrBehind
	}
	found := false
	err := j.each(seq, func(h chain.Header, e chain.Entry) error {
		if h.Seq == seq {
			var intent protocol.Access
			if h.Kind != protocol.KindIntent || e.Body == nil {
				return fmt.Errorf("is %s, not an intent that can be read", h.Kind)
			}
			if err := chain.ParseBody(e.Body, &intent); err != nil {
				return err
			}
			if intent.Grant != grant || intent.Camera != camera || !intent.Interval.Equal(interval) {
				return fmt.Errorf("is for grant %s, %s %s, not for %s, %s %s", intent.Grant, intent.Camera, intent.Interval, grant, camera, interval)
			}
			found = true
			return nil
		}
		over, err := outcome(h, e.Body, grant)
		if err == nil && over {
			err = fmt.Errorf("has its outcome in entry %d, %s", h.Seq, h.Kind)
		}
		return err
	})
	if err == nil && !found {
		err = errors.New("does not exist")
	}
	if err != nil {
		return nil, fmt.Errorf("resume: entry %d %w", seq, err)
	}
	r := &Receipt{seq: seq, camera: camera, interval: interval, unused: new(atomic.Bool)}
	r.unused.Store(true)
	return r, nil
}

// outcome says whether an entry ends the release of a grant.
func outcome(h chain.Header, body []byte, grant protocol.GrantID) (over bool, err error) {
	if body == nil {
		return false, nil
	}
	switch h.Kind {
	case protocol.KindReleased:
		var b protocol.Released
		err = chain.ParseBody(body, &b)
		over = b.Grant == grant
	case protocol.KindReleaseFail:
		var b protocol.ReleaseFailed
		err = chain.ParseBody(body, &b)
		over = b.Grant == grant && b.Final
	}
	return over, err
}

// Seq is the number of the access's entry; see [Journal.WaitCosigned].
func (r *Receipt) Seq() uint64 { return r.seq }

// Use spends the Receipt on reading interval of camera. It is spent also when it is refused.
func (r *Receipt) Use(camera protocol.CameraID, interval protocol.Interval) error {
	if r == nil || r.unused == nil {
		return errors.New("receipt: none; an access must be journalled before footage is read")
	}
	if !r.unused.CompareAndSwap(true, false) {
		return fmt.Errorf("receipt of entry %d: already used; every read needs its own", r.seq)
	}
	if r.camera != camera || interval.Valid() != nil || !r.interval.Contains(interval) {
		return fmt.Errorf("receipt of entry %d is for %s %s, not for %s %s", r.seq, r.camera, r.interval, camera, interval)
	}
	return nil
}
