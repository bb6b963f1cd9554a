package edge

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/clock"
	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Situation is the operator's view of a running recorder: what it does now, and what needs a person. There is nothing of footage in it.
type Situation struct {
	V         int                 `json:"v"` // situationVersion
	Recorder  protocol.RecorderID `json:"recorder"`
	Software  string              `json:"software"`
	Time      protocol.Time       `json:"time"`
	Started   protocol.Time       `json:"started"`
	Healthy   bool                `json:"healthy"`  // no trouble is failing; see Trouble
	Troubles  []Trouble           `json:"troubles"` // what needs a person, the failing ones first
	Cameras   []CameraSituation   `json:"cameras"`
	Footage   FootageSituation    `json:"footage"`
	Keys      KeysSituation       `json:"keys"`
	Journal   JournalSituation    `json:"journal"`
	Clock     ClockSituation      `json:"clock"`
	Uplink    UplinkSituation     `json:"uplink"`
	Orders    OrdersSituation     `json:"orders"`
	Incidents uint64              `json:"incidents"` // since the start
	Latest    []IncidentSituation `json:"latest"`    // incidents, the newest last
	Faults    []string            `json:"faults"`    // parts beside recording that do not work

	Unconfigured []protocol.CameraID `json:"unconfigured"` // have a mandate in force, and no entry in the configuration
}

const situationVersion = 1

// Trouble is something that needs a person, in plain words. It is failing when the recorder does not record what it must, or when its journal cannot be
// written or is not the one its witness knows: /health is 503 then.
type Trouble struct {
	What    string `json:"what"`
	Do      string `json:"do"`
	Failing bool   `json:"failing"`
}

// CameraSituation is one stream of one camera. State is "recording", "connecting", "gap" or "no mandate".
type CameraSituation struct {
	protocol.CameraStatus
	Stream  protocol.StreamID `json:"stream"`
	Lost    uint64            `json:"lost"`    // frames that did not arrive whole
	Dropped uint64            `json:"dropped"` // frames that the disk was too slow for
}

func (c *CameraSituation) permitted() bool { return c.State != "no mandate" }
func (c *CameraSituation) recording() bool { return c.State == "recording" }
func (c *CameraSituation) name() string    { return string(c.Camera) + "/" + string(c.Stream) }

type FootageSituation struct {
	Dir       string `json:"dir"`
	Bytes     int64  `json:"bytes"`     // sealed footage
	Held      int64  `json:"held"`      // of that, under a standing hold
	HoldShare int    `json:"holdShare"` // percent of the disk (or of max_bytes) that may be held
	Free      int64  `json:"free"`      // on the disk
	Size      int64  `json:"size"`      // of the disk
	MaxBytes  int64  `json:"maxBytes"`  // as configured; 0: what the disk has
	Overdue   int    `json:"overdue"`   // segments that should be gone and could not be deleted yet; of a disk that is away the keys are
	Keys      int    `json:"keys"`      // segments that are deleted, and whose key should be gone and is not
	Early     uint64 `json:"early"`     // segments that went before their window since the start, to make room

	EarlyAt  *protocol.Time `json:"earlyAt,omitempty"` // when the last of these did
	Progress protocol.Time  `json:"progress"`          // when expiry last went round
	Hangs    bool           `json:"hangs"`             // it has not for too long

	Volumes []VolumeSituation `json:"volumes"` // the disks that have footage, or are to have it
}

// VolumeSituation is one disk with footage.
type VolumeSituation struct {
	Path     string              `json:"path"`
	Volume   string              `json:"volume,omitempty"` // its identity; absent: it could never be used
	Listed   bool                `json:"listed"`           // in the configuration; else what it has ages out
	Away     string              `json:"away,omitempty"`   // why its footage cannot be reached
	Bytes    int64               `json:"bytes"`            // sealed footage on it, also where it is away
	Free     int64               `json:"free"`
	Size     int64               `json:"size"`
	MaxBytes int64               `json:"maxBytes"`         // as configured; 0: what the disk has
	Guests   []protocol.CameraID `json:"guests,omitempty"` // recorded on it now, and at home on another
}

