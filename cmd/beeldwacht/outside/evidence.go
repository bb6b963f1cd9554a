package outside

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// mostForks are kept of a log: one proves that it lies, and a thousand must not fill the disk.
const mostForks = 16

// keep writes what a log has signed against itself as a text that can be read, printed and sent on.
func (w *Witness) keep(origin string, have, next row, s chain.Submission, why error) error {
	w.keeping.Lock()
	defer w.keeping.Unlock()
	if err := os.MkdirAll(w.dir, 0o700); err != nil {
		return fmt.Errorf("evidence against %s: %w", origin, err)
	}
	name := strings.NewReplacer("/", "_", string(filepath.Separator), "_").Replace(origin)
	file := filepath.Join(w.dir, fmt.Sprintf("%s unproven.txt", name))
	text := unprovenText
	if errors.Is(why, ErrFork) {
		hash := protocol.HashOf([]byte(next.Note))
		file = filepath.Join(w.dir, fmt.Sprintf("%s fork %x.txt", name, hash[:8]))
		text = forkText
		if _, err := os.Stat(file); err == nil {
			return nil
		}
		all, err := filepath.Glob(filepath.Join(w.dir, "* fork *.txt"))
		if err != nil {
			return err
		}
		if len(slices.DeleteFunc(all, func(f string) bool { return !strings.HasPrefix(filepath.Base(f), name+" fork ") })) >= mostForks {
			return nil
		}
	}
	content := fmt.Sprintf(text, origin, next.At, w.vkey, have.At, have.Note, chain.MarshalSubmission(chain.Submission{Old: s.Old, Proof: s.Proof, Note: []byte(next.Note)}))
	return replace(file, content)
}

const (
	forkText = `BEWIJS: EEN LOGBOEK IS GESPLITST
EVIDENCE: A LOG HAS FORKED

Logboek / log:          %s
Vastgesteld / seen:     %s
Getuige / witness:      %s

Een logboek mag alleen groeien. Hieronder staan twee verklaringen over hetzelfde aantal regels, beide ondertekend met de sleutel van dit logboek, met een
verschillende inhoud. Een van beide is dus niet waar. Bewaar dit bestand, en vraag de beheerder om uitleg. Elk van beide handtekeningen is na te rekenen (C2SP signed-note).
A log may only grow. Below are two statements about the same number of entries, both signed with the key of this log, with different contents. So one of the two is untrue.
Keep this file and ask the administrator to explain. Anyone can check both signatures (C2SP signed-note).

--- eerst gezien / seen first, %s

%s
--- daarna aangeboden / handed in later

%s`
	unprovenText = `AANWIJZING: EEN LOGBOEK SLUIT NIET AAN (bewijst op zichzelf niets)
INDICATION: A LOG DOES NOT FOLLOW (proves nothing by itself)

Logboek / log:          %s
Vastgesteld / seen:     %s
Getuige / witness:      %s

Het nieuwere checkpoint zou op het oudere moeten aansluiten; de meegestuurde berekening klopt niet. Dat kan onderweg zijn gebeurd. Blijft het zo, dan is het logboek gesplitst.
The newer checkpoint should extend the older; the proof that came with it does not hold. It may have been spoilt on the way. If it stays so, the log has forked.

--- laatst meegetekend / last cosigned, %s

%s
--- aangeboden / handed in

%s`
)

// replace writes a file whole, or not at all, on the disk.
func replace(file, content string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".unfinished-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (w *Witness) evidence() ([]string, error) { return filepath.Glob(filepath.Join(w.dir, "*.txt")) }
