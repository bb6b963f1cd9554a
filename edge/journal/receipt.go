package journal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Receipt shows that an access is on record: its entry was on the disk before the Receipt existed. It allows one read of one
// camera within one interval. Only [Journal.Access] makes one; the zero value allows nothing.
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