type JournalSituation struct {
	Dir        string         `json:"dir"`
	Entries    uint64         `json:"entries"`
	Cosigned   uint64         `json:"cosigned"`             // covered by a cosigned checkpoint
	CosignedAt *protocol.Time `json:"cosignedAt,omitempty"` // absent: none since the start
	Lacking    []string       `json:"lacking,omitempty"`    // witnesses that the quorum waits for
	Owed       int            `json:"owed"`                 // entries that it must still take
	Broken     string         `json:"broken,omitempty"`     // why it cannot be written
	Unopened   bool           `json:"unopened"`             // not even be opened: what is in it is not known
	Behind     bool           `json:"behind"`
	Breaks     uint64         `json:"breaks"`   // keys of epochs that were lost before their seal, since the start
	Newest     protocol.Time  `json:"newest"`   // time of its newest entry
	Progress   protocol.Time  `json:"progress"` // when its writer last answered
	Hangs      bool           `json:"hangs"`    // it has not for too long
}

type ClockSituation struct {
	State string        `json:"state"` // how far to believe it: see clock.Reading
	Since protocol.Time `json:"since"`
	Ahead int64         `json:"ahead"` // seconds that it may be later; what is due by then is shown to nobody
}

type UplinkSituation struct {
	Connected bool           `json:"connected"`
	Since     *protocol.Time `json:"since,omitempty"` // absent: it is still being tried for the first time
	Why       string         `json:"why,omitempty"`   // not connected
}

type OrdersSituation struct {
	Used    uint64 `json:"used"`    // number of the last
	Dropped uint64 `json:"dropped"` // since the start

	Ledger uint64 `json:"ledger"`           // size of the centre's ledger that this recorder follows
	Refuse string `json:"refuse,omitempty"` // why no order is taken: the centre's ledger was rolled back or forked
}

type IncidentSituation struct {
	At     protocol.Time     `json:"at"`
	What   string            `json:"what"`
	Camera protocol.CameraID `json:"camera,omitempty"`
	Detail string            `json:"detail"`
}

// Situation looks now. It may wait for the disk: whoever asks sets a limit.
func (a *Agent) Situation() Situation {
	now := a.Now()
	usage := a.footage.Usage()
	s := Situation{V: situationVersion, Recorder: a.Config.Recorder, Software: Software, Time: protocol.T(now),
		Footage: FootageSituation{Dir: a.Config.footageDir(), Bytes: usage.Bytes, Held: usage.Held, HoldShare: int(a.orders.Roster().HoldShare),
			Free: usage.Free, Size: usage.Total, MaxBytes: a.Config.Footage.MaxBytes, Overdue: usage.Overdue, Keys: usage.Keys, Early: usage.Early},
		Journal: JournalSituation{Dir: a.journalDir(), Entries: a.journal.Head().Size, Owed: usage.Owed, Behind: a.journal.Behind(), Breaks: a.journal.Epochs().Breaks - a.breaks, Newest: a.journal.Head().Time},
		Orders:  OrdersSituation{Used: a.orders.LastOrder(), Dropped: a.orders.Dropped()}}
	if usage.Early > 0 {
		t := protocol.T(usage.EarlyAt)
		s.Footage.EarlyAt = &t
	}
	for _, v := range usage.Volumes {
		if v.Listed || v.Bytes > 0 {
			s.Footage.Volumes = append(s.Footage.Volumes, VolumeSituation{Path: v.Dir, Volume: v.ID, Listed: v.Listed, Away: v.Away, Bytes: v.Bytes, Free: v.Free, Size: v.Total,
				MaxBytes: v.MaxBytes, Guests: v.Guests})
		}
	}
	if err := cmp.Or(a.unopened, a.journal.Err()); err != nil {
		s.Journal.Broken, s.Journal.Unopened = err.Error(), a.unopened != nil
	}
	size, at := a.journal.CosignedHead()
	if s.Journal.Cosigned = size; !at.IsZero() {
		t := protocol.T(at)
		s.Journal.CosignedAt = &t
	}
	s.Journal.Lacking = a.journal.Lacking()
	head, fault := a.orders.Ledger()
	s.Orders.Ledger, s.Orders.Refuse = head.Size, fault
	known := map[protocol.CameraID]bool{}
	for _, c := range a.Config.Cameras {
		known[c.ID] = true
		if st := a.streams[string(c.ID)+"/"+string(c.Stream)]; st != nil {
			s.Cameras = append(s.Cameras, st.situation())
		}
	}
	missing := map[protocol.CameraID]bool{}
	for _, m := range a.orders.Mandates() {
		if _, err := a.orders.Mandate(m.Camera, now); err == nil && !known[m.Camera] {
			missing[m.Camera] = true
		}
	}
	s.Unconfigured = slices.Sorted(maps.Keys(missing))
	s.Keys = a.keysSituation()
	a.watch.into(&s, now)
	reading := a.clock.Read()
	if s.Clock.Ahead = int64(reading.Ahead.Round(time.Second).Seconds()); s.Clock.State != reading.State { // since the last beat
		s.Clock.State, s.Clock.Since = reading.State, protocol.T(now)
	}
	s.judge()
	return s
}

