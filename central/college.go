package central

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The privacy officer reports to the college directly (N:398, R9): nobody stands between, no administrator reads along, and the college says that it has read it.

type (
	// ReportToCollege by the privacy officer.
	ReportToCollege struct {
		By      protocol.PersonID
		Subject string
		Text    string
	}
	// AnswerOfficer says that the college has read a report, and what it does about it. By a member of the college.
	AnswerOfficer struct {
		By     protocol.PersonID
		Number int
		Answer string
	}
)

type (
	CollegeReported struct {
		Subject string `json:"subject"`
		Text    string `json:"text"`
	}
	CollegeAnswered struct {
		Number int    `json:"number"`
		Answer string `json:"answer"`
	}
)

func (*CollegeReported) name() string { return "college.reported" }
func (*CollegeAnswered) name() string { return "college.answered" }

// CollegeReport is one report and the college's answer.
type CollegeReport struct {
	Number   int
	By       protocol.PersonID
	At       protocol.Time
	Subject  string
	Text     string
	Answered Moment // zero: not yet
}

// Overdue says that the college has not said in time that it read the report.
func (r *CollegeReport) Overdue(now time.Time) bool {
	return r.Answered.At.IsZero() && !now.Before(r.Due().Time)
}

// Due is by when the college says so.
func (r *CollegeReport) Due() protocol.Time { return protocol.T(r.At.Add(CollegeTerm)) }

func (c ReportToCollege) decide(d *decision) error {
	if err := d.as(c.By, Officer, ""); err != nil {
		return err
	}
	switch {
	case strings.TrimSpace(c.Subject) == "":
		return missing("het onderwerp", "the subject")
	case strings.TrimSpace(c.Text) == "":
		return missing("wat u het college meldt", "what you report to the college")
	}
	d.record(&CollegeReported{c.Subject, c.Text})
	return nil
}

func (c AnswerOfficer) decide(d *decision) error {
	if err := d.as(c.By, CollegeMember, ""); err != nil {
		return err
	}
	switch {
	case c.Number < 1 || c.Number > len(d.toCollege):
		return unknown("Rapport", "Report", fmt.Sprint(c.Number))
	case !d.toCollege[c.Number-1].Answered.At.IsZero():
		return refuse(CodeState, "Dit rapport is al beantwoord.", "This report has been answered already.")
	case strings.TrimSpace(c.Answer) == "":
		return missing("wat het college ermee doet", "what the college does about it")
	}
	d.record(&CollegeAnswered{c.Number, c.Answer})
	return nil
}

func (f *CollegeReported) apply(s *State, e Event) error {
	s.toCollege = append(s.toCollege, &CollegeReport{Number: len(s.toCollege) + 1, By: e.By, At: e.Time, Subject: f.Subject, Text: f.Text})
	return nil
}

func (f *CollegeAnswered) apply(s *State, e Event) error {
	if f.Number < 1 || f.Number > len(s.toCollege) {
		return noSuch("report to the college", fmt.Sprint(f.Number))
	}
	s.toCollege[f.Number-1].Answered = e.moment(f.Answer)
	return nil
}

// CollegeReports are for the privacy officer and the college; for everyone else there are none. Newest first.
func (s *State) CollegeReports(person protocol.PersonID, now time.Time) []*CollegeReport {
	if !s.Holds(person, Officer, "", now) && !s.Holds(person, CollegeMember, "", now) {
		return nil
	}
	list := slices.Clone(s.toCollege)
	slices.Reverse(list)
	return list
}

// collegeTasks bring an unread report to the college, and to the officer when it stays unread.
func (s *State) collegeTasks(person protocol.PersonID, now time.Time, add func(Task)) {
	college, officer := s.Holds(person, CollegeMember, "", now), s.Holds(person, Officer, "", now)
	for _, r := range s.toCollege {
		t := Task{Topic: TopicCollege, Key: fmt.Sprint(r.Number), Since: r.At, Due: r.Due()}
		switch {
		case !r.Answered.At.IsZero():
		case college:
			t.Words = Words{"rapport van de privacy officer", "report of the privacy officer"}
			add(t)
		case officer && r.Overdue(now):
			t.Words = Words{"het college heeft uw rapport nog niet beantwoord", "the college has not answered your report yet"}
			add(t)
		}
	}
}
