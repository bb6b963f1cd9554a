package witness

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// kinds says of each kind of finding what was promised, and what it is worth.
var kinds = map[string]struct{ promised, seen, worth central.Words }{
	Fork: {
		promised: central.Words{NL: "Een recorder houdt één logboek bij. Hij schrijft alleen achteraan bij. Wat er staat, verandert nooit meer.", EN: "A recorder keeps one log. It only adds at the end. What is written never changes."},
		seen:     central.Words{NL: "De recorder tekende voor twee logboeken die elkaar tegenspreken.", EN: "The recorder signed for two logs that contradict each other."},
		worth:    central.Words{NL: "Dit is een bewijs. Onder beide logboeken staat de handtekening van dezelfde recorder. Wie dit nagaat, hoeft de gemeente of deze centrale niet te geloven.", EN: "This is proof. The same recorder's signature stands under both logs. Whoever checks it need not believe the municipality or this centre."},
	},
	Rollback: {
		promised: central.Words{NL: "Een logboek wordt nooit korter. Wie een oude kopie terugzet, laat dat de privacy officer weten.", EN: "A log never becomes shorter. Whoever puts an old copy back tells the privacy officer."},
		worth:    central.Words{NL: "Dit is een bewijs. De recorder tekende zelf eerst voor meer regels en later voor minder. Een klok die terugsprong kan het verklaren; dan klopt zijn klok niet.", EN: "This is proof. The recorder itself first signed for more entries and later for fewer. A clock that jumped back could explain it; then its clock is wrong."},
	},
	Truncation: {
		promised: central.Words{NL: "Van een logboek gaat nooit iets af, ook niet van het einde.", EN: "Nothing is ever taken off a log, nor off its end."},
		worth:    central.Words{NL: "Dit is een bewijs. De recorder tekende zelf eerst voor meer regels en later voor minder. Het zegt niet of iemand dat deed of dat de schijf stuk is.", EN: "This is proof. The recorder itself first signed for more entries and later for fewer. It does not say whether somebody did so or the disk is broken."},
	},
	Silent: {
		promised: central.Words{NL: "Een recorder laat elke minuut van zich horen, ook als er niets gebeurt.", EN: "A recorder is heard every minute, also when nothing happens."},
		worth:    central.Words{NL: "Dit berust op het woord van deze centrale. Dat iemand zweeg, is niet te bewijzen; een storing in het netwerk ziet er hetzelfde uit. Wat de recorder in die tijd deed, staat later alsnog in zijn logboek.", EN: "This rests on this centre's word. That somebody was silent cannot be proven; a fault in the network looks the same. What the recorder did meanwhile will still come in its log."},
	},
	Clock: {
		promised: central.Words{NL: "De tijden in het logboek kloppen op vijf minuten.", EN: "The times in the log are right to five minutes."},
		worth:    central.Words{NL: "Dit is een bewijs voor wie de klok van de centrale gelooft: de recorder tekende voor de ene tijd, de centrale voor de andere.", EN: "This is proof to whoever believes the centre's clock: the recorder signed for the one time, the centre for the other."},
	},
	Bodiless: {
		promised: central.Words{NL: "Wat in een regel staat, blijft leesbaar tot de termijn van die regel voorbij is.", EN: "What an entry says stays readable until the term of that entry has passed."},
		worth:    central.Words{NL: "Bewezen is dat de recorder voor deze regel tekende. Dat de inhoud er niet bij zat, is het woord van deze centrale; hij kan ook onderweg zijn weggehaald. De recorder kan het weerleggen door de inhoud te laten zien: die moet bij de kop passen.", EN: "Proven is that the recorder signed for this entry. That its content did not come is this centre's word; it may also have been taken out on the way. The recorder can refute it by showing the content: it must fit the header."},
	},
	Overdue: {
		promised: central.Words{NL: "Beelden worden verwijderd zodra hun bewaartermijn voorbij is, en dat staat dan in het logboek. Alleen een bewaring op verzoek stelt dat uit.", EN: "Footage is deleted as soon as its window is over, and the log then says so. Only a hold puts that off."},
		worth:    central.Words{NL: "Bewezen is dat de recorder deze beelden opnam en welke termijn gold. Dat er geen regel over verwijderen op volgt, blijkt uit het hele logboek; haal dat erbij op. Of de beelden er werkelijk nog zijn, blijkt pas op de recorder.", EN: "Proven are that the recorder took this footage and which window applied. That no entry about deletion follows shows in the whole log; fetch it too. Whether the footage really is still there shows only at the recorder."},
	},
	Listed: {
		promised: central.Words{NL: "Wat als verwijderd is gemeld, bestaat niet meer en wordt niet meer genoemd, bewaard of verstrekt.", EN: "What was reported as deleted exists no more and is not named, held or released any more."},
		worth:    central.Words{NL: "Bewezen is dat de recorder deze regels schreef en ervoor tekende. Dat zij elkaar tegenspreken, is eruit te lezen; waar het om aantallen gaat is het hele logboek nodig om na te tellen.", EN: "Proven is that the recorder wrote these entries and signed for them. That they contradict each other can be read in them; where it is about numbers, the whole log is needed to count again."},
	},
	Unsealed: {
		promised: central.Words{NL: "Elk uur verzegelt de recorder zijn logboek met een sleutel die daarna wordt vernietigd. Wie later de recorder in handen krijgt, kan het oude niet meer namaken.", EN: "Every hour the recorder seals its log with a key that is then destroyed. Whoever gets hold of the recorder later cannot forge the old any more."},
		seen:     central.Words{NL: "In het logboek klopt een zegel niet, of er ontbreekt een.", EN: "A seal in the log is not right, or one is missing."},
		worth:    central.Words{NL: "Dit is een bewijs. De recorder tekende voor een logboek waarin de zegels niet kloppen. Wat er precies mis is, toont beeldwacht verify op het hele logboek.", EN: "This is proof. The recorder signed for a log in which the seals are not right. What exactly is wrong beeldwacht verify shows on the whole log."},
	},
	Late: {
		promised: central.Words{NL: "Elk uur verzegelt de recorder zijn logboek, ook als er niets gebeurt.", EN: "Every hour the recorder seals its log, also when nothing happens."},
		seen:     central.Words{NL: "De recorder laat van zich horen, maar verzegelt zijn logboek niet.", EN: "The recorder is heard, but does not seal its log."},
		worth:    central.Words{NL: "Dit berust op de klok van deze centrale. Wat sinds het laatste zegel is geschreven, is minder goed beschermd.", EN: "This rests on this centre's clock. What was written since the last seal is less well protected."},
	},
	Unfit: {
		promised: central.Words{NL: "Wat een recorder inlevert, past aan wat hij eerder inleverde.", EN: "What a recorder hands in fits what it handed in before."},
		seen:     central.Words{NL: "Een stuk logboek paste niet bij wat hier al was.", EN: "A piece of the log did not fit what was here."},
		worth:    central.Words{NL: "Dit bewijst niets. Het stuk kan onderweg zijn beschadigd. Blijft het gebeuren, laat dan de recorder en de verbinding nakijken.", EN: "This proves nothing. The piece may have been damaged on the way. If it goes on, have the recorder and the connection looked at."},
	},
	Access: {
		promised: central.Words{NL: "Niemand krijgt beelden te zien zonder toestemming die vooraf is gegeven en getekend.", EN: "Nobody gets to see footage without a grant that was given and signed before."},
		worth:    central.Words{NL: "Bewezen is dat de recorder deze toegang opschreef en ervoor tekende, voordat iemand ernaar vroeg. Dat er geen toestemming was, is het woord van de centrale; haar eigen logboek laat zien welke zij gaf.", EN: "Proven is that the recorder wrote this access down and signed for it, before anyone asked. That there was no grant is the centre's word; its own ledger shows which it gave."},
	},
}