// look is Situation for who asks from outside, one at a time: when the disk hangs, askers do not pile up behind it.
func (a *Agent) look(ctx context.Context) (Situation, error) {
	select {
	case a.looking <- struct{}{}:
		defer func() { <-a.looking }()
		return a.Situation(), nil
	case <-ctx.Done():
		return Situation{}, ctx.Err()
	}
}

func (s *stream) situation() CameraSituation {
	c := CameraSituation{CameraStatus: s.status(), Stream: s.config.Stream}
	s.mu.Lock()
	session := s.session
	s.mu.Unlock()
	if session != nil {
		state := session.State()
		c.Lost, c.Dropped = state.Lost, state.Dropped
		if state.Phase == ingest.Connecting && c.State == "gap" {
			c.State = "connecting"
		}
	}
	c.Dropped += s.agent.footage.Camera(s.config.ID, s.config.Stream).Dropped()
	return c
}

func (w *watch) into(s *Situation, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Started, s.Clock, s.Uplink = protocol.T(w.started), ClockSituation{State: w.clock, Since: protocol.T(w.clockAt)}, w.uplink
	s.Footage.Progress, s.Journal.Progress = protocol.T(w.footage), protocol.T(w.journal)
	s.Footage.Hangs, s.Journal.Hangs = now.Sub(w.footage) > w.hungAfter, now.Sub(w.journal) > w.hungAfter
	s.Incidents, s.Latest, s.Faults = w.incidents, slices.Clone(w.latest), slices.Sorted(maps.Values(w.faults))
}

// Ages of a cosignature from which the recorder serves less (invariant 13).
const (
	noPlayback = time.Hour
	noLive     = 12 * time.Hour
)

// judge finds the troubles in what is known. It looks at nothing else, so that a page and a test can judge alike.
func (s *Situation) judge() {
	s.Troubles = nil
	add := func(failing bool, what, do string) { s.Troubles = append(s.Troubles, Trouble{what, do, failing}) }
	s.judgeDisk(add)
	s.judgeKeys(add)
	s.judgeJournal(add)
	for i := range s.Cameras {
		s.judgeCamera(&s.Cameras[i], add)
	}
	for _, c := range s.Unconfigured {
		add(false, fmt.Sprintf("Camera %s may be recorded, but this recorder does not know where it is.", c),
			"Add the camera to cameras in edge.yaml and restart, or have its mandate ended in the desk.")
	}
	s.judgeRest(add)
	slices.SortStableFunc(s.Troubles, func(a, b Trouble) int { return cmp.Compare(rank(a), rank(b)) })
	s.Healthy = len(s.Troubles) == 0 || !s.Troubles[0].Failing
}

