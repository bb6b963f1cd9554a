package ingest

import (
	"math/bits"
	"sync"
)

// loan is memory that is lent to one access unit, and comes back by release for the next. One that never comes back is garbage like any other.
type loan struct {
	b       []byte
	release func()
}

// loans wait here by size: a quarter of a power of two from 16 KiB on, and 4 KiB below. Frames come and go as fast as the video does; without this they would have
// the garbage collector run every second, which costs as much as hashing them.
var loans [bits.UintSize + 1][9]sync.Pool

// lend gives memory of exactly size bytes, with whatever is in it.
func lend(size int) *loan {
	octave := max(bits.Len(uint(size)), 15)
	step := 1 << (octave - 3)
	n := (size + step - 1) / step
	pool := &loans[octave][n]
	l, _ := pool.Get().(*loan)
	if l == nil {
		l = &loan{b: make([]byte, n*step)}
		l.release = func() { pool.Put(l) }
	}
	l.b = l.b[:size]
	return l
}
