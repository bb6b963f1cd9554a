package public

import (
	"net/http"
	"regexp"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
)

// Anybody can tell the privacy officer something (R25): no account, no cookie, nothing kept of where it came from. What is told goes to the ledger, in a dossier under a key of its
// own, and only the officer reads it. Whoever would rather call or write finds how beside the form (R32).

// An address's network tells this much at once, and then one each twelve minutes.
const (
	toldAtOnce    = 5
	toldPerSecond = 1. / (12 * 60)
)

// toldLimit is more than the form holds, in bytes.
const toldLimit = 32 << 10

// telling is the form, with what was typed.
type telling struct {
	Kinds         []central.MatterKind
	Kind          central.MatterKind
	Text, Contact string
	Problem       *central.Refusal
	Officer       page.Contact
	Longest       int
}

func (s *site) tellForm(w http.ResponseWriter, r *http.Request) {
	s.showTelling(w, r, http.StatusOK, telling{Kind: central.MatterKind(r.URL.Query().Get("over"))})
}

func (s *site) showTelling(w http.ResponseWriter, r *http.Request, status int, t telling) {
	t.Kinds, t.Officer, t.Longest = central.PublicKinds, s.Site.Officer, central.LongestTold
	s.pages.Show(w, r, status, "telling.html", page.Frame{Title: page.Both("Iets melden aan de privacy officer", "Report something to the privacy officer"), Body: t})
}

func (s *site) tell(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, toldLimit)
	if err := r.ParseForm(); err != nil {
		s.showTelling(w, r, http.StatusBadRequest, telling{Problem: &central.Refusal{Code: central.CodeInvalid, Words: page.Both("Het formulier kwam niet goed over, of is te lang. Probeer het opnieuw, of bel of schrijf ons.", "The form did not arrive well, or is too long. Try again, or call or write to us.")}})
		return
	}
	t := telling{Kind: central.MatterKind(r.PostForm.Get("over")), Text: r.PostForm.Get("tekst"), Contact: r.PostForm.Get("bereikbaar")}
	if _, ok := s.tellers.Take(page.Truncate(r.RemoteAddr), s.Now()); !ok {
		t.Problem = central.TooMuchTold
		s.showTelling(w, r, http.StatusTooManyRequests, t)
		return
	}
	reference, err := s.Register.Tell(r.Context(), central.Tell{Kind: t.Kind, Text: t.Text, Contact: t.Contact})
	if refusal, is := central.RefusalOf(err); is {
		t.Problem = refusal
		status := http.StatusBadRequest
		if refusal.Code == central.CodeTooOften {
			status = http.StatusTooManyRequests
		}
		s.showTelling(w, r, status, t)
		return
	}
	if err != nil {
		s.Site.Log.Error("what somebody told could not be recorded", "err", err)
		t.Problem = &central.Refusal{Code: central.CodeState, Words: page.Both("Uw melding kon door een storing niet worden vastgelegd. Probeer het later opnieuw, of bel of schrijf ons.", "Your report could not be recorded because of a fault. Try again later, or call or write to us.")}
		s.showTelling(w, r, http.StatusInternalServerError, t)
		return
	}
	http.Redirect(w, r, page.LangOf(r.Context()).Path("/melden/ontvangen/"+reference), http.StatusSeeOther)
}

var aReference = regexp.MustCompile(`^web-[1-9][0-9]{0,9}$`)

func (s *site) told(w http.ResponseWriter, r *http.Request) {
	reference := r.PathValue("reference")
	if !aReference.MatchString(reference) {
		s.nothing(w, r)
		return
	}
	s.pages.Show(w, r, http.StatusOK, "told.html", page.Frame{Title: page.Both("Uw melding is ontvangen", "Your report has been received"), Body: map[string]any{"Reference": reference, "Officer": s.Site.Officer}})
}

// rights says how to ask about footage of oneself (R14): by telephone, on paper or at the counter. What is asked is recorded at the desk, where somebody checks who asks.
func (s *site) rights(w http.ResponseWriter, r *http.Request) {
	s.pages.Show(w, r, http.StatusOK, "rights.html", page.Frame{Title: page.Both("Beelden van uzelf", "Footage of yourself"), Body: map[string]any{"Officer": s.Site.Officer, "Remedies": central.Remedies}})
}
