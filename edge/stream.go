package edge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// stream keeps one stream of one camera recording for as long as a mandate allows it.
type stream struct {
	agent  *Agent
	config CameraConfig
	login  Login

	mu      sync.Mutex
	session *ingest.Session // nil: none runs
	cause   footage.Cause   // why none runs, with why
	why     string
	since   time.Time
}

// keep runs until ctx ends.
func (s *stream) keep(ctx context.Context) error {
	a := s.agent
	writer := a.footage.Camera(s.config.ID, s.config.Stream)
	for ctx.Err() == nil {
		changed := a.mandates.wait()
		sound, err := s.permitted()
		if err != nil {
			s.dark(writer, footage.CauseMandate, err.Error())
		} else if err = s.record(ctx, writer, sound); err != nil { // a source that makes no sense stops nothing but itself (invariant 14)
			s.dark(writer, footage.CauseCamera, err.Error())
		}
		if ctx.Err() != nil {
			return nil
		}
		if err == nil { // the session ended because the mandate changed: look again at once
			continue
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(s.next()):
		}
	}
	return nil
}

// next is how long nothing changes by itself, an hour at most: the clock may be set.
func (s *stream) next() time.Duration {
	now := s.agent.Now()
	next := s.agent.orders.NextChange(now)
	if next.IsZero() {
		return time.Hour
	}
	return min(time.Hour, max(next.Sub(now), 10*time.Millisecond))
}

// permitted is nil when this stream may be recorded now, and whether with its sound; or why it may not.
func (s *stream) permitted() (sound bool, err error) {
	m, err := s.agent.orders.Mandate(s.config.ID, s.agent.Now())
	if err == nil && !slices.Contains(m.Streams, s.config.Stream) {
		err = fmt.Errorf("mandate %s does not name stream %s", m.ID, s.config.Stream)
	}
	return err == nil && m.Sound == protocol.SoundAllowed, err
}

// record runs a session until there is no mandate for this stream any more, or another word in it about sound: the camera is then asked anew, so that what may not be recorded is not even
// received.
func (s *stream) record(ctx context.Context, writer ingest.Writer, sound bool) error {
	a := s.agent
	session := &ingest.Session{
		Source: ingest.Source{Camera: s.config.ID, Stream: s.config.Stream, URL: s.config.URL, User: s.login.User, Password: s.login.Password,
			Transport: ingest.Transport(s.config.Transport), KeyFrameTimeout: s.config.KeyFrameTimeout, Sound: sound},
		Writer: writer, Now: a.Now, Running: a.Machine.Running, Log: a.Log,
	}
	session.Changed = func(ingest.State) { a.uplink.StatusChanged() }
	s.mu.Lock()
	s.session, s.why = session, ""
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			changed := a.mandates.wait()
			may, err := s.permitted()
			if err != nil {
				cancel(&ingest.Stop{Cause: footage.CauseMandate, Detail: err.Error()})
				return
			} else if may != sound { // a moment of ours: when the camera does not come back, that is the cause
				cancel(&ingest.Stop{Cause: footage.CauseRecorder, Detail: "roster or mandate says otherwise of sound than before: the camera is asked anew"})
				return
			}
			select {
			case <-ended:
				return
			case <-changed:
			case <-time.After(s.next()):
			}
		}
	}()
	return session.Run(ctx)
}

// dark notes, once, that nothing is being recorded and why.
func (s *stream) dark(writer ingest.Writer, cause footage.Cause, why string) {
	s.mu.Lock()
	news := s.session != nil || s.cause != cause || s.why != why
	if news {
		s.session, s.cause, s.why, s.since = nil, cause, why, s.agent.Now()
	}
	s.mu.Unlock()
	if !news {
		return
	}
	s.agent.Log.Warn("not recording", "camera", s.config.ID, "cause", cause, "detail", why)
	if err := writer.EndRun(cause, why); err != nil {
		s.agent.Log.Error("a gap could not be noted", "camera", s.config.ID, "cause", cause, "error", err)
	}
	s.agent.uplink.StatusChanged()
}

// status is the stream's line in the recorder's status.
func (s *stream) status() protocol.CameraStatus {
	s.mu.Lock()
	session, cause, why, since := s.session, s.cause, s.why, s.since
	s.mu.Unlock()
	c := protocol.CameraStatus{Camera: s.config.ID, State: "gap", Cause: string(cause), Detail: why, Since: protocol.T(since)}
	if cause == footage.CauseMandate {
		c.State = "no mandate"
	}
	if session != nil {
		st := session.State()
		c.Cause, c.Detail, c.Since, c.Bitrate = string(st.Cause), st.Detail, protocol.T(st.Since), st.BitRate
		c.State = "gap"
		if st.Phase == ingest.Recording {
			c.State = "recording"
		}
		if !st.LastFrame.IsZero() {
			t := protocol.T(st.LastFrame)
			c.LastFrame = &t
		}
	}
	if s.agent.stopping.Load() {
		return c
	}
	if oldest, ok := s.agent.footage.Oldest(s.config.ID); ok {
		t := protocol.T(oldest)
		c.Oldest = &t
	}
	return c
}
