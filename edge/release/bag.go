package release

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

// Store is the footage that is released from: a *footage.Store.
type Store interface {
	SealMinute(ctx context.Context) error
	Round(camera protocol.CameraID, i protocol.Interval) (protocol.Interval, []protocol.SegmentLine, error)
	Gaps(camera protocol.CameraID, i protocol.Interval) ([]protocol.Gap, error)
	Read(grant *orders.Grant, interval protocol.Interval, receipt *journal.Receipt) (*footage.Reading, error)
}

// bag reads the footage and writes the encrypted bag into the work directory, in one stream.
func (r *Releaser) bag(ctx context.Context, g *orders.Grant, receipt *journal.Receipt) (_ *prepared, err error) {
	doc := g.Doc()
	reading, err := r.Store.Read(g, doc.Interval, receipt)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reading.Close()) }()
	papers, err := r.gather(ctx, g, reading, receipt.Seq())
	if err != nil {
		return nil, err
	}
	recipient, err := parseRecipient(doc.Recipient)
	if err != nil {
		return nil, final{err}
	}

	f, err := os.OpenFile(r.bagFile(doc.GrantID()), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.remove(doc.GrantID()))
		}
	}()
	out := &counted{w: f, sum: sha256.New()}
	info, err := r.write(ctx, out, recipient, g, reading, papers)
	if errors.Is(err, footage.ErrDamaged) {
		err = damaged(ctx, reading)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("bag: %w", err)
	}
	p := prepared{V: preparedVersion, Grant: doc.GrantID(), Intent: receipt.Seq(), Object: ObjectName(doc.Recorder, doc.GrantID()), Size: out.n,
		SHA256: protocol.Hash(out.sum.Sum(nil)), Bag: info.SHA256, Manifest: info.Manifest, Segments: info.Segments, Gaps: info.Gaps}
	if err := r.keep(p); err != nil {
		return nil, err
	}
	return &p, nil
}

func (r *Releaser) write(ctx context.Context, out io.Writer, recipient age.Recipient, g *orders.Grant, reading *footage.Reading, papers *papers) (evidence.BagInfo, error) {
	sealed, err := age.Encrypt(out, recipient)
	if err != nil {
		return evidence.BagInfo{}, err
	}
	w, err := evidence.NewWriter(sealed, evidence.About{Grant: g.Signed().Raw, Roster: g.Roster().Raw, Checkpoint: papers.checkpoint, Made: r.Now(), Software: r.Software})
	if err != nil {
		return evidence.BagInfo{}, err
	}
	inits := map[protocol.RunID][]byte{}
	for _, s := range inBagOrder(reading.Segments()) {
		if err := ctx.Err(); err != nil {
			return evidence.BagInfo{}, err
		}
		init, ok := inits[s.Run]
		if !ok {
			if init, err = reading.Init(s.Run); err != nil {
				return evidence.BagInfo{}, err
			}
			inits[s.Run] = init
		}
		plaintext, err := reading.Open(s)
		if err != nil {
			return evidence.BagInfo{}, err
		}
		err = w.AddSegment(evidence.Segment{SegmentLine: s.SegmentLine, Minute: s.Minute, Index: s.Index, Count: s.Count, Path: s.Path}, init, plaintext)
		if err = errors.Join(err, plaintext.Close()); err != nil {
			return evidence.BagInfo{}, err
		}
	}
	for _, gap := range reading.Gaps() {
		if err := w.AddGap(gap); err != nil {
			return evidence.BagInfo{}, err
		}
	}
	for _, order := range papers.orders {
		if err := w.AddOrder(order); err != nil {
			return evidence.BagInfo{}, err
		}
	}
	for _, e := range papers.entries {
		if err := w.AddEntry(e.entry, e.proof); err != nil {
			return evidence.BagInfo{}, err
		}
	}
	info, err := w.Close()
	return info, errors.Join(err, sealed.Close())
}

