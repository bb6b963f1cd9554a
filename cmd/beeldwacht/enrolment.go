package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

func rootsCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("roots", "-municipality NAME -out DIR", stderr)
	municipality := flags.String("municipality", "", "short name of the municipality, as in helmond")
	out := flags.String("out", "", "folder to make the three keys in")
	if err := parse(flags, args, "municipality", "out"); err != nil {
		return err
	}
	if err := enrol.Roots(*out, *municipality); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Three root keys are in %s. Give each to a different person, on paper or a stick that is not left in a computer.\n", *out)
	fmt.Fprintf(stdout, "Two of the three sign a roster. %s is public: it is pinned on every recorder.\n", filepath.Join(*out, "roots.txt"))
	return nil
}

func centreCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("centre", "-municipality NAME -hosts HOST[,HOST…] -out DIR", stderr)
	municipality := flags.String("municipality", "", "short name of the municipality, as in helmond")
	hosts := flags.String("hosts", "localhost,127.0.0.1", "names and addresses of the centre, for its certificate")
	out := flags.String("out", "", "folder to make the keys in")
	if err := parse(flags, args, "municipality", "out"); err != nil {
		return err
	}
	if err := enrol.Centre(*out, *municipality, strings.Split(*hosts, ","), time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The centre's keys and certificates are in %s. Only the centre's own account may read them.\n", *out)
	return nil
}

func enrolCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("enrol", "-recorder ID -municipality NAME -centre DIR -roots FILE -sign KEY,KEY -officer PERSON -handler REGIME/PERSON -approver REGIME/PERSON -out DIR", stderr)
	var people enrol.People
	recorder := flags.String("recorder", "", "id of the recorder, as in kast-12")
	municipality := flags.String("municipality", "", "short name of the municipality")
	centre := flags.String("centre", "", "folder that `beeldwacht centre` made")
	roots := flags.String("roots", "", "roots.txt, the public root keys")
	sign := flags.String("sign", "", "two root key files, separated by a comma")
	hosts := flags.String("hosts", "localhost,127.0.0.1", "names and addresses of the recorder, for the viewer's certificate")
	officer := flags.String("officer", "", "person id of the privacy officer")
	flags.Func("officer-key", officerKeyUsage, officerKey(&people.OfficerKey))
	flags.Func("handler", "who may handle requests: AVG/p-12; may be given again", seats(&people.Handlers))
	flags.Func("approver", "who may approve requests: AVG/p-13; may be given again", seats(&people.Approvers))
	flags.BoolVar(&people.LevelCentre, "level-centre", false, "accept the centre's word for handler and approver; does not withstand a hostile centre")
	flags.BoolVar(&people.Sound, "sound", false, "mandates may allow sound; without this no camera of this recorder is recorded with sound, whatever the centre says")
	flags.Func("witness", "key of an outside witness, as `beeldwacht witness init` printed it; may be given again. The centre's own always is one", func(key string) error {
		people.Witnesses = append(people.Witnesses, key)
		_, err := chain.WitnessVerifier(key)
		return err
	})
	flags.IntVar(&people.Quorum, "quorum", 0, "how many of the witnesses must have cosigned before anything is released or shown; 0: all of them")
	out := flags.String("out", "", "folder to make; carry it to the recorder by hand")
	if err := parse(flags, args, "recorder", "municipality", "centre", "roots", "sign", "officer", "out"); err != nil {
		return err
	}
	people.Officer = protocol.PersonID(*officer)
	err := enrol.Recorder(*out, protocol.RecorderID(*recorder), *municipality, *centre, *roots, strings.Split(*sign, ","), people, strings.Split(*hosts, ","), time.Now())
	if err != nil {
		return err
	}
	key, err := enrol.ReadLine(filepath.Join(*out, "recorder.pub"))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Recorder %s is enrolled. Carry %s to it and set `identity:` in its configuration to that folder.\n", *recorder, *out)
	fmt.Fprintf(stdout, "Decide where the keys of its footage are before it starts (keys_holder in edge.yaml). With \"centre\" a stolen recorder cannot be read; but when the centre loses\n")
	fmt.Fprintf(stdout, "its share, and the recorder starts before it got another, the footage it has is lost for good. No backup may hold the centre's folder of shares.\n")
	if people.OfficerKey == "" {
		fmt.Fprintf(stdout, "Its roster names no key of the privacy officer: an order to resume its log rests on the centre's word. `beeldwacht roster -officer-key` makes a roster that names one.\n")
	}
	if len(people.Witnesses) > 0 {
		fmt.Fprintf(stdout, "Each outside witness must know this log before it cosigns; these lines belong in its witness.yaml, under logs:\n  - origin: %s\n    key: %s\n", protocol.Origin(protocol.RecorderID(*recorder), *municipality), key)
	}
	fmt.Fprintf(stdout, "The centre reads its key from there too (recorders: in setup.yaml):\n  %s\n", key)
	return nil
}

