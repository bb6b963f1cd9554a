package journal

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Append by 64 at once, each waiting for its entry to be on disk, against rows as large given to bbolt's own batches by 64 at once.
func BenchmarkCostAppend(b *testing.B) {
	const writers, entries, row = 64, 6400, 400
	together := func(write func(n int64) error) time.Duration {
		var n atomic.Int64
		var all sync.WaitGroup
		began := time.Now()
		for range writers {
			all.Go(func() {
				for i := n.Add(1); i <= entries; i = n.Add(1) {
					if err := write(i); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		return time.Since(began)
	}
	for b.Loop() {
		w := newWorld(b)
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "peer.db"), 0o600, nil)
		w.must(err)
		db.MaxBatchSize = writers // or each batch waits for more writers than there are
		w.must(db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("rows")); return err }))
		value := make([]byte, row)
		peer := together(func(n int64) error {
			return db.Batch(func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte("rows")).Put(binary.BigEndian.AppendUint64(nil, uint64(n)), value)
			})
		})
		w.must(db.Close())
		j := w.open()
		ours := together(func(int64) error {
			_, err := j.Append(context.Background(), "test", protocol.Incident{What: "x"})
			return err
		})
		b.ReportMetric(peer.Seconds()/ours.Seconds(), "×_the_rate_of_bbolt's_batches")
		b.ReportMetric(entries/ours.Seconds(), "entries/s")
	}
}
