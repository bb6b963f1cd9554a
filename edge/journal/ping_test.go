package journal

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Ping asks the writer itself, writes nothing, and does not wait for one that hangs.
func TestPing(t *testing.T) {
	w := newWorld(t)
	j := w.open()
	w.fill(j, 3)
	before := j.Head().Size
	if err := j.Ping(t.Context()); err != nil || j.Head().Size != before {
		t.Errorf("%v; %d entries, then %d", err, before, j.Head().Size)
	}
	hangs := &Journal{pings: make(chan chan error), done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := hangs.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a writer that hangs: %v", err)
	}
	w.must(j.Close())
	if err := j.Ping(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