// mayHold is how many bytes may be held, by the roster's share.
func (s *Situation) mayHold() int64 {
	limit := s.Footage.Size
	if s.Footage.MaxBytes > 0 {
		limit = s.Footage.MaxBytes
	}
	for _, v := range s.Footage.Volumes {
		switch {
		case v.Away != "" || !v.Listed:
			limit += v.Bytes
		case len(s.Footage.Volumes) > 1 && v.MaxBytes > 0:
			limit -= max(0, v.Size-v.MaxBytes)
		}
	}
	return limit / 100 * int64(s.Footage.HoldShare)
}

// ago is how long before this look something was.
func (s *Situation) ago(t protocol.Time) string { return short(s.Time.Sub(t.Time)) }

func rank(t Trouble) int {
	if t.Failing {
		return 0
	}
	return 1
}

func (s *Situation) judgeDisk(add func(failing bool, what, do string)) {
	f := &s.Footage
	if f.Hangs {
		add(true, fmt.Sprintf("Deleting stands still for %s: the disk under %s does not answer. Old footage stays too long.", s.ago(f.Progress), f.Dir),
			"Look at the disk: cable, power, `dmesg`. Restart the machine when it answers again. Tell the privacy officer.")
	}
	if f.Overdue > 0 && !f.Hangs {
		add(false, fmt.Sprintf("%d pieces of footage should be gone and cannot be deleted.", f.Overdue),
			fmt.Sprintf("Nobody can see them any more. Look whether the disk under %s can be written (`df -h`, `dmesg`). Tell the privacy officer.", f.Dir))
	}
	if f.Keys > 0 && !f.Hangs && !s.Keys.Locked { // locked, they wait for the share
		add(false, fmt.Sprintf("%d pieces of footage are deleted, and their keys cannot be: who finds the deleted files back could still read them.", f.Keys),
			"Look whether the disk under `keys` (edge.yaml) is full or cannot be written (`df -h`, `df -i`, `findmnt`, `dmesg`). The keys go by themselves when it can. Tell the privacy officer.")
	}
	if f.EarlyAt != nil && s.Time.Sub(f.EarlyAt.Time) < time.Hour {
		add(false, fmt.Sprintf("Footage is deleted before its time, since the disk is full: %d pieces since the start, the last %s ago.", f.Early, s.ago(*f.EarlyAt)),
			fmt.Sprintf("Look what else fills the disk under %s (`df -h`, `du -x`), or give this recorder a bigger one. The journal says what went. Tell the privacy officer.", f.Dir))
	}
	for _, v := range f.Volumes {
		switch {
		case v.Away != "" && v.Listed:
			add(false, fmt.Sprintf("The disk %s cannot be used: %s. %s of footage on it cannot be shown.", v.Path, strings.TrimSuffix(v.Away, "."), size(v.Bytes)),
				"Its cameras are recorded on the other disks, and what is on it is not lost yet. Look at power, cable and `dmesg`, mount it, and look here again. If it is dead: take it out of volumes in edge.yaml. If somebody took it: tell the privacy officer.")
		case v.Away != "":
			add(false, fmt.Sprintf("The disk %s is not there and not in edge.yaml any more; %s of footage was on it.", v.Path, size(v.Bytes)),
				"Nothing has to be done: when that footage is due its keys are destroyed, and then this line goes.")
		}
	}
	if may := s.mayHold(); may > 0 && f.Held > may/10*9 {
		add(false, fmt.Sprintf("Held footage takes %s of the %s it may take; new holds will be refused.", size(f.Held), size(may)),
			"Ask the centre which holds can be lifted, or give this recorder a bigger disk.")
	}
}

