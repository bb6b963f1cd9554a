package ingest

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// blockSize is that of most blocks, in bytes: some frames long.
const blockSize = 128 << 10

// block is memory that access units are received in, one behind the other. It comes back when all of them have, for others: frames come and go as fast as the video does, and
// without this they would have the garbage collector run every second. One that never comes back is garbage like any other.
type block struct {
	b       []byte
	holders atomic.Int32 // the access units in it, and whoever fills it
	release func()       // for each of them
}

// blocks wait here by size, a power of two.
var blocks [bits.UintSize + 1]sync.Pool

// newBlock gives an empty block with room for so many bytes, and its first holder.
func newBlock(size int) *block {
	log := bits.Len(uint(max(size, blockSize) - 1))
	l, _ := blocks[log].Get().(*block)
	if l == nil {
		l = &block{b: make([]byte, 0, 1<<log)}
		l.release = func() {
			if l.holders.Add(-1) == 0 {
				blocks[log].Put(l)
			}
		}
	}
	l.b = l.b[:0]
	l.holders.Store(1)
	return l
}
