package footage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// SetMandates gives the mandates in force and those that are to follow, all of them. Of a camera the newest version that has begun counts, from the moment it
// begins, also when it is over: an older one does not come back. A stream without a valid one is not recorded; a shorter window counts for existing footage at once.
// What cannot be obeyed is an error and left out; the others count.
func (s *Store) SetMandates(mandates []*protocol.Mandate) error {
	var bad error
	byCamera := map[protocol.CameraID][]*protocol.Mandate{}
	for _, m := range mandates {
		// ISO 8601 in rows knows whole seconds, as mandates do.
		if m.Window.Valid() != nil || m.Window.Duration()%time.Second != 0 || m.Recorder != s.Recorder {
			bad = errors.Join(bad, fmt.Errorf("footage: mandate %s: for recorder %s, with window %s", m.ID, m.Recorder, m.Window))
			continue
		}
		byCamera[m.Camera] = append(byCamera[m.Camera], m)
	}
	for _, list := range byCamera {
		slices.SortFunc(list, func(a, b *protocol.Mandate) int { return cmp.Compare(b.Version, a.Version) })
	}
	s.mandateMu.Lock()
	s.mandates = byCamera
	s.mandateMu.Unlock()
	s.sweep(context.Background())
	s.wake()
	return bad
}

// mandate is the mandate of a camera that is in force, or nil and why there is none.
func (s *Store) mandate(camera protocol.CameraID, now time.Time) (*protocol.Mandate, error) {
	s.mandateMu.RLock()
	defer s.mandateMu.RUnlock()
	list := s.mandates[camera]
	m := newestBegun(list, now)
	if m == nil && len(list) > 0 {
		m = list[len(list)-1] // the first to begin
	}
	if m == nil {
		return nil, ErrNoMandate
	}
	if err := m.Valid(now); err != nil {
		return nil, fmt.Errorf("%w: %s is %w", ErrNoMandate, m.ID, err)
	}
	return m, nil
}

// newestBegun picks from a camera's mandates, newest first, as edge/orders does; nil if none has begun.
func newestBegun(list []*protocol.Mandate, now time.Time) *protocol.Mandate {
	for _, m := range list {
		if !now.Before(m.NotBefore.Time) {
			return m
		}
	}
	return nil
}

// permit is what a mandate allows of a stream that may be recorded.
type permit struct {
	window protocol.Window
	sound  bool
}

// allowed is what may be recorded of a stream now.
func (s *Store) allowed(camera protocol.CameraID, stream protocol.StreamID, now time.Time) (permit, error) {
	m, err := s.mandate(camera, now)
	if err != nil {
		return permit{}, err
	}
	if !slices.Contains(m.Streams, stream) {
		return permit{}, fmt.Errorf("%w: %s names other streams", ErrNoMandate, m.ID)
	}
	return permit{m.Window, m.Sound == protocol.SoundAllowed}, nil
}

func (s *Store) windowOf(run string) protocol.Window {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[run]; r != nil {
		return s.windowOfRun(r)
	}
	return 0
}

// enforceMandates shortens windows, and stops what may not be recorded any more or has an open segment that is due.
func (s *Store) enforceMandates() (next time.Time) {
	reading := s.Clock()
	now := reading.Now
	s.mandateMu.RLock()
	windows := map[protocol.CameraID]protocol.Window{}
	for camera, list := range s.mandates {
		if m := newestBegun(list, now); m != nil {
			windows[camera] = m.Window
		}
		for _, m := range list {
			for _, t := range []time.Time{m.NotBefore.Time, m.NotAfter.Time} {
				if t.After(now) && (next.IsZero() || t.Before(next)) {
					next = t
				}
			}
		}
	}
	s.mandateMu.RUnlock()
	if err := s.shorten(windows); err != nil {
		s.incident("shorter window cannot be written to the index", "", short(err))
		next = now.Add(retryUnlink)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, w := range s.writers {
		_, err := s.allowed(w.tape.camera, w.tape.stream, now)
		start, run := w.open()
		late := !start.IsZero() && s.runs[run] != nil && !now.Before(s.dueFrom(s.runs[run], start, reading))
		stream := s.streams[key]
		if late || err != nil && stream != nil && (stream.Gap == nil || stream.Gap.Cause != string(CauseMandate)) {
			w.check()
		}
	}
	return next
}

func cameraOf(key string) protocol.CameraID {
	camera, _, _ := strings.Cut(key, "/")
	return protocol.CameraID(camera)
}
