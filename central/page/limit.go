package page

import (
	"maps"
	"sync"
	"time"
)

// Limiter lets each name through at a steady pace, with some at once: it keeps one from taking the centre from the others. It counts at this centre alone; what
// must hold over all centres stands in the ledger.
type Limiter struct {
	perSecond, burst float64

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// mostBuckets bounds the memory that names take; those that are full again are forgotten first.
const mostBuckets = 10_000

// NewLimiter lets burst through at once, and perSecond after that.
func NewLimiter(perSecond, burst float64) *Limiter {
	return &Limiter{perSecond: perSecond, burst: burst, buckets: map[string]bucket{}}
}

// Take lets one through, or says how long to wait.
func (l *Limiter) Take(name string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := l.left(l.buckets[name], now)
	if _, known := l.buckets[name]; !known && len(l.buckets) >= mostBuckets {
		maps.DeleteFunc(l.buckets, func(_ string, b bucket) bool { return l.left(b, now) >= l.burst })
		if len(l.buckets) >= mostBuckets {
			return time.Second, false
		}
	}
	if left < 1 {
		return time.Duration((1 - left) / l.perSecond * float64(time.Second)), false
	}
	l.buckets[name] = bucket{left - 1, now}
	return 0, true
}

func (l *Limiter) left(b bucket, now time.Time) float64 {
	if b.at.IsZero() {
		return l.burst
	}
	return min(l.burst, b.left+max(0, now.Sub(b.at).Seconds())*l.perSecond)
}
