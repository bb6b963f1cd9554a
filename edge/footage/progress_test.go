package footage

import (
	"context"
	"testing"
	"time"
)

// Progress tells a loop that goes round, on an idle recorder too, from one that hangs: here because somebody else is at expiry and does not come back.
func TestProgressStopsWhenExpiryHangs(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Now, c.SealEvery = time.Now, time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Store.Run(ctx) }()
	moves := func(within time.Duration) bool {
		before := r.Progress()
		for began := time.Now(); time.Since(began) < within; time.Sleep(time.Millisecond) {
			if r.Progress() != before {
				return true
			}
		}
		return false
	}
	if !moves(10*time.Second) || !moves(10*time.Second) {
		t.Error("an idle recorder makes no progress")
	}
	r.sweeping.Lock()
	time.Sleep(50 * time.Millisecond) // what was under way ends
	if moves(200 * time.Millisecond) {
		t.Error("a loop that hangs makes progress")
	}
	r.sweeping.Unlock()
	if !moves(10 * time.Second) {
		t.Error("it does not go on")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