func (s *Situation) judgeJournal(add func(failing bool, what, do string)) {
	j := &s.Journal
	switch {
	case j.Unopened:
		add(true, "The journal cannot be opened: "+strings.TrimSuffix(j.Broken, ".")+".",
			fmt.Sprintf("Cameras are recorded and footage is deleted on time by what the recorder remembers of its orders, but nobody can look back, nothing is released and no order is obeyed. Is the disk under %s mounted and well (`findmnt`, `dmesg`)? It is tried again by itself. If the disk is well, copy that folder to another disk before anything else, and call the people who maintain beeldwacht.", j.Dir))
	case j.Broken != "":
		add(true, "The journal cannot be written: "+j.Broken+".",
			fmt.Sprintf("Cameras are recorded and footage is deleted on time, but nobody can look back and nothing is released. Look at the disk under %s (`df -h`, `df -i`, `findmnt`, `dmesg`). When it can be written the journal goes on by itself.", j.Dir))
	case j.Hangs:
		add(true, fmt.Sprintf("The journal does not answer for %s: the disk under %s hangs.", s.ago(j.Progress), j.Dir),
			"Look at the disk: cable, power, `dmesg`. Restart the machine when it answers again.")
	case j.Owed > 0 && s.Time.Sub(s.Started.Time) > time.Minute:
		add(false, fmt.Sprintf("%d entries wait for the journal.", j.Owed), "They are written as soon as the journal takes them. When this number grows, look at the disk.")
	}
	if s.Clock.State != clock.Unconfirmed && j.Newest.Sub(s.Time.Time) > time.Minute { // until somebody says what time it is, it may be so
		add(false, fmt.Sprintf("The journal's newest entry is of %s, which is still to come: this recorder's time was once ahead. Entries keep that time until then.", j.Newest),
			"Nothing to mend: their order is right, and times in them and of footage are right too. Tell the privacy officer.")
	}
	if j.Breaks > 0 {
		add(false, "The key that seals this journal was lost, so what was written in the last hour before it cannot be proven here. A new one is in use, and the centre is told.",
			"Did somebody put back the folder of the keys, or the journal, from a copy, or another disk? Neither belongs in a backup. Tell the privacy officer either way.")
	}
	if j.Behind {
		add(true, "The witness knows more of this journal than this recorder does: was the disk put back from a copy?",
			"Cameras are recorded, nothing is shown or released. Do not put anything back, do not delete anything. Phone the privacy officer, who can order this recorder to resume.")
		return
	}
	if j.Unopened || s.Time.Sub(s.Started.Time) < 5*time.Minute { // the first has a moment to come
		return
	}
	noSignature := noSignature
	if len(j.Lacking) > 0 {
		noSignature = fmt.Sprintf("The centre signs; missing is the signature of %s, which the roster asks for too. Ask whoever runs that witness (the privacy officer) whether it is switched on and reached; nothing has to be done here.", strings.Join(j.Lacking, ", "))
	}
	switch {
	case j.CosignedAt == nil && len(j.Lacking) > 0:
		add(false, "Not enough witnesses have cosigned this journal since the start: until then nothing is shown or released here.", noSignature)
	case j.CosignedAt == nil:
		add(false, "No witness has cosigned this journal since the start.", noSignature+" Until then nothing is shown or released here.")
	case s.Time.Sub(j.CosignedAt.Time) > noLive:
		add(false, fmt.Sprintf("The last cosignature is %s old: nothing is shown or released here any more.", s.ago(*j.CosignedAt)), noSignature)
	case s.Time.Sub(j.CosignedAt.Time) > noPlayback:
		add(false, fmt.Sprintf("The last cosignature is %s old: nobody can look back here.", s.ago(*j.CosignedAt)), noSignature)
	case len(j.Lacking) > 0 && s.Time.Sub(j.CosignedAt.Time) > 5*time.Minute:
		add(false, fmt.Sprintf("For %s too few witnesses have signed: nothing is released here.", s.ago(*j.CosignedAt)), noSignature)
	}
}

const noSignature = "Mend the connection to the centre (see Uplink); nothing else has to be done here."

