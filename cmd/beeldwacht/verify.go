package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

const verifyUsage = `usage: beeldwacht verify -keys KEYS [-day DAY] [-zone ZONE] [-json] [-lang nl|en] [-progress] BAG|LOG|DIR|PROOF

Judges, offline, one of

  BAG     a bag (zip) of released footage
  LOG     a log file: a recorder's journal or the centre's ledger, exported
  DIR     a recorder's journal folder; it can run while the recorder does
  PROOF   one entry: N.tlog-proof, with N.header and N.body beside it

and changes nothing. It gives three verdicts: is it whole and unaltered
(integrity), since when is that certain (time), and was each access to footage
allowed (authorisation). The first thing that is wrong is named, with its place.

With -day (2026-11-21), of a log: the verdicts are on the entries of that day
in ZONE, Europe/Amsterdam if not given, and each access of that day is told.

KEYS is a text file; a line that starts with # is a comment:

  root VKEY       a root key of the municipality, two or three of them: for a
                  bag, and for the accesses in a log
  log VKEY        the key of the log: for a log, a journal or an entry, and
                  for a successor of that log, which bears its name and a
                  number
  witness VKEY    a witness of the log, any number
  quorum N        how many of them must have cosigned; all of them if not given.
                  A log can carry several checkpoints: the newest that so many
                  have cosigned counts, and all must be of these entries
  origin NAME     the log's origin; the name of its key if not given

Get the keys from somewhere else than what you verify.

Progress is shown on a terminal, with -progress also elsewhere.

Exit code: 0 all is proven, 1 something is wrong, 2 it could not be examined,
3 nothing is wrong but not all is proven.

`

// The exit codes of verify.
const (
	exitWrong      = 1
	exitUnexamined = 2
	exitNotShown   = 3
)

// verifyError carries an exit code; empty text means that all has been said.
type verifyError struct {
	code int
	text string
}

func (e *verifyError) Error() string { return e.text }
func (e *verifyError) ExitCode() int { return e.code }

func unexamined(format string, args ...any) error {
	return &verifyError{exitUnexamined, fmt.Sprintf(format, args...)}
}

func verifyCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var day, zoneName *string
	v, err := newVerifier(ctx, "verify", verifyUsage, "one bag, log, journal folder or proof", args, stdout, stderr, func(f *flag.FlagSet) {
		day, zoneName = f.String("day", "", ""), f.String("zone", "Europe/Amsterdam", "")
	})
	if err != nil {
		return err
	}
	if *day != "" {
		zone, err := time.LoadLocation(*zoneName)
		if err != nil {
			return unexamined("-zone: %v", err)
		}
		if _, err := time.Parse(time.DateOnly, *day); err != nil {
			return unexamined("-day %s: want year-month-day, as 2026-11-21", *day)
		}
		interval := destruction.DayOf(*day, zone)
		v.day = &interval
	}
	return v.run()
}

// newVerifier reads the arguments of a command that judges one file; more adds its own flags.
func newVerifier(ctx context.Context, command, usage, want string, args []string, stdout, stderr io.Writer, more func(*flag.FlagSet)) (*verifier, error) {
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	keysFile := flags.String("keys", "", "")
	asJSON := flags.Bool("json", false, "")
	lang := flags.String("lang", "nl", "")
	progress := flags.Bool("progress", false, "")
	more(flags)
	var names []string
	for rest := args; ; { // flags may stand behind the file
		if err := flags.Parse(rest); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, &verifyError{code: exitUnexamined}
		}
		if flags.NArg() == 0 {
			break
		}
		names, rest = append(names, flags.Arg(0)), flags.Args()[1:]
	}
	switch {
	case len(names) != 1:
		flags.Usage()
		return nil, unexamined("%d files given; give %s", len(names), want)
	case *keysFile == "":
		flags.Usage()
		return nil, unexamined("no -keys: without keys nothing can be judged")
	case *lang != "nl" && *lang != "en":
		return nil, unexamined("-lang %s: want nl or en", *lang)
	}
	text, err := os.ReadFile(*keysFile)
	if err != nil {
		return nil, unexamined("%v", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, unexamined("%s:%v", *keysFile, err)
	}
	return &verifier{ctx: ctx, name: names[0], keys: keys, out: stdout, english: *lang == "en", json: *asJSON, meter: newMeter(stderr, *progress)}, nil
}

// keys are what a bag or log is judged by, from a file of the person who judges.
type keys struct {
	roots     protocol.Roots
	log       note.Verifier
	witnesses []note.Verifier
	quorum    int
	origin    string
}

