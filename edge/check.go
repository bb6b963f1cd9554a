package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/edge/release"
)

var (
	// ErrFindings: Check found something and has written what.
	ErrFindings = errors.New("there are findings")

	// ErrRunning: Check was called on a recorder that runs.
	ErrRunning = errors.New("the recorder is running; stop it first: systemctl stop beeldwacht-edge")
)

// Check opens what is on the disk while the recorder is stopped, as a start would (what is due expires first), and compares every byte of footage with the
// index. It writes to out what it finds, what that means and what to do, and what it repaired: only left-over files of releases and directories
// without footage. It returns [ErrFindings] when something is left that needs a person, and [ErrRunning] when it could not look.
func (a *Agent) Check(ctx context.Context, out io.Writer) error {
	if _, _, err := Ask(ctx, a.Config.Data); err == nil {
		return ErrRunning
	}
	w := &checkReport{out: out}
	w.say("", "Checking recorder %s in %s. Every byte of footage is read: this takes a while.", a.Config.Recorder, a.Config.Data)
	err := a.check(ctx, w)
	if errors.Is(err, journal.ErrInUse) {
		return ErrRunning
	}
	switch {
	case err != nil:
		return err
	case w.err != nil:
		return fmt.Errorf("the report could not be written: %w", w.err)
	case w.findings > 0:
		w.write("\n")
		w.say("", "%d to look at, %d repaired. Nothing else was changed, but for footage that was due: it expired.", w.findings, w.repaired)
		return ErrFindings
	}
	w.write("\n")
	w.say("", "good: journal of %d entries chained, footage as its index says; %d repaired.", a.journal.Head().Size, w.repaired)
	return nil
}

// check adds to the report. An error means that it could not look.
func (a *Agent) check(ctx context.Context, w *checkReport) (err error) {
	before := withoutFootage(filepath.Join(a.Config.footageDir(), "footage"))
	for _, v := range a.Config.Volumes {
		if v.Path != a.Config.footageDir() {
			before = append(before, withoutFootage(filepath.Join(v.Path, "footage"))...)
		}
	}
	if err := a.open(ctx); err != nil {
		err = errors.Join(err, a.close())
		if errors.Is(err, journal.ErrInUse) || ctx.Err() != nil {
			return err
		}
		w.find(a.stage(), "", err.Error())
		return nil
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if a.unopened != nil {
		w.find("journal", a.journalDir(), a.unopened.Error())
	}
	if a.journal.Behind() {
		w.find("journal behind", a.journalDir(), "a checkpoint cosigned by the witness is not of this log")
	}
	if err := a.journal.Err(); err != nil && a.unopened == nil { // a start writes an entry
		w.find("journal that cannot be written", a.journalDir(), err.Error())
	}
	if _, fault := a.orders.Ledger(); fault != "" {
		w.find("ledger refused", a.journalDir(), fault)
	}
	findings, err := a.footage.Check(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.What == "locked keys" { // nothing is wrong, and not all was looked at
			w.say("\nNOTE      ", "%s", explanations[f.What].means+" "+explanations[f.What].do)
			continue
		}
		w.find(f.What, f.Key, f.Detail)
	}
	for _, dir := range before { // some are gone: opening footage removes what a crash left
		err := os.Remove(dir) // refused, as fs.ErrExist, where something is in it
		if _, there := os.Lstat(dir); errors.Is(there, fs.ErrNotExist) {
			w.repair("a directory without footage was removed: %s", dir)
		} else if err != nil && !errors.Is(err, fs.ErrExist) {
			w.find("directory that cannot be removed", dir, err.Error())
		}
	}
	return a.tidyReleases(w)
}

// stage says how far open came.
func (a *Agent) stage() string {
	switch {
	case a.identity == nil:
		return "identity"
	case a.journal == nil:
		return "journal"
	case a.orders == nil:
		return "orders"
	case a.footage == nil:
		return "footage"
	}
	return "start"
}

// tidyReleases removes what releases left behind, but for finished bags that must still be sent.
func (a *Agent) tidyReleases(w *checkReport) error {
	dir := filepath.Join(a.Config.Data, "work")
	before, err := names(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r := &release.Releaser{Store: a.footage, Journal: a.journal, Orders: a.orders, Dir: dir, Software: Software, Now: a.Now, Log: a.Log}
	if err := r.Clean(); err != nil {
		w.find("left-over release", dir, err.Error())
	}
	after, err := names(dir)
	for _, name := range before {
		if err == nil && !slices.Contains(after, name) {
			w.repair("a file that an unfinished release left over was removed: %s", filepath.Join(dir, name))
		}
	}
	return err
}

func names(dir string) (list []string, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		list = append(list, f.Name())
	}
	return list, err
}

// withoutFootage lists directories under root, runs before their cameras, in which there is nothing, or nothing but the init of a run.
func withoutFootage(root string) (dirs []string) {
	// What cannot be read is left to the check itself.
	fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == "." {
			return nil
		}
		files, err := names(filepath.Join(root, path))
		if err == nil && (len(files) == 0 || len(files) == 1 && files[0] == "init.mp4" && strings.Contains(path, "/")) {
			dirs = append(dirs, filepath.Join(root, path))
		}
		return nil
	})
	slices.SortFunc(dirs, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return dirs
}

// checkReport is what Check tells a person.
type checkReport struct {
	out                io.Writer
	findings, repaired int
	err                error // the first of out
}

func (w *checkReport) write(text string) {
	if _, err := io.WriteString(w.out, text); err != nil && w.err == nil {
		w.err = err
	}
}

// say wraps: it is for people.
func (w *checkReport) say(head, format string, a ...any) {
	var b strings.Builder
	wrap(&b, head, fmt.Sprintf(format, a...))
	w.write(b.String())
}

// fact stays on one line: it is copied, and searched for.
func (w *checkReport) fact(head, format string, a ...any) {
	w.write(head + harmless(fmt.Sprintf(format, a...)) + "\n")
}

func (w *checkReport) find(what, key, detail string) {
	w.findings++
	e, ok := explanations[what]
	if !ok {
		e = explanation{"This program does not know what it means.", "Change nothing. " + callForHelp}
	}
	where := what
	if key != "" {
		where += ": " + key
	}
	w.fact("\nFINDING   ", "%s", where)
	w.fact("  found   ", "%s", detail)
	w.say("  means   ", "%s", e.means)
	w.say("  do      ", "%s", e.do)
}

func (w *checkReport) repair(format string, a ...any) {
	w.repaired++
	w.fact("\nREPAIRED  ", format, a...)
}