func (s *Situation) judgeCamera(c *CameraSituation, add func(failing bool, what, do string)) {
	switch {
	case c.recording():
	case !c.permitted():
		add(false, fmt.Sprintf("Camera %s may not be recorded: %s.", c.name(), strings.TrimSuffix(c.Detail, ".")), remedies[footage.CauseMandate])
	case c.State == "connecting":
		add(true, fmt.Sprintf("Camera %s is not recorded yet: connecting.", c.name()), "Wait a minute, then look again.")
	default:
		add(true, fmt.Sprintf("Camera %s is dark for %s: %s: %s.", c.name(), s.ago(c.Since), c.Cause, strings.TrimSuffix(c.Detail, ".")), remedies[footage.Cause(c.Cause)])
	}
}

// remedies say what to do about a dark camera.
var remedies = map[footage.Cause]string{
	footage.CauseNetwork:  "Look whether camera and switch have power and whether the cable is in. Then `ping` the camera, and compare its address with edge.yaml.",
	footage.CauseCamera:   "The camera answers but gives no picture that can be recorded. Compare user and password with the secrets file, and the path with edge.yaml; switch the camera off and on.",
	footage.CauseDisk:     "The disk is too slow, full, out of inodes, read-only, gone, or another's. Look at `df -h`, `df -i`, `findmnt` and `dmesg`; then `journalctl -u beeldwacht-edge`. Recording is tried again by itself.",
	footage.CauseClock:    "The clock of this machine jumped. Recording goes on by itself; look at `timedatectl`.",
	footage.CauseRecorder: "Wait a minute, then look again. Recording goes on by itself.",
	footage.CauseMandate:  "Nothing to mend here: the centre decides what may be recorded. Ask the registrar when you expected otherwise.",
}

func (s *Situation) judgeRest(add func(failing bool, what, do string)) {
	if s.Orders.Refuse != "" {
		add(false, "No order is taken: the centre's ledger is not the one that this recorder saw before. "+s.Orders.Refuse+".",
			"Recording and deleting go on. "+ledgerRemedy)
	}
	if !s.Uplink.Connected && s.Uplink.Since != nil {
		add(false, "No connection with the centre: "+strings.TrimSuffix(s.Uplink.Why, ".")+".",
			"Recording and deleting go on without it. Look whether this machine reaches the network, and at broker.url in edge.yaml.")
	}
	switch s.Clock.State {
	case clock.Disputed:
		what := "The clock of this machine is not believed: it was set, or is wrong."
		if s.Clock.Ahead > 0 {
			what += " Footage that would be too old by it is shown to nobody; it is deleted when that is confirmed, or after 72 hours."
		}
		add(false, what, "Compare `date` with a watch, and look at `timedatectl`. Set the clock right, and switch chrony or systemd-timesyncd on.")
	case clock.Unconfirmed:
		add(false, "The power was off, and nobody has said yet for how long: recording goes on, and nothing older is shown.",
			"Look at Uplink: a cosignature will do. Or give this machine a time server it can reach; look at `timedatectl`.")
	case clock.Unsynced:
		add(false, "Nothing keeps the clock of this machine: times of footage cannot be proven.", "Look at `timedatectl`: switch chrony or systemd-timesyncd on, and give it a time server it can reach.")
	case clock.Unknown:
		add(false, "The system does not say whether something keeps its clock: times of footage cannot be proven.",
			"Look whether the service may call adjtimex (SystemCallFilter in beeldwacht-edge.service).")
	}
	for _, f := range s.Faults {
		add(false, f+".", "Recording goes on, and this is tried again. Look what else uses that address (`ss -ltnp`), or whether edge.yaml is wrong: mend it and restart when it suits.")
	}
	if s.Incidents > 0 {
		last := s.Latest[len(s.Latest)-1]
		number, of := fmt.Sprintf("%d incidents", s.Incidents), ""
		if s.Incidents == 1 {
			number = "1 incident"
		}
		if last.Camera != "" {
			of = " of camera " + string(last.Camera)
		}
		add(false, fmt.Sprintf("%s since the start; the last %s ago%s: %s: %s.", number, s.ago(last.At), of, last.What, strings.TrimSuffix(last.Detail, ".")),
			"The centre sees them too. Look at the disk first (`df -h`, `df -i`, `dmesg`), then at `journalctl -u beeldwacht-edge`.")
	}
}
