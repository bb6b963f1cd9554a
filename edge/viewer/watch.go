package viewer

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// opened finds what this session opened, and looks again at everything that allowed it.
func (v *Viewer) opened(at *visit) (*opening, error) {
	if at.session == nil {
		return nil, errNoSession
	}
	v.mu.Lock()
	o := v.openings[at.r.PathValue("id")]
	v.mu.Unlock()
	if o == nil {
		return nil, errOver
	}
	o.mu.Lock()
	ready := o.reading != nil && !o.ended
	o.mu.Unlock()
	doc := o.grant.Doc()
	if o.session != at.cookie {
		return nil, errOtherSession.of(doc.Camera)
	}
	if !ready || o.over(at.now) {
		return nil, errOver
	}
	if _, err := v.grant(string(doc.ID), at.session.key); err != nil {
		return nil, err
	}
	if no := v.closed(at.now); no != nil {
		return nil, no.of(doc.Camera)
	}
	return o, nil
}

// watch is the player.
func (v *Viewer) watch(at *visit) error {
	o, err := v.opened(at)
	if err != nil {
		return err
	}
	stretches := make([]footage.Stretch, len(o.segments))
	for i, s := range o.segments {
		stretches[i] = footage.Stretch{Stream: s.Stream, Interval: protocol.Interval{From: s.Start.Time, To: s.End.Time}}
	}
	codec := footage.Codec("")
	if len(o.segments) > 0 {
		codec = o.segments[0].Codec
	}
	v.show(at, http.StatusOK, "watch", struct {
		ID       string
		Grant    protocol.Grant
		Asked    protocol.Interval
		Shown    protocol.Interval
		Reason   string
		Seq      uint64
		Until    time.Time
		H265     bool
		Start    string // seconds from the first picture to the moment asked for
		Timeline timeline
	}{o.id, o.grant.Doc(), o.asked, o.shown, o.reason, o.seq, o.until, codec == footage.H265, strconv.FormatFloat(o.startAt(), 'f', 3, 64),
		draw(at.lang, o.shown, stretches, o.gaps, at.now)})
	return nil
}

// startAt is where in the playlist the moment asked for is, in seconds.
func (o *opening) startAt() float64 {
	at := 0.0
	for _, s := range o.segments {
		if !o.asked.From.Before(s.End.Time) {
			at += s.End.Sub(s.Start.Time).Seconds()
			continue
		}
		return at + max(0, o.asked.From.Sub(s.Start.Time).Seconds())
	}
	return 0
}

// playlist is HLS (RFC 8216): the sealed segments as they are, each run with its own init.
func (v *Viewer) playlist(at *visit) error {
	o, err := v.opened(at)
	if err != nil {
		return err
	}
	at.w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	_, err = io.WriteString(at.w, playlist(o.segments))
	return err
}

func playlist(segments []footage.Segment) string {
	var b strings.Builder
	longest := 1.0
	for _, s := range segments {
		longest = max(longest, s.End.Sub(s.Start.Time).Seconds())
	}
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n", int(math.Ceil(longest)))
	for i, s := range segments {
		next := i > 0 && segments[i-1].Run == s.Run && segments[i-1].N+1 == s.N
		if !next {
			if i > 0 {
				b.WriteString("#EXT-X-DISCONTINUITY\n")
			}
			fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"%s/init.mp4\"\n", s.Run)
			fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:%s\n", s.Start)
		}
		fmt.Fprintf(&b, "#EXTINF:%.3f,\n%d.m4s\n", s.End.Sub(s.Start.Time).Seconds(), i)
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

func (v *Viewer) init(at *visit) error {
	o, err := v.opened(at)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return errOver
	}
	b, err := o.reading.Init(protocol.RunID(at.r.PathValue("run")))
	if err != nil {
		v.Log.Error("viewer", "entry", o.seq, "error", err)
		return errNoPage
	}
	at.w.Header().Set("Content-Type", "video/mp4")
	_, err = at.w.Write(b)
	return err
}

func (v *Viewer) segment(at *visit) error {
	o, err := v.opened(at)
	if err != nil {
		return err
	}
	name, ok := strings.CutSuffix(at.r.PathValue("segment"), ".m4s")
	n, err := strconv.Atoi(name)
	if !ok || err != nil || n < 0 || n >= len(o.segments) {
		return errNoPage
	}
	r, err := o.read(n)
	if errors.Is(err, footage.ErrExpired) {
		return &refusal{status: http.StatusGone, words: words{"Dit beeld is intussen gewist: de bewaartermijn is voorbij.", "This footage has been deleted meanwhile: its term is over."}}
	}
	if errors.Is(err, footage.ErrErased) {
		return &refusal{status: http.StatusGone, words: words{"Dit beeld is intussen vernietigd: het was onrechtmatig opgenomen.", "This footage has been destroyed meanwhile: it was unlawful."}}
	}
	if errors.Is(err, footage.ErrWithheld) {
		return errWithheld
	}
	if err != nil {
		return err
	}
	defer r.Close() // read only
	at.w.Header().Set("Content-Type", "video/mp4")
	at.w.Header().Set("Content-Length", strconv.FormatInt(o.segments[n].SegmentLine.Size, 10))
	if err := v.send(at.w, r, o); err != nil {
		if at.r.Context().Err() == nil {
			v.Log.Warn("viewer: a segment was not sent whole", "entry", o.seq, "camera", o.grant.Doc().Camera, "error", err)
		}
		panic(http.ErrAbortHandler) // so that the browser sees that it was cut off
	}
	return nil
}

func (o *opening) read(n int) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return nil, errOver
	}
	return o.reading.Open(o.segments[n])
}

// send copies, and stops where the opening ends.
func (v *Viewer) send(w io.Writer, r io.Reader, o *opening) error {
	part := make([]byte, 64<<10)
	for {
		o.mu.Lock()
		ended := o.ended
		o.mu.Unlock()
		if ended || o.over(v.Now()) {
			return errOver
		}
		n, err := r.Read(part)
		if n > 0 {
			if _, err := w.Write(part[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
