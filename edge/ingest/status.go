package ingest

import (
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Phase is what a session is doing.
type Phase string

const (
	Connecting Phase = "connecting" // for the first time since it was started
	Recording  Phase = "recording"
	Gap        Phase = "gap" // nothing is recorded; Cause and Detail say why. The session keeps trying
)

// State is what a session is doing now.
type State struct {
	Phase  Phase
	Cause  footage.Cause // of a gap
	Detail string        // for people, no secrets: of a gap; while recording, what becomes of the camera's sound, see protocol.CameraStatus
	Since  time.Time     // of the phase and cause

	LastFrame time.Time // arrival of the last access unit, recorded or not
	BitRate   int64     // bit/s of what arrives, measured over two seconds; from 0 again at the start of a gap
	Lost      uint64    // access units that did not arrive whole, since the session was made
	Dropped   uint64    // access units that the disk was too slow for, since the session was made
}

// State may be called from any goroutine, also before Run.
func (s *Session) State() State { return s.status.read() }

// status is the State and what it is made of.
type status struct {
	mu      sync.Mutex
	session *Session
	state   State
	tracks  string // that the camera offers and are not recorded
	beside  string // the sound among them, for people
	sound   string // the coding of the sound that the camera was asked for
	heardAt time.Time

	measured time.Time // the start of the present measurement of BitRate
	bytes    int64
}

func (s *status) begin(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
	s.state = State{Phase: Connecting, Since: session.Now()}
}

func (s *status) read() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Phase == "" {
		return State{Phase: Connecting}
	}
	return s.state
}

// gap says that nothing is being recorded any more.
func (s *status) gap(cause footage.Cause, detail string) {
	s.change(State{Phase: Gap, Cause: cause, Detail: detail})
}

// recording says that the Writer took a frame.
func (s *status) recording() { s.change(State{Phase: Recording}) }

// besides notes which tracks the camera offers and is not asked for, and the coding of the sound that it is asked for, if it is. What becomes of sound is said for as long as the camera is
// recorded, since people may think they have it, or that they do not.
func (s *status) besides(tracks []string, sound string) {
	s.mu.Lock()
	detail := ""
	for _, track := range tracks {
		if coding, ok := strings.CutPrefix(track, "sound"); ok {
			detail = protocol.SoundLeftOut + coding
			break
		}
	}
	all := strings.Join(tracks, ", ")
	news := all != s.tracks
	s.beside, s.tracks, s.sound, s.heardAt = detail, all, sound, s.session.Now()
	s.mu.Unlock()
	if news && all != "" {
		s.session.Log.Info("the camera offers more than is recorded", "left out", all)
	}
}

// soundless is how long sound may stay away before that is said.
const soundless = 10 * time.Second

// about is what people should know of the camera's sound while its pictures are recorded. The caller holds mu.
func (s *status) about() string {
	switch {
	case s.sound == "":
		return s.beside
	case s.state.LastFrame.Sub(s.heardAt) > soundless:
		return protocol.SoundSilent + " (" + s.sound + ")"
	}
	return protocol.SoundRecorded + " (" + s.sound + ")"
}

// heard notes that sound came.
func (s *status) heard(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heardAt = at
}

func (s *status) change(to State) {
	s.mu.Lock()
	if to.Phase == Recording {
		to.Detail = s.about()
	}
	if to.Phase == s.state.Phase && to.Cause == s.state.Cause && to.Detail == s.state.Detail {
		s.mu.Unlock()
		return
	}
	if to.Phase != s.state.Phase || to.Cause != s.state.Cause {
		s.state.Since = s.session.Now()
	}
	s.state.Phase, s.state.Cause, s.state.Detail = to.Phase, to.Cause, to.Detail
	if to.Phase == Gap {
		s.state.BitRate, s.measured = 0, time.Time{}
	}
	state := s.state
	s.mu.Unlock()

	if state.Phase == Gap {
		s.session.Log.Warn("not recording", "cause", state.Cause, "detail", state.Detail)
	} else {
		s.session.Log.Info("recording", "detail", state.Detail)
	}
	if s.session.Changed != nil {
		s.session.Changed(state)
	}
}

// arrived counts an access unit of size bytes.
func (s *status) arrived(at time.Time, size int, lost uint64) {
	const measure = 2 * time.Second
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.LastFrame = at
	s.state.Lost += lost
	switch passed := at.Sub(s.measured); {
	case s.measured.IsZero() || passed > 5*measure || passed < 0:
		s.measured, s.bytes = at, 0
	case passed >= measure:
		s.state.BitRate = s.bytes * 8 * int64(time.Second) / int64(passed)
		s.measured, s.bytes = at, 0
	}
	s.bytes += int64(size)
}

func (s *status) dropped() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Dropped++
}
