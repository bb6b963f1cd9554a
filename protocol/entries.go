package protocol

// Kinds of entries in a recorder's journal, and their bodies. The centre, the verifier and the bag read what the recorder writes, so
// the words stand here. Bodies name people by PersonID, never by name. Every body also carries a random `salt`, added when it is
// sealed (protocol/chain); each struct therefore has a Salt field to read it back with unknown fields refused.
const (
	KindOpened      = "log.opened"       // Opened: the first entry
	KindStarted     = "recorder.started" // Started
	KindStopped     = "recorder.stopped" // Stopped: an orderly stop
	KindRun         = "run.started"      // RunStarted
	KindGapBegun    = "gap.begun"        // Gap, To zero
	KindGapEnded    = "gap.ended"        // Gap
	KindSealed      = "footage.sealed"   // Sealed: once a minute, all cameras
	KindExpired     = "footage.expired"  // Expired
	KindIncident    = "incident"         // Incident: something a person must look at
	KindOrder       = "order.accepted"   // Order
	KindRefused     = "order.refused"    // OrderRefused: used its number up, was not obeyed
	KindDropped     = "order.dropped"    // OrderDropped: used nothing up; written a bounded number of times, then counted
	KindHoldPlaced  = "hold.placed"      // HoldPlaced: what confirms a hold
	KindHoldLifted  = "hold.lifted"      // HoldLifted
	KindErased      = "footage.erased"   // Erased: the outcome of an order to erase; its order.accepted is the intent
	KindIntent      = "release.intent"   // Access with How "release"
	KindReleased    = "release.done"     // Released
	KindReleaseFail = "release.failed"   // ReleaseFailed
	KindView        = "access.view"      // Access with How "playback" or "live"
	KindViewRefused = "access.refused"   // AccessRefused
	KindLedger      = "ledger.seen"      // LedgerSeen: the centre's checkpoint, kept here
	KindLedgerBad   = "ledger.refused"   // LedgerRefused: the centre's ledger does not extend what was seen of it
	KindEpochBegun  = "epoch.begun"      // EpochBegun: the log is forward secure from here
	KindEpochSealed = "epoch.sealed"     // EpochSealed: at most an hour after the one before
	KindResumed     = "log.resumed"      // Resumed: from here on this is the next log

	KindBodiesDestroyed = "log.bodies-destroyed" // BodiesDestroyed: bodies whose term is over
)

// Salted is embedded in every body. chain.Seal overwrites it with 16 fresh random bytes in hex, so that a short body cannot be guessed
// from its hash once it has been destroyed.
type Salted struct {
	Salt string `json:"salt,omitempty"`
}

type Opened struct {
	Salted
	Recorder     RecorderID `json:"recorder"`
	Municipality string     `json:"municipality"`
	Key          string     `json:"key"`    // the recorder's verifier key
	Roster       string     `json:"roster"` // the first roster, whole: what came by hand at enrolment
	Roots        []string   `json:"roots"`  // pinned root keys
}

type Started struct {
	Salted
	Software string `json:"software"`
	Clean    bool   `json:"clean"`  // the run before this one stopped in order
	Volume   string `json:"volume"` // identity of the disk with footage, or of that with its index: the next start refuses another one (invariant 6)

	Volumes []string `json:"volumes,omitempty"` // identities of the other disks with footage, where there are any; also of those that are missing
}

type Stopped struct {
	Salted
	Reason string `json:"reason"`
}

// RunStarted is written before the first segment of the run is indexed. Init is the SHA-256 of the fMP4 init.
type RunStarted struct {
	Salted
	Camera CameraID `json:"camera"`
	Stream StreamID `json:"stream"`
	Run    RunID    `json:"run"`
	Codec  string   `json:"codec"`
	Sound  string   `json:"sound,omitempty"` // codec of its track of sound; absent: pictures alone
	Init   Hash     `json:"init"`
	Start  Time     `json:"start"` // the recorder's time at the first frame
	Clock  string   `json:"clock"` // "synced" by NTP; "unsynced", "unknown"; "disputed": the machine's clock says another time; "unconfirmed": so far nobody has, since the power was off
}

type Gap struct {
	Salted
	Camera CameraID `json:"camera"`
	Stream StreamID `json:"stream"`
	Cause  string   `json:"cause"`
	Detail string   `json:"detail,omitempty"`
	From   Time     `json:"from"`
	To     *Time    `json:"to,omitempty"` // in gap.ended
}

