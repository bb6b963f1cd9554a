package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

// proofStart begins a C2SP tlog-proof file.
const proofStart = "c2sp.org/tlog-proof@v"

// entryReport is what -json prints for one entry.
type entryReport struct {
	Kind   string         `json:"kind"`
	File   string         `json:"file"`
	State  evidence.State `json:"state"`
	Origin string         `json:"origin"`
	Entry  uint64         `json:"entry"`
	What   string         `json:"what"` // the entry's kind
	At     protocol.Time  `json:"at"`

	Integrity     evidence.Verdict `json:"integrity"`
	Time          evidence.Verdict `json:"time"`
	Authorisation evidence.Verdict `json:"authorisation"`
}

// entry judges the proof of one entry, whose header and body stand in files beside it.
func (v *verifier) entry() error {
	if v.keys.log == nil {
		return unexamined("an entry is judged by the key of its log: the keys file has no log line")
	}
	base := strings.TrimSuffix(v.name, ".tlog-proof")
	proof, err := os.ReadFile(v.name)
	if err != nil {
		return unexamined("%v", err)
	}
	header, err := os.ReadFile(base + ".header")
	if err != nil {
		return unexamined("the entry's header must stand beside its proof: %v", err)
	}
	body, err := os.ReadFile(base + ".body")
	if err != nil && !os.IsNotExist(err) {
		return unexamined("%v", err)
	}
	r := v.judgeEntry(proof, header, body)
	if v.json {
		err = v.object(r)
	} else {
		err = v.tellEntry(r)
	}
	if err != nil {
		return err
	}
	return v.exit(r.State)
}

func (r *entryReport) verdicts() []evidence.Named {
	return (&evidence.Report{Integrity: r.Integrity, Time: r.Time, Authorisation: r.Authorisation}).Verdicts()
}

// judgeEntry: a nil body is one that is not there.
func (v *verifier) judgeEntry(proof, header, body []byte) *entryReport {
	r := &entryReport{Kind: "entry", File: v.name, Origin: v.keys.origin}
	integrity, when, authorisation := judgement{&r.Integrity}, judgement{&r.Time}, judgement{&r.Authorisation}
	for _, j := range []judgement{integrity, when, authorisation} {
		j.begin()
	}
	h, c, cosigned, err := chain.VerifyProof(proof, header, chain.Verifier{Origin: v.keys.origin, Log: v.keys.log, Witnesses: v.keys.witnesses}) // how many cosigned is of time
	if err != nil {
		integrity.fail(evidence.Finding{}, "Het bewijs klopt niet: %v.", "The proof is wrong: %v.", err)
		when.unsure(evidence.Finding{}, "Niet na te gaan.", "Cannot be examined.")
		authorisation.unsure(evidence.Finding{}, "Niet na te gaan.", "Cannot be examined.")
		r.State = worst(r.verdicts())
		return r
	}
	r.Entry, r.What, r.At = h.Seq, h.Kind, h.Time
	if asked, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(v.name), ".tlog-proof"), 10, 64); err == nil && asked != h.Seq {
		integrity.fail(evidence.Finding{}, "Dit is regel %d; de naam van het bestand zegt regel %d.", "This is entry %d; the file's name says entry %d.", h.Seq, asked)
	}
	integrity.say("Regel %d (%s, %s) staat in het journaal van %d regels met wortel %s.", "Entry %d (%s, %s) is in the log of %d entries with root %s.", h.Seq, h.Kind, h.Time, c.Size, c.Root)
	switch err := h.CheckBody(body); {
	case body == nil:
		integrity.unsure(atEntry(h.Seq), "De inhoud is niet bijgevoegd; dat de regel er was, staat vast.", "The body is not there; that the entry was is certain.")
	case err != nil:
		integrity.fail(atEntry(h.Seq), "De inhoud is niet die van deze regel: %v.", "The body is not this entry's: %v.", err)
	}
	for _, s := range cosigned {
		when.say("Getuige %s bevestigde op %s dat de regel er stond.", "Witness %s confirmed at %s that the entry was there.", s.Name, protocol.T(s.Time))
	}
	if need := max(v.keys.quorum, 1); len(cosigned) < need {
		when.unsure(evidence.Finding{}, "%d van de opgegeven getuigen tekenden mee; nodig zijn er %d.", "%d of the witnesses given cosigned; %d are needed.", len(cosigned), need)
	}
	if h.Kind == protocol.KindIntent || h.Kind == protocol.KindView {
		authorisation.unsure(atEntry(h.Seq), "Dit is een inzage; of die mocht, volgt uit het hele journaal of de bewijsmap, niet uit één regel.", "This is an access; whether it was allowed follows from the whole log or the bag, not from one entry.")
	} else {
		authorisation.say("Deze regel is geen inzage van beelden.", "This entry is no access to footage.")
	}
	r.State = worst(r.verdicts())
	return r
}

func (v *verifier) tellEntry(r *entryReport) error {
	var b strings.Builder
	b.WriteString(r.Origin + " " + v.name + ": " + v.word(r.State.Words()) + "\n")
	v.tellVerdicts(&b, r.verdicts())
	_, err := v.out.Write([]byte(b.String()))
	return err
}
