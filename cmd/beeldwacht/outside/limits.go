package outside

import (
	"sync"
	"time"
)

// limits counts for each of many names how much it may still do: burst at first, and rate more a second.
type limits struct {
	rate, burst float64

	mu   sync.Mutex
	left map[string]left
}

type left struct {
	n  float64
	at time.Time
}

// mostNames: beyond it all are forgotten, rather than memory grows (invariant 15).
const mostNames = 100_000

func newLimits(rate, burst float64) *limits {
	return &limits{rate: rate, burst: burst, left: map[string]left{}}
}

// allow counts one; spent asks without counting.
func (l *limits) allow(name string, now time.Time) bool { return l.count(name, now, 1) }
func (l *limits) spent(name string, now time.Time) bool { return !l.count(name, now, 0) }

func (l *limits) count(name string, now time.Time, n float64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	have, ok := l.left[name]
	if !ok {
		have = left{l.burst, now}
	}
	if passed := now.Sub(have.at); passed > 0 {
		have.n = min(l.burst, have.n+passed.Seconds()*l.rate)
	}
	have.at = now
	enough := have.n >= max(n, 1)
	if enough {
		have.n -= n
	}
	if !ok && len(l.left) >= mostNames {
		clear(l.left)
	}
	l.left[name] = have
	return enough
}