// damaged reads all of a reading to its end and names what is damaged in it, with its times, so that who asked knows which footage there is no more and can ask for the
// rest with grants that leave it out. That is final: what leaves is what was approved, or nothing.
func damaged(ctx context.Context, reading *footage.Reading) error {
	var names []string
	for _, s := range inBagOrder(reading.Segments()) {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := reading.Init(s.Run)
		if err == nil {
			var plaintext io.ReadCloser
			if plaintext, err = reading.Open(s); err == nil {
				_, err = io.Copy(io.Discard, plaintext)
				err = errors.Join(err, plaintext.Close())
			}
		}
		switch {
		case errors.Is(err, footage.ErrDamaged):
			names = append(names, fmt.Sprintf("%s %s %d, %s", s.Stream, s.Run, s.N, protocol.Interval{From: s.Start.Time, To: s.End.Time}))
		case err != nil:
			return err
		}
	}
	return finally("damaged on this recorder's disk, so nothing was released: %d of %d segments: %s", len(names), len(reading.Segments()), strings.Join(names, "; "))
}

// inBagOrder is stream by stream, run by run, as the segments stand in their run.
func inBagOrder(segments []footage.Segment) []footage.Segment {
	sorted := slices.Clone(segments)
	slices.SortStableFunc(sorted, func(a, b footage.Segment) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Run, b.Run), cmp.Compare(a.N, b.N))
	})
	return sorted
}

// papers is what proves the footage and its release, all under one checkpoint.
type papers struct {
	checkpoint []byte
	entries    []proven
	orders     [][]byte
}

type proven struct {
	entry chain.Entry
	proof chain.Proof
}

// gather finds the journal's entries that belong in the bag: the minutes of the segments, this release's intent, the starts of the runs, the
// gaps, the holds of this request, and the orders that allowed all this; and, where the interval begins before there can have been footage, the entries that show
// it: the first of all, and the camera's first mandate; and where the log was resumed. What came after the cosigned checkpoint is left out.
func (r *Releaser) gather(ctx context.Context, g *orders.Grant, reading *footage.Reading, intent uint64) (*papers, error) {
	doc := g.Doc()
	needed := map[uint64]bool{intent: true}
	runs := map[protocol.RunID]bool{}
	last := intent
	for _, s := range reading.Segments() {
		if !s.Listed {
			return nil, fmt.Errorf("segment %s %s %d is not journalled yet", s.Camera, s.Run, s.N)
		}
		needed[s.Minute], runs[s.Run] = true, true
		last = max(last, s.Minute)
	}
	if err := r.Journal.WaitCosigned(ctx, last); err != nil {
		return nil, fmt.Errorf("the footage's entries are not cosigned: %w", err)
	}
	for ctx.Err() == nil {
		p := &papers{checkpoint: r.Journal.CosignedNote()}
		if e := g.Envelope(); len(e) > 0 {
			p.orders = append(p.orders, e)
		}
		size, _ := r.Journal.CosignedHead()
		entries, mandate, err := r.relevant(doc, needed, runs, reading.Gaps(), g.Accepted(), size)
		if err != nil {
			return nil, err
		}
		if mandate != nil {
			p.orders = append(p.orders, mandate)
		}
		same := true
		for _, e := range entries {
			h, err := chain.ParseHeader(e.Header)
			if err != nil {
				return nil, err
			}
			proof, err := r.Journal.Proof(h.Seq)
			if err != nil {
				return nil, err
			}
			same = same && bytes.Equal(proof.Checkpoint, p.checkpoint)
			p.entries = append(p.entries, proven{e, proof})
		}
		if same { // otherwise a newer checkpoint was cosigned meanwhile: once more, under that one
			return p, nil
		}
	}
	return nil, ctx.Err()
}