// parseKeys reads a KEYS file. Its errors begin with the line's number.
func parseKeys(text []byte) (keys, error) {
	k, quorumLine, given := keys{quorum: -1}, 0, map[string]bool{}
	for i, line := range strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n") { // a mark that editors on Windows begin a file with
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		word, value, _ := strings.Cut(line, " ")
		if word == "quorum" {
			quorumLine = i + 1
		}
		if err := k.add(word, strings.TrimSpace(value)); err != nil {
			return k, fmt.Errorf("%d: %w", i+1, err)
		}
		if word == "root" || word == "witness" {
			_, key, _ := strings.Cut(value[strings.Index(value, "+")+1:], "+") // name+hash+key: under two names it would count twice
			if given[word+key] {
				return k, fmt.Errorf("%d: this %s was given before", i+1, word)
			}
			given[word+key] = true
		}
	}
	if k.quorum < 0 {
		k.quorum = len(k.witnesses)
	}
	if k.quorum > len(k.witnesses) {
		return k, fmt.Errorf("%d: quorum %d, but only %d witnesses are given", quorumLine, k.quorum, len(k.witnesses))
	}
	if k.origin == "" && k.log != nil {
		k.origin = k.log.Name()
	}
	return k, nil
}

func (k *keys) add(word, value string) (err error) {
	switch word {
	case "root":
		_, err = protocol.NewVerifier(value)
		k.roots = append(k.roots, value)
	case "log":
		if k.log != nil {
			return errors.New("a second log key: give one")
		}
		k.log, err = protocol.NewVerifier(value)
	case "witness":
		var w note.Verifier
		if w, err = chain.WitnessVerifier(value); err != nil {
			return err
		}
		k.witnesses = append(k.witnesses, w)
	case "quorum":
		if k.quorum >= 0 {
			return errors.New("a second quorum: give one")
		}
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("quorum %q: want a number from 1", value)
		}
		k.quorum = int(n)
	case "origin":
		if value == "" || k.origin != "" {
			return errors.New("want one origin, once")
		}
		k.origin = value
	default:
		return fmt.Errorf("unknown word %q; want root, log, witness, quorum or origin", word)
	}
	return err
}

// verifier is one run of the command.
type verifier struct {
	ctx           context.Context
	name          string
	keys          keys
	day           *protocol.Interval // nil: the whole log
	out           io.Writer
	english, json bool
	meter         *meter
}

// run finds out what was given, has it judged and tells.
func (v *verifier) run() error {
	info, err := os.Stat(v.name)
	if err != nil {
		return unexamined("%v", err)
	}
	if info.IsDir() {
		if _, err := os.Stat(filepath.Join(v.name, "headers.log")); err != nil {
			return unexamined("%s: not a journal folder (no headers.log); of a bag, give the zip", v.name)
		}
		log, err := journal.OpenLog(v.name)
		if err != nil {
			return unexamined("%s: %v", v.name, err)
		}
		return errors.Join(v.log(log), log.Close())
	}
	f, err := os.Open(v.name)
	if err != nil {
		return unexamined("%v", err)
	}
	defer f.Close() // only read from
	first := make([]byte, len(proofStart))
	n, err := f.ReadAt(first, 0)
	if err != nil && err != io.EOF {
		return unexamined("%v", err)
	}
	first = first[:n]
	if v.day != nil && !bytes.HasPrefix(first, []byte("{")) {
		return unexamined("%s: -day is of a log", v.name)
	}
	switch {
	case info.Size() == 0:
		return unexamined("%s: the file is empty", v.name)
	case bytes.HasPrefix(first, []byte("\x1f\x8b")):
		return unexamined("%s: still compressed; unpack it first (gunzip)", v.name)
	case bytes.HasPrefix(first, []byte("PK")) || strings.HasSuffix(v.name, ".zip"):
		return v.bag(f, info.Size())
	case bytes.HasPrefix(first, []byte("age-encryption.org")):
		return unexamined("%s: still encrypted; decrypt it first (age -d -i KEY -o BAG.zip %s)", v.name, v.name)
	case string(first) == proofStart:
		return v.entry()
	case bytes.HasPrefix(first, []byte("{")):
		return v.log(f)
	}
	return unexamined("%s: neither a bag (zip) nor a log nor a proof of an entry", v.name)
}

