package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/evidence"
)

// Fetching a bag: recorded, opened, checked, then given.

// wanted is a released bag as the recorder's own release.done entry describes it, and the roots to judge it by.
type wanted struct {
	Request protocol.RequestID
	Grant   protocol.GrantID
	Camera  protocol.CameraID
	Object  string
	Stored  protocol.Hash // of the encrypted object
	Bag     protocol.Hash // of the zip inside
	Roots   protocol.Roots
}

// bags opens bags and remembers the verdicts: a bag never changes.
type bags struct {
	vault Vault
	dir   string

	mu      sync.Mutex
	reports map[protocol.Hash]evidence.Report
}

const mostReports = 1000

func newBags(c Config) *bags {
	return &bags{vault: c.Vault, dir: c.Bags, reports: map[protocol.Hash]evidence.Report{}}
}

// open decrypts a bag into a file that has no name any more. The caller closes it.
func (b *bags) open(ctx context.Context, w wanted) (*os.File, int64, error) {
	return vault.Unpack(ctx, b.vault, b.dir, w.Object, w.Stored, w.Bag)
}

// report judges a bag.
func (b *bags) report(ctx context.Context, w wanted) (evidence.Report, error) {
	b.mu.Lock()
	known, ok := b.reports[w.Bag]
	b.mu.Unlock()
	if ok {
		return known, nil
	}
	f, size, err := b.open(ctx, w)
	if err != nil {
		return evidence.Report{}, err
	}
	r, err := evidence.Verify(f, size, evidence.Trust{Roots: w.Roots}, nil)
	if err := errors.Join(err, f.Close()); err != nil {
		return evidence.Report{}, fmt.Errorf("bag %s: %w", w.Object, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.reports) < mostReports {
		b.reports[w.Bag] = r
	}
	return r, nil
}

// fetch records that this person fetches the bag; only then is there a page with its verdicts and its file.
func (d *desk) fetch(v *visit) {
	grant := protocol.GrantID(v.value("toestemming"))
	id := protocol.RequestID(v.r.PathValue("id"))
	var there bool
	d.Book.View(func(st *central.State) { _, there = readable(st, v, id) })
	if !there {
		d.nothing(v)
		return
	}
	refusal, ok := d.do(v, central.RecordDownload{By: v.me(), Request: id, Grant: grant})
	switch {
	case !ok:
	case refusal != nil:
		f := v.form()
		f.Problem = refusal
		d.showRequest(v, statusOf(refusal), f, "fetch")
	default:
		v.onward("/bureau/aanvragen/" + string(id) + "/beelden/" + string(grant))
	}
}

// recorded finds the bag that this person has recorded to fetch, within central.FetchTerm.
func (d *desk) recorded(v *visit) (w wanted, ok bool) {
	id, grant := protocol.RequestID(v.r.PathValue("id")), protocol.GrantID(v.r.PathValue("grant"))
	d.Book.View(func(st *central.State) {
		if _, there := readable(st, v, id); !there {
			return
		}
		g, err := st.Fetching(v.me(), id, grant, v.now)
		if ok = err == nil; !ok {
			return
		}
		w = wanted{id, grant, g.Camera, g.Released.Object, g.Released.SHA256, g.Released.Bag, st.Recorder(g.Recorder).Roots}
	})
	return w, ok
}

// bagPage is the page beside a file: what to think of it and what to do with it.
type bagPage struct {
	wanted
	Report   evidence.Report
	Failed   bool // one of the verdicts is bad
	Verdicts []verdict
	Size     int64
	Level    protocol.Level
}

// verdict is one of the three, in the reader's language.
type verdict struct {
	Name, State string
	Good, Bad   bool
	Sentences   []string
	Findings    []string
	Omitted     int
}

func verdicts(l page.Lang, r evidence.Report) []verdict {
	say := func(t evidence.Text) string { return l.In(central.Words(t)) }
	var list []verdict
	for _, n := range r.Verdicts() {
		v := verdict{Name: say(n.Name), State: say(n.State.Words()), Good: n.State == evidence.OK, Bad: n.State == evidence.Failed, Omitted: n.Omitted}
		for _, s := range n.Sentences {
			v.Sentences = append(v.Sentences, say(s))
		}
		for _, f := range n.Findings {
			text := say(f.Text)
			if where := f.Where(); where != "" {
				text += " – " + where
			}
			v.Findings = append(v.Findings, text)
		}
		list = append(list, v)
	}
	return list
}

func (d *desk) fetched(v *visit) {
	w, ok := d.recorded(v)
	if !ok {
		v.onward("/bureau/aanvragen/" + v.r.PathValue("id"))
		return
	}
	report, err := d.bags.report(v.r.Context(), w)
	if err != nil {
		d.failed(v, "open a bag", err)
		return
	}
	title := page.Both("Beelden van aanvraag "+string(w.Request), "Footage of request "+string(w.Request))
	d.show(v, http.StatusOK, "bag.html", title, func(st *central.State) any {
		g := st.Grant(w.Grant)
		return bagPage{wanted: w, Report: report, Failed: report.State() == evidence.Failed, Verdicts: verdicts(v.lang, report), Size: g.Released.Size, Level: g.Level}
	})
}

// saveBag gives the bag itself. It was checked whole against the recorder's entry before its first byte goes out.
func (d *desk) saveBag(v *visit) {
	w, ok := d.recorded(v)
	if !ok {
		v.onward("/bureau/aanvragen/" + v.r.PathValue("id"))
		return
	}
	f, size, err := d.bags.open(v.r.Context(), w)
	if err != nil {
		d.failed(v, "open a bag", err)
		return
	}
	defer func() {
		if err := f.Close(); err != nil {
			d.Log.Error("an opened bag could not be closed", "bag", w.Object, "err", err)
		}
	}()
	h := v.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="beelden-%s-%s.zip"`, w.Request, w.Camera))
	if _, err := io.Copy(page.Steady(v.w), io.NewSectionReader(f, 0, size)); err != nil {
		d.Log.Debug("a bag was not read to its end", "bag", w.Object, "err", err)
	}
}