// relevant reads the journal up to a size and picks.
func (r *Releaser) relevant(doc protocol.Grant, needed map[uint64]bool, runs map[protocol.RunID]bool, gaps []protocol.Gap, accepted, size uint64) (picked []chain.Entry, mandate []byte, err error) {
	var mandateEntry *chain.Entry
	held := map[protocol.HoldID]int{} // where in picked a hold's entry is
	var mandated bool                 // the camera's first mandate has been seen
	for next := uint64(0); next < size; {
		entries, err := r.Journal.Entries(next, int(min(size-next, 1024)))
		if err != nil {
			return nil, nil, err
		}
		if len(entries) == 0 {
			return nil, nil, fmt.Errorf("journal: entries %d to %d cannot be read", next, size)
		}
		for _, e := range entries {
			h, err := chain.ParseHeader(e.Header)
			if err != nil {
				return nil, nil, fmt.Errorf("journal: entry %d: %w", next, err)
			}
			next = h.Seq + 1
			if e.Body == nil {
				continue
			}
			take := needed[h.Seq] || h.Seq == accepted
			early := doc.Interval.From.Before(h.Time.Time) // asked for before this entry
			switch h.Kind {
			case protocol.KindOpened:
				take = early
			case protocol.KindResumed: // why the log bears a successor's name
				take = true
			case protocol.KindRun:
				var b protocol.RunStarted
				err = chain.ParseBody(e.Body, &b)
				take = b.Camera == doc.Camera && runs[b.Run]
			case protocol.KindGapEnded:
				var b protocol.Gap
				err = chain.ParseBody(e.Body, &b)
				take = b.Camera == doc.Camera && slices.ContainsFunc(gaps, func(g protocol.Gap) bool {
					return g.Stream == b.Stream && g.Cause == b.Cause && g.From.Equal(b.From.Time)
				})
			case protocol.KindExpired: // why there is nothing left before or between what is released
				var b protocol.Expired
				err = chain.ParseBody(e.Body, &b)
				take = slices.ContainsFunc(b.Segments, func(s protocol.ExpiredSegment) bool {
					return s.Camera == doc.Camera && doc.Asked.Has(s.Start.Time)
				})
			case protocol.KindHoldPlaced:
				var b protocol.HoldPlaced
				err = chain.ParseBody(e.Body, &b)
				take = b.Camera == doc.Camera && b.Request == doc.Request && doc.Interval.Contains(b.Interval)
				if at, again := held[b.Hold]; take && again { // confirmed again, with what was on a disk that came back: the last counts
					picked[at], take = e, false
				} else if take {
					held[b.Hold] = len(picked)
				}
			case protocol.KindOrder:
				var b protocol.Order
				err = chain.ParseBody(e.Body, &b)
				if err == nil && b.Kind == "mandate" && h.Seq < accepted {
					s, perr := protocol.ParseDocument([]byte(b.Document))
					if m, ok := s.Document.(*protocol.Mandate); perr == nil && ok && m.Camera == doc.Camera {
						if mandateEntry, mandate = &e, s.Raw; !mandated && (early || doc.Interval.From.Before(m.NotBefore.Time)) {
							take = true
						}
						mandated = true
					}
				}
			}
			if err != nil {
				return nil, nil, fmt.Errorf("journal: entry %d %s: %w", h.Seq, h.Kind, err)
			}
			if take {
				picked = append(picked, e)
			}
		}
	}
	if mandateEntry != nil && !slices.ContainsFunc(picked, func(e chain.Entry) bool { return bytes.Equal(e.Header, mandateEntry.Header) }) {
		picked = append(picked, *mandateEntry)
	}
	return picked, mandate, nil
}

func parseRecipient(s string) (age.Recipient, error) {
	all, err := age.ParseRecipients(strings.NewReader(s))
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("recipient %.100q: not an age recipient (%w)", s, err)
	}
	return all[0], nil
}

type counted struct {
	w   io.Writer
	sum hash.Hash
	n   int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.sum.Write(p[:n])
	return n, err
}
