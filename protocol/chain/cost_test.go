package chain_test

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Verify against SHA-256 alone, once over the same bytes. A header is hashed twice, for the chain and for the tree, and all of it is parsed.
func BenchmarkCostVerify(b *testing.B) {
	const entries, times = 20_000, 5
	for b.Loop() {
		f := newFixture(b, entries)
		log := stream(b, f.entries, f.checkpoint(b, entries))
		var peer, ours time.Duration
		for range times { // one after the other, so that what disturbs one disturbs both
			began := time.Now()
			sha256.Sum256(log)
			peer += time.Since(began)
			began = time.Now()
			_, err := chain.Verify(bytes.NewReader(log), f.verifier)
			ours += time.Since(began)
			must(b, err)
		}
		b.ReportMetric(ours.Seconds()/peer.Seconds(), "×_the_time_of_bare_SHA-256")
		b.ReportMetric(entries*times/ours.Seconds(), "entries/s")
	}
}