func rosterCommand(_ context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("roster", "-identity DIR -sign KEY,KEY [-officer PERSON] [-officer-key VKEY|none] [-witness VKEY] [-quorum N] [-ledger FILE] -out FILE", stderr)
	identity := flags.String("identity", "", "the recorder's folder, as `beeldwacht enrol` made it, with the roster in force")
	sign := flags.String("sign", "", "two root key files, separated by a comma")
	officer := flags.String("officer", "", "person id of another privacy officer; the key of the one before goes")
	var key string
	flags.Func("officer-key", officerKeyUsage+". none: the roster names no such key any more", officerKey(&key))
	var outside []string
	flags.Func("witness", "key of an outside witness to add, as `beeldwacht witness init` printed it; may be given again", func(key string) error {
		outside = append(outside, key)
		_, err := chain.WitnessVerifier(key)
		return err
	})
	quorum := flags.Uint64("quorum", 0, "how many of the witnesses must have cosigned; 0: as it was, and all of them where a witness is added")
	ledger := flags.String("ledger", "", "file with a checkpoint of the centre's ledger, from the desk's page of logs: the recorder follows the ledger from there, whatever it saw before. Only for a centre that lost part of its ledger, when it is known why")
	out := flags.String("out", "", "file to make")
	if err := parse(flags, args, "identity", "sign", "out"); err != nil {
		return err
	}
	roster, err := enrol.NextRoster(*identity, strings.Split(*sign, ","), time.Now(), func(r *protocol.Roster) error {
		r.Witnesses = append(slices.Clone(r.Witnesses), outside...)
		switch {
		case *quorum > 0:
			r.Quorum = *quorum
		case len(outside) > 0:
			r.Quorum = uint64(len(r.Witnesses))
		}
		if *officer != "" && *officer != string(r.Officer) {
			r.Officer, r.OfficerKey = protocol.PersonID(*officer), ""
		}
		switch key {
		case "":
		case "none":
			r.OfficerKey = ""
		default:
			r.OfficerKey = key
		}
		if *ledger == "" {
			return nil
		}
		signed, err := os.ReadFile(*ledger)
		if err != nil {
			return err
		}
		v, err := protocol.NewVerifier(r.LedgerKey)
		if err != nil {
			return err
		}
		c, _, err := chain.OpenCheckpoint(signed, protocol.LedgerOrigin(r.Municipality), v)
		r.Ledger = protocol.LedgerHead{Size: c.Size, Root: c.Root}
		return err
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(roster)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The new roster is %s. Have the administrator send it, at the desk under Recorders, and keep it as roster in the folder that the next one is made from.\n", *out)
	fmt.Fprintf(stdout, "Where that cannot be, put it in the recorder's identity folder under the name roster, and start the recorder again. The centre then hears of it only from the recorder's log:\none that was put back tells it nothing until it goes on.\n")
	return nil
}

const officerKeyUsage = "key of the privacy officer's passkey, from their own page My account at the desk: the recorder then takes an order to resume its log from the officer alone, signed with that passkey"

// officerKey takes a passkey's key: with another the officer could not sign at the desk.
func officerKey(key *string) func(string) error {
	return func(s string) error {
		*key = s
		if s == "none" {
			return nil
		}
		v, err := protocol.NewVerifier(s)
		if err == nil && !protocol.IsPasskey(v) {
			err = errors.New("it is not a passkey's")
		}
		return err
	}
}

func seats(list *[]protocol.Seat) func(string) error {
	return func(s string) error {
		regime, person, ok := strings.Cut(s, "/")
		seat := protocol.Seat{Regime: protocol.Regime(regime), Person: protocol.PersonID(person)}
		if !ok {
			return errors.New("want REGIME/PERSON, as in AVG/p-12")
		}
		*list = append(*list, seat)
		return errors.Join(seat.Regime.Valid(), protocol.ValidID(seat.Person))
	}
}

func newFlags(name, synopsis string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "usage: beeldwacht %s %s\n", name, synopsis)
		flags.PrintDefaults()
	}
	return flags
}

// parse reads flags only, and names those that are missing.
func parse(flags *flag.FlagSet, args []string, required ...string) error {
	if err := flags.Parse(args); err != nil {
		return usageError{err, true}
	}
	if flags.NArg() > 0 {
		return usageError{fmt.Errorf("%s: unexpected %q", flags.Name(), flags.Arg(0)), false}
	}
	for _, name := range required {
		if flags.Lookup(name).Value.String() == "" {
			return usageError{fmt.Errorf("%s: -%s is missing (-h lists the flags)", flags.Name(), name), false}
		}
	}
	return nil
}

// usageError is a command given wrongly: exit code 2. The flag package prints some itself.
type usageError struct {
	err     error
	printed bool
}

func (e usageError) Error() string {
	if e.printed {
		return ""
	}
	return e.err.Error()
}
func (e usageError) ExitCode() int { return 2 }