// Promised is what the recorder should have kept to.
func (e Evidence) Promised() central.Words { return kinds[e.Kind].promised }

// Worth says what this proves, and whose word the rest is.
func (e Evidence) Worth() central.Words { return kinds[e.Kind].worth }

// Signature is one under a note.
type Signature struct {
	Note string // its file in the download, without the ending
	Who  string // the key's name
	Role central.Words
	At   time.Time // of a cosignature
	key  []byte    // Ed25519
	text []byte    // what was signed
	sig  []byte
}

// Signatures are those under the notes whose keys are known here: the recorder's and this centre's.
func (e Evidence) Signatures() (list []Signature, err error) {
	for _, n := range []struct {
		name string
		note []byte
	}{{"ours", e.Ours}, {"theirs", e.Theirs}} {
		text, lines, ok := bytes.Cut(n.note, []byte("\n\n"))
		if !ok {
			continue
		}
		text = append(bytes.Clone(text), '\n')
		for line := range strings.Lines(string(lines)) {
			name, data, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "— ")), " ")
			raw, err := base64.StdEncoding.DecodeString(data)
			if !ok || err != nil || len(raw) < 4+64 {
				continue
			}
			own := e.Log // a successor's checkpoint bears its name
			if first, _ := protocol.ParseLogOrigin(name); strings.HasPrefix(own, first+"+") {
				if own, err = protocol.KeyUnder(name, own); err != nil {
					return nil, err
				}
			}
			for _, k := range []struct {
				vkey string
				role central.Words
			}{{own, central.Words{NL: "de recorder", EN: "the recorder"}}, {e.Witness, central.Words{NL: "deze centrale, als getuige", EN: "this centre, as witness"}}} {
				kind, key, hash, err := ed25519Of(k.vkey)
				if err != nil {
					return nil, err
				}
				if !strings.HasPrefix(k.vkey, name+"+") || binary.BigEndian.Uint32(raw) != hash {
					continue
				}
				s := Signature{Note: n.name, Who: name, Role: k.role, key: key, text: text, sig: raw[4:]}
				if kind == cosignatureKey && len(raw) == 4+8+64 {
					s.At = time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()
					s.text, s.sig = append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", s.At.Unix()), text...), raw[12:]
				}
				list = append(list, s)
			}
		}
	}
	return list, nil
}

