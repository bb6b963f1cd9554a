package protocol

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"
)

// Status is what a recorder says of itself, signed with its own key: a note whose text is a first line and one line of JSON.
type Status struct {
	Recorder  RecorderID     `json:"recorder"`
	Time      Time           `json:"time"`
	State     string         `json:"state"`         // "online"; "offline" in the last will, whose time is that of the connection
	Why       string         `json:"why,omitempty"` // why it serves nothing, or what else a person should know
	Log       uint64         `json:"log,omitzero"`  // number of the journal; left out for the first
	Entries   uint64         `json:"entries"`       // size of the journal
	Cosigned  uint64         `json:"cosigned"`      // covered by a cosigned checkpoint
	LastOrder uint64         `json:"lastOrder"`     // the centre resends what follows
	Dropped   uint64         `json:"dropped"`       // envelopes dropped since the start
	Cameras   []CameraStatus `json:"cameras"`
	DiskBytes int64          `json:"diskBytes"` // used by footage
	DiskFree  int64          `json:"diskFree"`
	HeldBytes int64          `json:"heldBytes"`
	Viewer    string         `json:"viewer,omitempty"` // base URL of the viewer near this recorder
	Software  string         `json:"software"`
	Ledger    *LedgerHead    `json:"ledger,omitempty"` // newest it follows of the centre's ledger; of a recorder whose orders must rest on it
	Share     *ShareAsk      `json:"share,omitempty"`  // of a recorder whose keys need the centre's share
}

// WhyBehind is a Status's Why of a recorder that was put back.
const WhyBehind = "the witness has more of this journal than this recorder: it records and serves nothing until a resume is ordered"

// LedgerHead is how far somebody follows the centre's ledger.
type LedgerHead struct {
	Size uint64 `json:"size"`
	Root Hash   `json:"root"`
}

func (h LedgerHead) String() string { return fmt.Sprintf("%d %s", h.Size, h.Root) }

// ParseLedgerHead reads what String writes.
func ParseLedgerHead(text string) (h LedgerHead, err error) {
	size, root, _ := strings.Cut(text, " ")
	h.Size, err = strconv.ParseUint(size, 10, 64)
	if err == nil {
		err = h.Root.UnmarshalText([]byte(root))
	}
	if err != nil || h.String() != text {
		return h, fmt.Errorf("%.100q: want the size and the root of the ledger", text)
	}
	return h, nil
}

// CameraStatus is one camera's state. State is "recording", "gap" or "no mandate". Detail is for people: of a gap, why; while recording one of the words below, with the coding in brackets
// ("without the camera's sound (G.711)"), or nothing where the camera offers no sound.
type CameraStatus struct {
	Camera    CameraID `json:"camera"`
	State     string   `json:"state"`
	Cause     string   `json:"cause,omitempty"`
	Detail    string   `json:"detail,omitempty"`
	Since     Time     `json:"since"`
	LastFrame *Time    `json:"lastFrame,omitempty"`
	Bitrate   int64    `json:"bitrate"` // bit/s over the last seconds
	Oldest    *Time    `json:"oldest,omitempty"`
}

// What becomes of a camera's sound while it is recorded.
const (
	SoundRecorded = "with the camera's sound"
	SoundLeftOut  = "without the camera's sound" // the mandate allows none, or its coding cannot be kept unchanged
	SoundSilent   = "the camera offers sound and sends none"
)

const statusFirst = "beeldwacht/status v1\n"

// SignStatus writes a status as a note signed by the recorder.
func SignStatus(s Status, signer note.Signer) ([]byte, error) {
	line, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("status of %s: %w", s.Recorder, err)
	}
	return note.Sign(&note.Note{Text: statusFirst + string(line) + "\n"}, signer)
}

// OpenStatus verifies a status against the recorder's key and reads it.
func OpenStatus(raw []byte, recorder note.Verifier) (Status, error) {
	n, err := note.Open(raw, note.VerifierList(recorder))
	if err != nil {
		return Status{}, fmt.Errorf("status: not signed by %s: %w", recorder.Name(), err)
	}
	line, ok := strings.CutPrefix(n.Text, statusFirst)
	var s Status
	if !ok {
		return s, fmt.Errorf("status: unknown first line")
	}
	if err := json.UnmarshalRead(bytes.NewReader([]byte(line)), &s, json.RejectUnknownMembers(true)); err != nil {
		return s, fmt.Errorf("status: %w", err)
	}
	return s, ValidID(s.Recorder)
}