// Sealed lists nothing itself: Root is the RFC 6962 root over the minute's SegmentLines, which stay on the recorder and travel in a bag.
type Sealed struct {
	Salted
	Root    Hash           `json:"root"`
	Count   int            `json:"count"`
	Cameras []SealedCamera `json:"cameras"`
	Again   bool           `json:"again,omitempty"` // in a successor log: the entry that said so first is not in it. Segments that are gone by now count for the root alone
}

type SealedCamera struct {
	Camera CameraID `json:"camera"`
	Count  int      `json:"count"`
	First  Time     `json:"first"`  // first frame of the first segment
	Last   Time     `json:"last"`   // end of the last segment
	Oldest Time     `json:"oldest"` // first frame of the oldest segment of this camera on this recorder, held or not
}

// Expired is written after unlink, directory sync and key destruction (invariant 2): one entry for all whose keys went together, once a minute.
type Expired struct {
	Salted
	Reason   string           `json:"reason"` // "window", "space", "erase", "hold-ended" (overdue when its hold was lifted)
	At       Time             `json:"at"`     // when the last of the files were gone; the entry itself comes after their keys
	Segments []ExpiredSegment `json:"segments"`
	Oldest   []OldestFootage  `json:"oldest"` // what remains, per camera named above

	Erase DocumentID `json:"erase,omitempty"` // the order, where Reason is "erase"
}

type ExpiredSegment struct {
	Camera CameraID `json:"camera"`
	Run    RunID    `json:"run"`
	N      int      `json:"n"`                // place in the run
	Minute uint64   `json:"minute,omitempty"` // seq of the footage.sealed entry it stood in; 0: it was gone before its minute was journalled
	Start  Time     `json:"start"`
	Due    Time     `json:"due"`
	SHA256 Hash     `json:"sha256"`
	Gone   *Time    `json:"gone,omitempty"` // when its file was gone, where that was before At
}

// GoneAt is when a segment's file was gone.
func (e Expired) GoneAt(s ExpiredSegment) Time {
	if s.Gone != nil {
		return *s.Gone
	}
	return e.At
}

// OldestFootage says what a camera's oldest footage is now; Oldest absent: none.
type OldestFootage struct {
	Camera CameraID `json:"camera"`
	Oldest *Time    `json:"oldest,omitempty"`
}

// Incident is something found that must not be: a failed unlink, a missing disk, a file that changed.
type Incident struct {
	Salted
	What   string   `json:"what"`
	Camera CameraID `json:"camera,omitempty"`
	Detail string   `json:"detail"`
}

// Order keeps the document whole: the recorder's memory of what it obeys is replayed from its journal.
type Order struct {
	Salted
	Number   uint64     `json:"number"` // 0: came by hand, without an envelope
	Kind     string     `json:"kind"`
	ID       DocumentID `json:"id"`
	Level    Level      `json:"level"`
	Document string     `json:"document"`
	Envelope Hash       `json:"envelope"`       // SHA-256 of the envelope as received
	Note     string     `json:"note,omitempty"` // of a grant: the envelope as received. At level centre it bears the only signature there is, and the bag shows it
}

type OrderRefused struct {
	Salted
	Number   uint64     `json:"number"`
	Kind     string     `json:"kind,omitempty"`
	ID       DocumentID `json:"id,omitempty"`
	Reason   string     `json:"reason"`
	Envelope Hash       `json:"envelope"`
}

type OrderDropped struct {
	Salted
	Reason   string `json:"reason"`
	Envelope Hash   `json:"envelope"`
	Unlogged uint64 `json:"unlogged,omitempty"` // dropped since the last such entry without one of their own
}

// HoldPlaced confirms a hold: written once every segment that touches the asked interval is sealed.
type HoldPlaced struct {
	Salted
	Hold     HoldID    `json:"hold"`
	Request  RequestID `json:"request"`
	Camera   CameraID  `json:"camera"`
	Asked    Interval  `json:"asked"`
	Interval Interval  `json:"interval"` // rounded outward to whole segments
	Segments int       `json:"segments"` // 0: nothing exists there
	Bytes    int64     `json:"bytes"`
	Root     Hash      `json:"root"` // RFC 6962 root over the SegmentLines held, in time order
	End      Time      `json:"end"`
}

type HoldLifted struct {
	Salted
	Hold   HoldID `json:"hold"`
	Reason string `json:"reason"` // "lift" (an order) or "end" (its own end came)
}

