package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/orders"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// A recorder whose journal cannot be opened, because its disk is gone or broken, or because somebody damaged it, still records what it may and deletes what
// it must (invariant 10). What it has to know for that stands beside the journal in the file `remembered`: a note signed by the recorder itself, whose text
// is a first line and one line of JSON.
//
//	beeldwacht/remembered v1
//	{"v":1,"volume":"5e0c…","orders":{"roster":"…","mandates":["…"],"last":17}}
//
// It is replaced when roster or mandates change, and read only then: otherwise the journal says it all. But for the roster: where the journal was put back, the one that is remembered is newer, and
// whose signatures count does not go back with it.
type remembered struct {
	V      int             `json:"v"`
	Volume string          `json:"volume"` // the disk with footage: an empty folder is not taken for it
	Orders orders.Standing `json:"orders"`
}

const rememberedHead = "beeldwacht/remembered v1\n"

func (a *Agent) rememberedFile() string { return filepath.Join(a.Config.Data, "remembered") }

// remember writes what a start without the journal will need. The caller has obeying, or nothing runs yet.
func (a *Agent) remember() {
	if a.unopened != nil {
		return
	}
	signed, err := a.toRemember()
	if err == nil && !bytes.Equal(signed, a.remembering) {
		if err = disk.Replace(a.files(), a.rememberedFile(), signed); err == nil {
			a.remembering = signed
		}
	}
	if err != nil {
		a.Log.Error("what a start without the journal needs cannot be kept", "file", a.rememberedFile(), "error", err)
	}
}

func (a *Agent) toRemember() ([]byte, error) {
	standing, err := a.orders.Standing()
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(remembered{V: 1, Volume: a.footage.Volume(), Orders: standing})
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: rememberedHead + string(line) + "\n"}, a.identity.Signer)
}

// recall reads what was remembered. Without it, as on a disk from before there was such a file, a volume that is there still expires.
func (a *Agent) recall() (r remembered, err error) {
	signed, err := disk.ReadFile(a.files(), a.rememberedFile())
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := a.files().Lstat(filepath.Join(a.Config.Data, "footage", "volume.json")); err != nil {
			return r, fmt.Errorf("nothing is remembered of this recorder: %w", err)
		}
		return remembered{V: 1, Orders: orders.Standing{Roster: string(a.identity.Roster)}}, nil
	}
	if err != nil {
		return r, err
	}
	v, err := protocol.NewVerifier(a.identity.Verifier)
	if err != nil {
		return r, err
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return r, fmt.Errorf("%s: %w", a.rememberedFile(), err)
	}
	line, ok := strings.CutPrefix(n.Text, rememberedHead)
	if err = json.Unmarshal([]byte(line), &r, json.RejectUnknownMembers(true)); err != nil || !ok || r.V != 1 {
		return r, fmt.Errorf("%s: not of a version that is known here (%w)", a.rememberedFile(), err)
	}
	return r, nil
}

// withoutJournal opens orders on what is remembered, when the journal cannot be opened and why.
func (a *Agent) withoutJournal(why error) (volume string, err error) {
	r, err := a.recall()
	if err != nil {
		return "", errors.Join(why, err)
	}
	a.Log.Error("the journal cannot be opened: recording and deleting go on by what is remembered, nothing is shown or released", "error", why)
	a.unopened = why
	if a.clock == nil {
		a.openClock(time.Time{})
	}
	a.journal = journal.Unopened(a.journalDir(), a.identity.Signer, a.Now, a.Log, why)
	if a.orders, err = orders.OpenStanding(a.journal, a.Config.Recorder, a.identity.Roots, r.Orders, a.Now, a.Log); err != nil {
		return "", errors.Join(why, err)
	}
	return r.Volume, nil
}

// history is a journal, and what the runs before this one left in it.
type history struct {
	journal *journal.Journal
	begun   uint64 // entries that it had
	breaks  uint64 // of its epochs
	orders  *orders.Orders
	volume  string // the disk with footage
	clean   bool   // the run before this one stopped in order, or there was none
}

// readJournal opens the journal and reads all of it. A recorder that remembers its journal takes an empty folder for a disk that is not mounted, and begins no other.
func (a *Agent) readJournal() (h history, err error) {
	if !disk.Absent(a.files(), a.rememberedFile()) && disk.Absent(a.files(), filepath.Join(a.journalDir(), "headers.log")) {
		return h, fmt.Errorf("journal: %s is empty, and this recorder has a journal: is its disk mounted?", a.journalDir())
	}
	h.journal, err = journal.OpenOn(a.Disk, a.journalDir(), a.identity.Signer.Name(), a.identity.Signer, a.Now, a.Log)
	if err != nil {
		return h, err
	}
	h.begun, h.breaks = h.journal.Head().Size, h.journal.Epochs().Breaks
	if a.clock == nil {
		a.openClock(h.journal.Head().Time.Time)
	}
	if err = h.journal.SealEpochs(a.Config.keysDir()); err != nil {
		return h, errors.Join(err, h.journal.Close())
	}
	if h.orders, err = orders.Open(h.journal, a.Config.Recorder, a.identity.Roots, a.newestRoster(), a.Now, a.Log); err == nil {
		h.orders.KeepLedger(a.files(), filepath.Join(a.Config.Data, "ledger-seen"))
		err = h.before()
	}
	if err != nil {
		return h, errors.Join(err, h.journal.Close())
	}
	return h, nil
}

// newestRoster is the newest that this recorder was given: at enrolment, by hand, or by an order that it remembers beside the journal.
func (a *Agent) newestRoster() []byte {
	newest := a.identity.Roster
	if disk.Absent(a.files(), a.rememberedFile()) {
		return newest
	}
	r, err := a.recall()
	if err != nil {
		a.Log.Warn("what is remembered cannot be read: a newer roster that stood in it comes again from the centre", "error", err)
		return newest
	}
	own, err := protocol.OpenRoster(newest, a.identity.Roots)
	then, err2 := protocol.OpenRoster([]byte(r.Orders.Roster), a.identity.Roots)
	if err2 == nil && (err != nil || then.Version > own.Version) {
		newest = []byte(r.Orders.Roster)
	}
	return newest
}

// before reads what the journal says of the runs before this one.
func (h *history) before() error {
	h.clean = true // a first start follows nothing
	return h.journal.Replay(func(e chain.Header, body []byte) (err error) {
		switch e.Kind {
		case protocol.KindStarted:
			var s protocol.Started
			if body != nil {
				err = chain.ParseBody(body, &s)
				h.volume = s.Volume
			}
			h.clean = false
		case protocol.KindStopped:
			h.clean = true
		}
		if err != nil {
			return fmt.Errorf("journal: entry %d: %w", e.Seq, err)
		}
		return nil
	})
}

func (a *Agent) journalDir() string { return filepath.Join(a.Config.Data, "journal") }

// errAnew: the journal can be opened again, so the recorder stops in order and starts anew.
var errAnew = errors.New("the journal can be opened again")

// awaitJournal looks, where there is none, whether the journal can be opened again.
func (a *Agent) awaitJournal(ctx context.Context) error {
	const again = 10 * time.Second
	for a.unopened != nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(again):
		}
		h, err := a.readJournal()
		if err == nil {
			return errors.Join(errAnew, h.journal.Close())
		}
		a.Log.Warn("the journal still cannot be opened", "error", err)
	}
	return nil
}