func (v *verifier) bag(f io.ReaderAt, size int64) error {
	if len(v.keys.roots) < protocol.RootThreshold {
		return unexamined("a bag is judged from the roots: the keys file has %d root lines, needs at least %d", len(v.keys.roots), protocol.RootThreshold)
	}
	report, err := evidence.Verify(stoppable{v.ctx, f}, size, evidence.Trust{Roots: v.keys.roots}, v.meter.bytes)
	v.meter.clear()
	if err != nil {
		return unexamined("%s: %v", v.name, err)
	}
	if v.json {
		err = v.object(struct {
			Kind  string         `json:"kind"`
			File  string         `json:"file"`
			State evidence.State `json:"state"`
			evidence.Report
		}{"bag", v.name, report.State(), report})
	} else {
		err = v.tellBag(&report)
	}
	if err != nil {
		return err
	}
	return v.exit(report.State())
}

// exit turns a state into an exit code; what is wrong has been told on stdout.
func (v *verifier) exit(s evidence.State) error {
	switch s {
	case evidence.OK:
		return nil
	case evidence.NotShown:
		return &verifyError{code: exitNotShown}
	}
	return &verifyError{code: exitWrong}
}

// Telling.

func (v *verifier) object(o any) error {
	b, err := json.Marshal(o, jsontext.WithIndent("  "))
	if err != nil {
		return unexamined("%v", err)
	}
	_, err = fmt.Fprintf(v.out, "%s\n", b)
	return err
}

func (v *verifier) word(t evidence.Text) string {
	if v.english {
		return t.EN
	}
	return t.NL
}

func (v *verifier) tellBag(r *evidence.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, v.word(evidence.Text{
		NL: "Bewijsmap %s\n  camera %s, %s\n  verzoek %s, toestemming %s, recorder %s, gemeente %s\n  manifest %s (moet gelijk zijn aan dat in release.done)\n",
		EN: "Bag %s\n  camera %s, %s\n  request %s, grant %s, recorder %s, municipality %s\n  manifest %s (must equal that in release.done)\n"}),
		v.name, r.Camera, r.Interval, r.Request, r.Grant, r.Recorder, r.Municipality, r.Manifest)
	v.tellVerdicts(&b, r.Verdicts())
	_, err := io.WriteString(v.out, b.String())
	return err
}

func (v *verifier) tellVerdicts(b *strings.Builder, verdicts []evidence.Named) {
	for _, verdict := range verdicts {
		fmt.Fprintf(b, "\n%s: %s\n", v.word(verdict.Name), v.word(verdict.State.Words()))
		for _, f := range verdict.Findings {
			if where := f.Where(); where != "" {
				fmt.Fprintf(b, "  %s: %s: %s\n", v.word(f.State.Words()), where, v.word(f.Text))
			} else {
				fmt.Fprintf(b, "  %s: %s\n", v.word(f.State.Words()), v.word(f.Text))
			}
		}
		if verdict.Omitted > 0 {
			fmt.Fprintf(b, v.word(evidence.Text{NL: "  en nog %d\n", EN: "  and %d more\n"}), verdict.Omitted)
		}
		for _, s := range verdict.Sentences {
			fmt.Fprintf(b, "  %s\n", v.word(s))
		}
	}
}

// meter shows progress on a terminal, and nothing elsewhere.
type meter struct {
	w     io.Writer // nil: no terminal
	last  time.Time
	shown bool
}

func newMeter(stderr io.Writer, always bool) *meter {
	if always {
		return &meter{w: stderr}
	}
	if f, ok := stderr.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &meter{w: stderr, last: time.Now()}
		}
	}
	return &meter{}
}

func (m *meter) show(format string, args ...any) {
	if m.w == nil || time.Since(m.last) < 200*time.Millisecond {
		return
	}
	m.last, m.shown = time.Now(), true
	fmt.Fprintf(m.w, "\r"+format, args...)
}

func (m *meter) bytes(done, total int64) {
	m.show("%3d%% (%d / %d MB)", done*100/max(total, 1), done>>20, total>>20)
}
func (m *meter) entries(n uint64) { m.show("%d", n) }

func (m *meter) clear() {
	if m.shown {
		fmt.Fprintf(m.w, "\r%40s\r", "")
	}
}

// stoppable ends a long verification when the person interrupts it.
type stoppable struct {
	ctx context.Context
	io.ReaderAt
}

func (s stoppable) ReadAt(p []byte, at int64) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.ReaderAt.ReadAt(p, at)
}

// stoppableReader does the same for a log, and tells a failing disk from a wrong log.
type stoppableReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *stoppableReader) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
