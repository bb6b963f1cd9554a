package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // a day is a day in the zone asked for, on every machine

	"github.com/beeldwacht/beeldwacht/edge/journal"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

const certificateUsage = `usage: beeldwacht certificate -keys KEYS [-camera CAMERA [-day DAY]] [-zone ZONE] [-json] [-lang nl|en] LOG|DIR

Verifies a recorder's log as "beeldwacht verify" does, and says what it proves
of the destruction of footage, up to its checkpoint. Without -camera: every
camera and day, one a line. With -camera: the days of one. With -day
(2026-11-21): the certificate of that day. Whoever has the same log makes the
same certificate, byte for byte.

A day is a calendar day in ZONE, Europe/Amsterdam if not given. KEYS is the
file of "beeldwacht verify".

Exit code: 0 all is proven and accounted for, 1 the log is wrong or footage is
unaccounted for, 2 it could not be examined, 3 nothing is wrong but not all is
proven.

`

// certificateCommand reads the log twice: a certificate rests on what the checkpoint covers, and the checkpoint comes last.
func certificateCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var camera, day, zoneName *string
	v, err := newVerifier(ctx, "certificate", certificateUsage, "one log or journal folder", args, stdout, stderr, func(f *flag.FlagSet) {
		camera, day, zoneName = f.String("camera", "", ""), f.String("day", "", ""), f.String("zone", "Europe/Amsterdam", "")
	})
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(*zoneName)
	if err != nil {
		return unexamined("-zone: %v", err)
	}
	switch _, err := time.Parse(time.DateOnly, *day); {
	case *day != "" && err != nil:
		return unexamined("-day %s: want year-month-day, as 2026-11-21", *day)
	case *day != "" && *camera == "":
		return unexamined("-day without -camera: a certificate is of one camera")
	}
	return v.certify(protocol.CameraID(*camera), *day, zone)
}

func (v *verifier) certify(camera protocol.CameraID, date string, zone *time.Location) error {
	log, err := v.openLog()
	if err != nil {
		return err
	}
	report, err := v.examine(log)
	if closeErr := log.Close(); err == nil && closeErr != nil {
		err = unexamined("%s: %v", v.name, closeErr)
	}
	if err != nil {
		return err
	}
	if report.State == evidence.Failed {
		if err := v.tellLog(report); err != nil {
			return err
		}
		return v.exit(report.State)
	}
	account, rows, err := v.account(report, camera, date, zone)
	if err != nil {
		return err
	}
	if date == "" {
		return v.tellDays(report, account, camera)
	}
	d, ok := account.Day(camera, date)
	if !ok {
		d = destruction.Day{Camera: camera, Date: date, Interval: destruction.DayOf(date, zone)}
	}
	c := destruction.Certificate{Origin: report.Origin, Size: report.basis(), Root: report.Root, Unread: account.Unread(), Day: d, Rows: rows}
	for _, s := range report.Cosigned {
		c.Cosigned = append(c.Cosigned, destruction.Cosigned(s))
	}
	if v.json {
		err = v.object(c)
	} else {
		_, err = io.WriteString(v.out, c.Text(v.english))
	}
	if err != nil {
		return err
	}
	return v.exit(accounted(report.State, d))
}

// basis is how many entries count: those under the checkpoint, all of them where there is none.
func (l *logReport) basis() uint64 {
	if l.Root == "" {
		return l.Entries
	}
	return l.Covered
}

func accounted(s evidence.State, days ...destruction.Day) evidence.State {
	for _, d := range days {
		if d.Unaccounted > 0 {
			return evidence.Failed
		}
	}
	return s
}

func (v *verifier) openLog() (io.ReadCloser, error) {
	info, err := os.Stat(v.name)
	var log io.ReadCloser
	switch {
	case err != nil:
	case info.IsDir():
		log, err = journal.OpenLog(v.name)
	default:
		log, err = os.Open(v.name)
	}
	if err != nil {
		return nil, unexamined("%v", err)
	}
	return log, nil
}

// account reads the log once more, up to what counts.
func (v *verifier) account(report *logReport, camera protocol.CameraID, date string, zone *time.Location) (*destruction.Account, []destruction.Row, error) {
	log, err := v.openLog()
	if err != nil {
		return nil, nil, err
	}
	defer log.Close() // only read from
	a, day := destruction.NewAccount(zone), destruction.DayOf(date, zone)
	var rows []destruction.Row
	in := chain.NewReader(&stoppableReader{ctx: v.ctx, r: log})
	for n := range report.basis() {
		e, err := in.Next()
		if err != nil {
			return nil, nil, unexamined("%s: entry %d, which was there a moment ago: %v", v.name, n, err)
		}
		h, err := chain.ParseHeader(e.Header)
		if err != nil {
			return nil, nil, unexamined("%s: entry %d, which was sound a moment ago: %v", v.name, n, err)
		}
		a.Read(h, e.Body)
		if r, ok := destruction.RowOf(h, e.Body, camera, day); ok && date != "" {
			rows = append(rows, r)
		}
		if n%4096 == 0 {
			v.meter.entries(n)
		}
	}
	v.meter.clear()
	return a, rows, nil
}

func (v *verifier) tellDays(report *logReport, a *destruction.Account, camera protocol.CameraID) error {
	days := a.Days(camera)
	var err error
	if v.json {
		err = v.object(struct {
			Kind   string            `json:"kind"`
			File   string            `json:"file"`
			Origin string            `json:"origin"`
			Size   uint64            `json:"size"`
			Unread uint64            `json:"unread"`
			Days   []destruction.Day `json:"days"`
		}{"destruction", v.name, report.Origin, report.basis(), a.Unread(), days})
	} else {
		var b strings.Builder
		fmt.Fprintf(&b, v.word(evidence.Text{NL: "%s, regels 0 tot %d\n", EN: "%s, entries 0 to %d\n"}), report.Origin, report.basis())
		for _, d := range days {
			fmt.Fprintf(&b, "%s  %-20s %s\n", d.Date, d.Camera, v.word(evidence.Text(d.Verdict())))
		}
		if len(days) == 0 {
			b.WriteString(v.word(evidence.Text{NL: "Er is niets vastgelegd.\n", EN: "Nothing was recorded.\n"}))
		}
		_, err = io.WriteString(v.out, b.String())
	}
	if err != nil {
		return err
	}
	return v.exit(accounted(report.State, days...))
}