// cosignatureKey is the type of a witness's key (C2SP tlog-cosignature).
const cosignatureKey = 4

// ed25519Of takes a note's verifier key apart.
func ed25519Of(vkey string) (kind byte, key []byte, hash uint32, err error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		var raw []byte
		raw, err = base64.StdEncoding.DecodeString(parts[2])
		if _, scan := fmt.Sscanf(parts[1], "%08x", &hash); err == nil && scan == nil && len(raw) == 1+32 {
			return raw[0], raw[1:], hash, nil
		}
	}
	return 0, nil, 0, fmt.Errorf("%.100q is not an Ed25519 key of a note", vkey)
}

//go:embed controle.py
var script []byte

// Write writes the download: a zip with the notes, the proofs, and how to check them without us.
func (e Evidence) Write(out io.Writer) error {
	signatures, err := e.Signatures()
	if err != nil {
		return err
	}
	z := zip.NewWriter(out)
	add := func(name string, data []byte) {
		if err != nil {
			return
		}
		var f io.Writer
		if f, err = z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: e.At.Time}); err == nil {
			_, err = f.Write(data)
		}
	}
	add("LEESMIJ.txt", e.readme(signatures, false))
	add("README.txt", e.readme(signatures, true))
	add("controle.py", script)
	facts, err := json.Marshal(e, jsontext.Multiline(true))
	if err != nil {
		return err
	}
	add("finding.json", facts)
	for name, note := range map[string][]byte{"ours.note": e.Ours, "theirs.note": e.Theirs} {
		if len(note) > 0 {
			add(name, note)
		}
	}
	for i, s := range signatures {
		der, keyErr := x509.MarshalPKIXPublicKey(ed25519.PublicKey(s.key))
		if keyErr != nil {
			return keyErr
		}
		base := fmt.Sprintf("signature-%d", i+1)
		add(base+".text", s.text)
		add(base+".sig", s.sig)
		add(base+".pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	for _, s := range e.Shown {
		add(fmt.Sprintf("entry-%d.header", s.Seq), s.Header)
		if s.Body != nil {
			add(fmt.Sprintf("entry-%d.body", s.Seq), s.Body)
		}
		add(fmt.Sprintf("entry-%d.tlog-proof", s.Seq), chain.MarshalProof(chain.Proof{Seq: s.Seq, Hashes: s.Proof, Checkpoint: e.Ours}))
	}
	if err != nil {
		return err
	}
	return z.Close()
}

// readme is for somebody who is not a programmer, and for whoever helps them.
func (e Evidence) readme(signatures []Signature, english bool) []byte {
	var b strings.Builder
	line := func(nl, en string, args ...any) {
		if english {
			nl = en
		}
		fmt.Fprintf(&b, nl+"\n", args...)
	}
	say := func(w central.Words) string {
		if english {
			return w.EN
		}
		return w.NL
	}
	line("Beeldwacht: bevinding over het logboek van recorder %s", "Beeldwacht: finding on the log of recorder %s", e.Recorder)
	line("\nWat was beloofd?\n%s", "\nWhat was promised?\n%s", say(e.Promised()))
	line("\nWat is er gezien?\n%s", "\nWhat was seen?\n%s", say(e.Words()))
	line("\nWat is dit waard?\n%s", "\nWhat is this worth?\n%s", say(e.Worth()))
	line("\nWie tekende?", "\nWho signed?")
	for i, s := range signatures {
		when := ""
		if !s.At.IsZero() {
			when = ", " + s.At.Format(time.DateTime) + " UTC"
		}
		fmt.Fprintf(&b, "%d. %s (%s): %s.note%s\n", i+1, say(s.Role), s.Who, s.Note, when)
	}
	line("\nHoe gaat u dit na?\nPak dit bestand uit. Elke handtekening, met openssl (versie 3):", "\nHow do you check this?\nUnpack this file. Each signature, with openssl (version 3):")
	for i := range signatures {
		fmt.Fprintf(&b, "  openssl pkeyutl -verify -pubin -inkey signature-%d.pem -rawin -in signature-%[1]d.text -sigfile signature-%[1]d.sig\n", i+1)
	}
	line("Alles in één keer, met Python 3 en openssl:\n  python3 controle.py\nDe sleutel van de recorder is %s. Vergelijk die met de sleutel op het papier van zijn aanmelding; deze centrale kan hem niet veranderen zonder dat dit uitkomt.",
		"All at once, with Python 3 and openssl:\n  python3 controle.py\nThe recorder's key is %s. Compare it with the key on the paper of its enrolment; this centre cannot change it without that showing.", e.Log)
	if e.Kind == Overdue || e.Kind == Listed || e.Kind == Access || e.Kind == Unsealed {
		line("Het hele logboek haalt u op onder Logboeken; beeldwacht verify gaat het na.", "The whole log is under Logs; beeldwacht verify checks it.")
	}
	return []byte(b.String())
}