// Erased closes an order to erase: written when file and key of every segment that touched the interval are gone, on all volumes. The footage.expired entries with its id
// name each of them.
type Erased struct {
	Salted
	Erase    DocumentID `json:"erase"`
	Camera   CameraID   `json:"camera"`
	Asked    Interval   `json:"asked"`
	Interval Interval   `json:"interval"` // rounded outward to whole segments
	Segments int        `json:"segments"` // 0: nothing was there any more
	Bytes    int64      `json:"bytes"`
}

// Access is written, and synced, before anything is read (sentence 2 of DESIGN section 1).
type Access struct {
	Salted
	How       string    `json:"how"` // "release", "playback", "live"
	Grant     GrantID   `json:"grant"`
	Request   RequestID `json:"request"`
	Camera    CameraID  `json:"camera"`
	Interval  Interval  `json:"interval"`
	Person    PersonID  `json:"person"`    // who receives it
	Recipient string    `json:"recipient"` // the key it is read for
	Reason    string    `json:"reason"`
	Document  Hash      `json:"document"` // SHA-256 of the grant as accepted
	Level     Level     `json:"level"`
}

type Released struct {
	Salted
	Grant    GrantID   `json:"grant"`
	Request  RequestID `json:"request"`
	Camera   CameraID  `json:"camera"`
	Intent   uint64    `json:"intent"` // seq of its release.intent
	Object   string    `json:"object"` // name in the vault
	Size     int64     `json:"size"`   // of the encrypted object, bytes
	SHA256   Hash      `json:"sha256"` // of the encrypted object
	Bag      Hash      `json:"bag"`    // of the zip inside
	Manifest Hash      `json:"manifest"`
	Segments int       `json:"segments"`
	Gaps     int       `json:"gaps"`
}

type ReleaseFailed struct {
	Salted
	Grant   GrantID   `json:"grant"`
	Request RequestID `json:"request"`
	Reason  string    `json:"reason"`
	Final   bool      `json:"final"` // false: the recorder tries again while the grant is valid
}

type AccessRefused struct {
	Salted
	Camera    CameraID `json:"camera,omitempty"`
	Recipient string   `json:"recipient"`
	Reason    string   `json:"reason"`
}

type LedgerSeen struct {
	Salted
	Checkpoint string `json:"checkpoint"`
	Bound      bool   `json:"bound,omitempty"` // it came with a consistency proof: from here on orders rest on the ledger
}

// LedgerRefused is evidence against the centre: two checkpoints of its ledger, each with its own signatures, that cannot both be of one log that only grew.
type LedgerRefused struct {
	Salted
	Seen    string `json:"seen"`    // the checkpoint that stands in this journal
	Refused string `json:"refused"` // as it came: a submission (protocol/chain)
	Why     string `json:"why"`
}

// EpochBegun names the public key of an epoch that no seal before it names: the first, or the next after a break.
type EpochBegun struct {
	Salted
	Epoch uint64 `json:"epoch"`          // its number: 0 is the first of the log
	Key   string `json:"key"`            // verifier key, under the log's origin
	Lost  string `json:"lost,omitempty"` // after a break: why the epoch before this one cannot be sealed. What stands between its last seal and this entry is not proven, and more may have stood there
}

// EpochSealed ends an epoch (protocol/chain, Forward security).
type EpochSealed struct {
	Salted
	Seal string `json:"seal"` // a signed note of the ending epoch's key
}

// Resumed makes a log its own successor: what stands before it, as the recorder had it, and what comes after are signed under the successor's name (see [LogOrigin]) from then on. The entry
// behind it begins an epoch anew, in a log that has epochs.
type Resumed struct {
	Salted
	Log      uint64 `json:"log"`      // the successor's number
	Document string `json:"document"` // the [Resume], as signed
	Behind   string `json:"behind"`   // the cosigned checkpoint that this log did not lead to; empty if the recorder never saw one
}

// BodiesDestroyed is written before the bodies go, which the recorder then does, also after a crash. A month stands in one such entry for each kind.
type BodiesDestroyed struct {
	Salted
	Month string          `json:"month"` // of the entries' time (UTC): "2026-11"
	Kinds []KindDestroyed `json:"kinds"`
}

type KindDestroyed struct {
	Kind  string `json:"kind"`
	Count uint64 `json:"count"` // all that there were in the month
	Root  Hash   `json:"root"`  // RFC 6962 root over their header lines, each of which has the hash of its body
}
