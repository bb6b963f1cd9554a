package desk

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// The privacy officer: every access beside what allowed it, the health of the logs, what is held.

func (d *desk) accesses(v *visit) {
	accesses, err := d.Recorders.Accesses()
	if err != nil {
		d.failed(v, "accesses", err)
		return
	}
	if !d.reading(v, central.ReadAccesses, "") {
		return
	}
	d.show(v, http.StatusOK, "accesses.html", page.Both("Toegang tot beelden", "Accesses to footage"), func(st *central.State) any {
		list, counts := st.Overseen(st.Match(accesses))
		return struct {
			List   []central.MatchedAccess
			Counts wpgCounts
		}{list, busiest(counts)}
	}, wide)
}

// reading records what somebody who oversees is about to see (R10). Where it cannot be recorded nothing is shown, and this has answered.
func (d *desk) reading(v *visit, what central.Reading, about string) bool {
	if _, err := d.Book.Do(v.r.Context(), central.RecordReading{By: v.me(), What: what, About: about}); err != nil {
		d.failed(v, "record a reading", err)
		return false
	}
	return true
}

// wpgCounts is what was asked of WPG cameras: of a country's, those of which most was.
type wpgCounts struct {
	List   []central.WpgCount
	Others int
}

func busiest(all []central.WpgCount) wpgCounts {
	if len(all) <= onePage {
		return wpgCounts{List: all}
	}
	slices.SortStableFunc(all, func(a, b central.WpgCount) int {
		return cmp.Or(b.Orphans-a.Orphans, b.Accesses-a.Accesses, b.Requests-a.Requests)
	})
	return wpgCounts{all[:onePage], len(all) - onePage}
}

// recorderLog is one recorder's log and what its witness says.
type recorderLog struct {
	*central.Recorder
	Chain
	Status   protocol.Status
	Received protocol.Time
	Heard    bool
}

// Trouble says that a person must look.
func (l recorderLog) Trouble() bool { return l.Silent || len(l.Findings) > 0 }

// recorderSays is why a recorder serves nothing, in the words of its status: what is for the privacy officer in both languages, the rest as the administrator needs it.
func recorderSays(why string) central.Words {
	if why == protocol.WhyBehind {
		return page.Both("De getuige heeft meer van dit logboek dan de recorder: hij neemt op, en toont en verstrekt niets tot de privacy officer hem verder laat gaan", "The witness has more of this log than the recorder: it records, and shows and releases nothing until the privacy officer lets it go on")
	}
	return page.Both(why, why)
}

func (d *desk) recorderLogs(st *central.State, now time.Time) []recorderLog {
	var list []recorderLog
	for _, r := range st.Recorders() {
		l := recorderLog{Recorder: r, Chain: d.Recorders.Chain(r.ID)}
		if status, received, ok := d.Recorders.Status(r.ID); ok {
			l.Status, l.Received, l.Heard = status, protocol.T(received), status.State == "online" && now.Sub(received) < heardWithin
		}
		list = append(list, l)
	}
	slices.SortStableFunc(list, func(a, b recorderLog) int {
		switch {
		case a.Trouble() && !b.Trouble():
			return -1
		case b.Trouble() && !a.Trouble():
			return 1
		}
		return 0
	})
	return list
}

func (d *desk) logs(v *visit) {
	checkpoint, err := d.Book.Checkpoint()
	if err != nil {
		d.failed(v, "the ledger's checkpoint", err)
		return
	}
	size := d.Book.Size()
	var witnesses []OutsideWitness
	if d.Witnesses != nil {
		witnesses = d.Witnesses()
	}
	alone := d.Site.SelfWitnessed != nil && d.Site.SelfWitnessed()
	d.show(v, http.StatusOK, "logs.html", page.Both("Logboeken", "Logs"), func(st *central.State) any {
		find := v.finder()
		list := cut(&find, d.recorderLogs(st, v.now))
		return struct {
			Officer    bool // and may let a recorder go on
			Recorders  []recorderLog
			Size       uint64
			Checkpoint string
			Alone      bool
			Witnesses  []OutsideWitness
			Destroyed  []central.Destruction
			Find       finder
		}{st.Holds(v.me(), central.Officer, "", v.now), list, size, string(checkpoint), alone, witnesses, newest(st.Destroyed(), roundsShown), find}
	}, wide)
}

// exportLog gives a recorder's log, or the centre's own as "centrale", to verify with the tool on another machine.
func (d *desk) exportLog(v *visit) {
	name := v.r.PathValue("recorder")
	known := name == ledgerName
	d.Book.View(func(st *central.State) { known = known || st.Recorder(protocol.RecorderID(name)) != nil })
	var log uint64 // 0: the one that goes on
	file := name
	if text := v.r.URL.Query().Get("nummer"); text != "" && name != ledgerName {
		var err error
		if log, err = strconv.ParseUint(text, 10, 53); err != nil || log == 0 || log > d.Recorders.Chain(protocol.RecorderID(name)).Log {
			known = false
		}
		file += "-" + text
	}
	if !known {
		d.nothing(v)
		return
	}
	if !d.reading(v, central.ReadLog, name) {
		return
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="logboek-`+file+`.log"`)
	var err error
	if name == ledgerName {
		var enough uint64
		if d.Cosign != nil {
			enough = d.Cosign(v.r.Context())
		}
		err = d.Book.Export(page.Steady(v.w), enough)
	} else {
		err = d.Recorders.Export(v.r.Context(), protocol.RecorderID(name), log, page.Steady(v.w))
	}
	if err != nil {
		d.Log.Error("a log could not be exported whole", "log", name, "err", err)
		panic(http.ErrAbortHandler) // what was sent is not the whole log, and must not look like it
	}
}

const ledgerName = "centrale"

// roundsShown is how many rounds of destruction the page of logs shows: two years of months.
const roundsShown = 24

func newest[T any](list []T, n int) []T { return list[:min(n, len(list))] }

// held is one hold and whose it is.
type held struct {
	*central.Hold
	Path   string // of the request
	Status central.Words
	Age    time.Duration
}

func (d *desk) holds(v *visit) {
	d.show(v, http.StatusOK, "holds.html", page.Both("Bewaarde beelden", "Held footage"), func(st *central.State) any {
		out := struct {
			List  []held
			Count int
			Bytes int64
			Find  finder
		}{Find: v.finder()}
		subjects := map[protocol.RequestID]*central.SubjectRequest{}
		for _, q := range st.SubjectRequests(v.me(), v.now) {
			subjects[q.ID] = q
		}
		var all []held
		for _, h := range st.Standing() { // oldest first
			one := held{Hold: h, Age: v.now.Sub(h.Issued.Time)}
			if r := st.Request(h.Request); r != nil && st.MayRead(v.me(), r, v.now) {
				one.Path, one.Status = "/bureau/aanvragen/"+string(r.ID), r.Status.Words()
			} else if q := subjects[h.Request]; q != nil {
				one.Path, one.Status = "/bureau/betrokkenen/"+string(q.ID), subjectState(v, q).Words
			}
			if one.Path == "" || !v.now.Before(h.End.Time) {
				continue
			}
			all = append(all, one)
			if h.Confirmed != nil {
				out.Bytes += h.Confirmed.Bytes
			}
		}
		out.Count, out.List = len(all), cut(&out.Find, all)
		return out
	}, wide)
}
