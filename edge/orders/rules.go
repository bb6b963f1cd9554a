package orders

import (
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// judge says whether a document is obeyed, and on whose word. It changes nothing.
func (m *memory) judge(s protocol.Signed, self protocol.RecorderID, now time.Time) (protocol.Level, error) {
	h := s.Head()
	name := s.Kind() + " " + string(h.ID)
	if h.Recorder != self {
		return "", fmt.Errorf("%s: for recorder %s, this is %s", name, h.Recorder, self)
	}
	if m.ids[h.ID] {
		return "", fmt.Errorf("%s: this id was used before; a document is accepted once", name)
	}
	if s.Kind() == "roster" { // before the roster's own term: only a new roster helps when the old one is over
		return protocol.LevelRoots, m.judgeRoster(s, now)
	}
	if err := m.roster().Current(now); err != nil {
		return "", err
	}
	var err error
	var level protocol.Level
	if _, ok := s.Document.(*protocol.Mandate); !ok { // a mandate's term is that of the besluit, which may begin later or be ended just now
		err = h.Valid(now)
	}
	if err == nil {
		switch d := s.Document.(type) {
		case *protocol.Mandate:
			level, err = m.judgeMandate(s, d, now)
		case *protocol.Hold:
			level, err = m.judgeHold(s, d, now)
		case *protocol.Lift:
			level, err = m.judgeLift(s, d, now)
		case *protocol.Grant:
			level, err = m.judgeGrant(s, d)
		case *protocol.Erase:
			level, err = m.judgeErase(s, d, now)
		case *protocol.Resume:
			level, err = m.judgeResume(s, d)
		default:
			err = errors.New("unknown kind of order")
		}
	}
	if err != nil && !strings.HasPrefix(err.Error(), name) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return level, err
}

// judgeRoster: two of the pinned roots, a rising version, and the same recorder, key and municipality as at enrolment.
func (m *memory) judgeRoster(s protocol.Signed, now time.Time) error {
	r, err := protocol.OpenRoster(s.Raw, m.opened.Roots)
	if err != nil {
		return err
	}
	current := m.roster()
	switch {
	case r.Recorder != m.opened.Recorder:
		err = fmt.Errorf("for recorder %s, this is %s", r.Recorder, m.opened.Recorder)
	case m.ids[r.ID]:
		err = errors.New("this id was used before; a document is accepted once")
	case r.Version <= current.Version:
		err = fmt.Errorf("version %d is in force; a version rises", current.Version)
	case r.Municipality != m.opened.Municipality:
		err = fmt.Errorf("of %s, this recorder was enrolled in %s", r.Municipality, m.opened.Municipality)
	case r.RecorderKey != m.opened.Key:
		err = errors.New("names another key for this recorder than at enrolment")
	default:
		err = r.Valid(now)
	}
	if err != nil {
		return fmt.Errorf("roster %s version %d: %w", r.ID, r.Version, err)
	}
	return nil
}

// judgeMandate: the version rises, the regime stays, the roster's ceilings hold, and whatever makes less of a mandate that was given is
// signed by two approvers: otherwise a hostile centre could blind a camera or shorten what a court needs.
func (m *memory) judgeMandate(s protocol.Signed, d *protocol.Mandate, now time.Time) (protocol.Level, error) {
	r := m.roster()
	if d.Window > r.MaxWindow {
		return "", fmt.Errorf("window %s: over the roster's ceiling of %s", d.Window, r.MaxWindow)
	}
	if d.LongestHold > r.MaxHold {
		return "", fmt.Errorf("longest-hold %s: over the roster's ceiling of %s", d.LongestHold, r.MaxHold)
	}
	if d.Sound == protocol.SoundAllowed && r.Sound != protocol.SoundAllowed {
		return "", errors.New("sound allowed: over the roster's ceiling, which allows none")
	}
	earlier := m.mandates[d.Camera]
	if len(earlier) > 0 {
		newest := earlier[len(earlier)-1]
		if d.Regime != newest.Regime {
			return "", fmt.Errorf("regime %s: camera %s falls under %s, and a camera id never changes regime", d.Regime, d.Camera, newest.Regime)
		}
		if d.Version <= newest.Version {
			return "", fmt.Errorf("version %d: version %d was accepted; a version rises", d.Version, newest.Version)
		}
	}
	level, err := m.roster().Authorise(s, d.Regime)
	if err != nil || level != protocol.LevelOrder {
		return level, err
	}
	for _, e := range earlier[inForce(earlier, now):] { // what was replaced before counts no more
		if why := narrows(d, m.capped(e)); why != "" {
			return "", fmt.Errorf("%s than version %d: needs two approvers", why, e.Version)
		}
	}
	return level, nil
}

// narrows says what a new mandate takes from an earlier one, or nothing.
func narrows(d, e *protocol.Mandate) string {
	switch {
	case d.Window < e.Window:
		return fmt.Sprintf("window %s is shorter", d.Window)
	case d.LongestHold < e.LongestHold:
		return fmt.Sprintf("longest-hold %s is shorter", d.LongestHold)
	case d.NotAfter.Before(e.NotAfter.Time):
		return fmt.Sprintf("not-after %s is earlier", d.NotAfter)
	case d.Sound != protocol.SoundAllowed && e.Sound == protocol.SoundAllowed:
		return "without sound it is less"
	}
	for _, stream := range e.Streams {
		if !slices.Contains(d.Streams, stream) {
			return fmt.Sprintf("without stream %s it is less", stream)
		}
	}
	return ""
}

// newestMandate gives a camera's regime, which never changes. It may have lapsed: the footage is still there until it ages out.
func (m *memory) newestMandate(camera protocol.CameraID) (*protocol.Mandate, error) {
	all := m.mandates[camera]
	if len(all) == 0 {
		return nil, fmt.Errorf("camera %s never had a mandate here", camera)
	}
	return all[len(all)-1], nil
}

// judgeHold: the end lies within the mandate's longest hold, counted from when the first hold on any of that footage was accepted (by this
// recorder's clock, so that the centre cannot move it); beyond 28 days two approvers sign.
func (m *memory) judgeHold(s protocol.Signed, d *protocol.Hold, now time.Time) (protocol.Level, error) {
	mandate, err := m.newestMandate(d.Camera)
	if err != nil {
		return "", err
	}
	if !now.Before(d.End.Time) {
		return "", fmt.Errorf("ended at %s; it is %s", d.End, protocol.T(now))
	}
	if d.Ground == protocol.GroundProvisional && d.End.Sub(now) > protocol.ProvisionalHold {
		return "", fmt.Errorf("end %s: a provisional hold stands at most %s", d.End, protocol.Window(protocol.ProvisionalHold))
	}
	first := now
	for _, h := range m.holds {
		if h.doc.Camera == d.Camera && (h.doc.Asked.Overlaps(d.Asked) || h.placed.Overlaps(d.Asked)) && h.accepted.Before(first) {
			first = h.accepted
		}
	}
	longest := min(mandate.LongestHold, m.roster().MaxHold)
	if held := d.End.Sub(first); held > longest.Duration() {
		return "", fmt.Errorf("end %s: the first hold on this footage is of %s, and the longest hold is %s", d.End, protocol.T(first), longest)
	}
	level, err := m.roster().Authorise(s, mandate.Regime)
	if err == nil && level == protocol.LevelOrder && d.End.Sub(first) > protocol.MaxHoldSingle {
		return "", fmt.Errorf("end %s: over %s after the first hold on this footage (%s); needs two approvers", d.End, protocol.Window(protocol.MaxHoldSingle), protocol.T(first))
	}
	return level, err
}

// judgeLift: the envelope alone lifts only what has been released, all of it; otherwise footage somebody asked for could be made to
// disappear.
func (m *memory) judgeLift(s protocol.Signed, d *protocol.Lift, now time.Time) (protocol.Level, error) {
	h, ok := m.holds[d.Hold]
	switch {
	case !ok:
		return "", fmt.Errorf("hold %s was never accepted here", d.Hold)
	case h.doc.Camera != d.Camera:
		return "", fmt.Errorf("hold %s is on camera %s, not %s", d.Hold, h.doc.Camera, d.Camera)
	case h.lifted:
		return "", fmt.Errorf("hold %s was lifted before", d.Hold)
	case !now.Before(h.doc.End.Time):
		return "", fmt.Errorf("hold %s ended at %s", d.Hold, h.doc.End)
	}
	mandate, err := m.newestMandate(d.Camera)
	if err != nil {
		return "", err
	}
	level, err := m.roster().Authorise(s, mandate.Regime)
	if err == nil && level == protocol.LevelOrder {
		if why := m.unreleased(h.doc, now); why != "" {
			return "", fmt.Errorf("reason released: %s; needs handler and approver", why)
		}
	}
	return level, err
}

// unreleased says what of a hold's footage has not been released for its request: a grant still open, or a part no release covers.
func (m *memory) unreleased(h protocol.Hold, now time.Time) string {
	var done []protocol.Interval
	for _, g := range m.grants {
		d := g.Doc()
		if d.Use != protocol.UseRelease || d.Request != h.Request || d.Camera != h.Camera {
			continue
		}
		switch r := m.releases[d.GrantID()]; {
		case r.Done:
			done = append(done, d.Interval)
		case !r.Failed && (r.Intent > 0 || g.Valid(now) == nil):
			return fmt.Sprintf("grant %s has no release.done", d.ID)
		}
	}
	slices.SortFunc(done, func(a, b protocol.Interval) int { return a.From.Compare(b.From) })
	from := h.Asked.From // everything before it has been released
	for _, i := range done {
		if !i.From.After(from) && i.To.After(from) {
			from = i.To
		}
	}
	if from.Before(h.Asked.To) {
		return fmt.Sprintf("%s was not released for request %s", protocol.Interval{From: from, To: h.Asked.To}, h.Request)
	}
	return ""
}

// judgeErase: two approvers by the roster, for a camera of this recorder, of what was recorded, and nothing that a hold keeps. That the segments a hold touches are kept whole
// is for the receiver, who knows them.
func (m *memory) judgeErase(s protocol.Signed, d *protocol.Erase, now time.Time) (protocol.Level, error) {
	mandate, err := m.newestMandate(d.Camera)
	if err != nil {
		return "", err
	}
	if d.Interval.To.After(now) {
		return "", fmt.Errorf("interval to %s; it is %s: only what was recorded can be erased; a mandate ends what is still to come", protocol.T(d.Interval.To), protocol.T(now))
	}
	for _, id := range slices.Sorted(maps.Keys(m.holds)) {
		h := m.holds[id]
		stands := !h.lifted && now.Before(h.doc.End.Time)
		if stands && h.doc.Camera == d.Camera && (h.doc.Asked.Overlaps(d.Interval) || h.placed.Overlaps(d.Interval)) {
			return "", fmt.Errorf("hold %s (%s, request %s) stands until %s: decide it first, and lift it", id, h.doc.Ground, h.doc.Request, h.doc.End)
		}
	}
	return m.roster().Authorise(s, mandate.Regime)
}

// judgeResume: the privacy officer, for the log that comes next. Whether this log is behind its witnesses is not asked: they may know so before the recorder does.
func (m *memory) judgeResume(s protocol.Signed, d *protocol.Resume) (protocol.Level, error) {
	if log := max(m.log, 1); d.Log != log+1 {
		return "", fmt.Errorf("log %d: here goes on log %d", d.Log, log)
	}
	if m.resume != nil {
		return "", fmt.Errorf("order %s to resume was accepted, and is being carried out", m.resume.ID)
	}
	return m.roster().Authorise(s, "")
}

// judgeGrant: handler and approver by the roster, for the camera's regime, to a recipient that can receive.
func (m *memory) judgeGrant(s protocol.Signed, d *protocol.Grant) (protocol.Level, error) {
	mandate, err := m.newestMandate(d.Camera)
	if err != nil {
		return "", err
	}
	if d.Use == protocol.UseRelease {
		if d.Recipient != m.roster().VaultKey {
			if _, x := age.ParseX25519Recipient(d.Recipient); x != nil {
				if _, pq := age.ParseHybridRecipient(d.Recipient); pq != nil {
					return "", fmt.Errorf("recipient %.100q: neither the vault's key nor an age recipient", d.Recipient)
				}
			}
		}
	} else if !isP256(d.Recipient) {
		return "", fmt.Errorf("recipient %.100q: want p256:<base64url of the compressed point>", d.Recipient)
	}
	return m.roster().Authorise(s, mandate.Regime)
}

func isP256(recipient string) bool {
	text, ok := strings.CutPrefix(recipient, "p256:")
	point, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if !ok || err != nil || base64.RawURLEncoding.EncodeToString(point) != text {
		return false
	}
	x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), point)
	return x != nil
}
