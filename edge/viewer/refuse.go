package viewer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// words are one thing said in two languages. Pages show one of them; the journal takes the English.
type words struct{ NL, EN string }

// refusal is why somebody does not get what was asked, in words for that person.
type refusal struct {
	status int
	words
	Help    words // what to do now
	journal bool  // an access was refused: it is an entry

	camera    protocol.CameraID
	recipient string // the key it was refused to, proven
}

func (r *refusal) Error() string { return "refused: " + r.EN }

// to says whom it was refused to.
func (r refusal) to(key string) *refusal { r.recipient = key; return &r }

// of says which camera.
func (r refusal) of(c protocol.CameraID) *refusal { r.camera = c; return &r }

var (
	errNoPage    = &refusal{status: http.StatusNotFound, words: words{"Deze pagina bestaat niet.", "There is no such page."}}
	errBroken    = &refusal{status: http.StatusInternalServerError, words: words{"Er ging iets mis in deze recorder.", "Something went wrong in this recorder."}, Help: words{"Probeer het opnieuw. Gaat het weer mis? Meld het bij de beheerder.", "Try again. If it goes wrong again, tell whoever runs it."}}
	errOften     = &refusal{status: http.StatusTooManyRequests, words: words{"U vraagt te vaak achter elkaar.", "You ask too often."}, Help: words{"Wacht een minuut.", "Wait a minute."}}
	errFull      = &refusal{status: http.StatusServiceUnavailable, words: words{"Er kijken nu te veel mensen tegelijk.", "Too many people are looking at the same time."}, Help: words{"Probeer het over een paar minuten opnieuw.", "Try again in a few minutes."}}
	errNoSession = &refusal{status: http.StatusUnauthorized, words: words{"U bent nog niet begonnen, of uw sessie is voorbij.", "You have not begun, or your session is over."}, Help: words{"Begin opnieuw met uw sleutel.", "Begin again with your key."}}
	errProof     = &refusal{status: http.StatusForbidden, words: words{"Uw browser kon niet bewijzen dat hij deze sleutel heeft.", "Your browser could not prove that it has this key."}, Help: words{"Laad de pagina opnieuw en probeer het nog eens.", "Load the page again and try once more."}}
	errNoGrant   = &refusal{status: http.StatusForbidden, journal: true,
		words: words{"Deze sleutel heeft geen geldige toestemming op deze recorder.", "This key has no valid grant on this recorder."},
		Help: words{"Vraag toestemming aan bij het bureau, met de sleutel op deze pagina. Een behandelaar en een goedkeurder beslissen. Daarna kunt u hier kijken. Is de toestemming net gegeven? Wacht dan een minuut: zij moet de recorder nog bereiken.",
			"Ask for a grant at the desk, with the key on this page. A handler and an approver decide. After that you can look here. Was it granted just now? Then wait a minute: it must still reach the recorder."}}
	errOtherGrant = &refusal{status: http.StatusForbidden, journal: true,
		words: words{"Uw sleutel geeft geen toestemming voor deze camera.", "Your key gives no grant for this camera."},
		Help:  words{"Op de beginpagina ziet u welke camera's u mag bekijken. Een andere camera vraagt u aan bij het bureau.", "The start page shows which cameras you may look at. Ask for another camera at the desk."}}
	errOtherSession = &refusal{status: http.StatusNotFound, journal: true,
		words: words{"Dit beeld is niet door u geopend, of het is alweer gesloten.", "This footage was not opened by you, or it is closed again."},
		Help:  words{"Beeld blijft een kwartier open, alleen voor wie het opende. Kies opnieuw een moment en geef een reden.", "Footage stays open for fifteen minutes, only for who opened it. Choose a moment and give a reason again."}}
	errOver = &refusal{status: http.StatusNotFound, words: errOtherSession.words, Help: errOtherSession.Help} // nobody's: no access was refused
	errOld  = &refusal{status: http.StatusForbidden, journal: true,
		words: words{"Dit is langer dan een kwartier geleden. In uw eentje mag u niet zo ver terugkijken.", "This is more than fifteen minutes ago. On your own you may not look back that far."},
		Help:  words{"Voor ouder beeld is een tweede persoon nodig. Vraag het aan bij het bureau: een behandelaar en een goedkeurder beslissen samen.", "Older footage needs a second person. Ask at the desk: a handler and an approver decide together."}}
	errStale = &refusal{status: http.StatusServiceUnavailable, journal: true,
		words: words{"De getuige heeft het logboek van deze recorder langer dan een uur niet bevestigd.", "The witness has not confirmed this recorder's log for more than an hour."},
		Help:  words{"Daarom wordt nu niets getoond. Zodra de verbinding er weer is en de getuige bevestigt, kunt u weer kijken.", "So nothing is shown now. You can look again as soon as the connection is back and the witness confirms."}}
	errBehind = &refusal{status: http.StatusServiceUnavailable, journal: true,
		words: words{"Het logboek van deze recorder klopt niet met wat de getuige weet.", "This recorder's log does not match what its witness knows."},
		Help:  words{"De recorder neemt op, maar toont niets totdat de privacy officer hem heeft vrijgegeven.", "The recorder records, but shows nothing until the privacy officer has resumed it."}}
	errWithheld = &refusal{status: http.StatusServiceUnavailable,
		words: words{"De recorder weet nog niet zeker hoe laat het is. Dit beeld is misschien te oud.", "The recorder is not sure yet what time it is. This footage may be too old."},
		Help:  words{"Daarom wordt het nu niet getoond. Zodra de tijd zeker is, kunt u weer kijken, of is het beeld gewist. Duurt het langer dan een uur? Meld het bij de beheerder.", "So it is not shown now. As soon as the time is sure you can look again, or the footage is deleted. Does it take more than an hour? Tell whoever runs the recorder."}}
	errLocked = &refusal{status: http.StatusServiceUnavailable, journal: true,
		words: words{"Deze recorder wacht nog op een deel van zijn sleutel.", "This recorder still waits for a share of its key."},
		Help:  words{"Hij neemt op, maar kan zelf niets lezen. Zodra dat deel er is, kunt u kijken.", "It records, and cannot read anything itself. You can look as soon as that share is here."}}
	errUnwritten = &refusal{status: http.StatusServiceUnavailable,
		words: words{"Het logboek van deze recorder kan niet worden geschreven.", "This recorder's log cannot be written."},
		Help:  words{"Zonder logboek wordt niets getoond. De beheerder moet de recorder nakijken.", "Without a log nothing is shown. Whoever runs the recorder must look at it."}}
)

// expired refuses a grant whose term is over or has not begun.
func expired(g protocol.Grant) *refusal {
	return &refusal{status: http.StatusForbidden, journal: true, camera: g.Camera,
		words: words{"Uw toestemming voor deze camera geldt van " + nl.Moment(g.NotBefore.Time) + " tot " + nl.Moment(g.NotAfter.Time) + ", en nu niet.",
			"Your grant for this camera is valid from " + en.Moment(g.NotBefore.Time) + " to " + en.Moment(g.NotAfter.Time) + ", and not now."},
		Help: errOtherGrant.Help}
}

// closed says why nothing at all may be shown now, or nil (invariants 10 and 13). A cosignature from the future proves no freshness either.
func (v *Viewer) closed(now time.Time) *refusal {
	_, at := v.Journal.CosignedHead()
	age := now.Sub(at)
	switch {
	case v.Journal.Err() != nil:
		return errUnwritten
	case v.Journal.Behind():
		return errBehind
	case v.Store.KeyState().Locked:
		return errLocked
	case at.IsZero() || age > protocol.PlaybackCosigned || age < -clockSlack:
		return errStale
	}
	return nil
}

// clockSlack is how far the clocks of witness and recorder may differ.
const clockSlack = 5 * time.Minute

// allowance counts a key's refusals in one hour.
type allowance struct {
	since   time.Time
	written int
	more    int // without an entry of their own
	last    *refusal
}

func (a *allowance) unwritten(key string) []*refusal {
	if a.more == 0 {
		return nil
	}
	r := refusal{recipient: key, words: words{EN: fmt.Sprintf("%d more refusals since %s without an entry of their own; the last: %s", a.more, protocol.T(a.since), a.last.EN)}}
	if key == "" {
		r.recipient = "several"
	}
	return []*refusal{&r}
}

// writeRefusal journals a refusal, or counts it once there are enough of them this hour. Keys without a grant share one number, since anybody can make keys.
func (v *Viewer) writeRefusal(ctx context.Context, r *refusal, now time.Time) {
	key := r.recipient
	if len(v.grants(key)) == 0 {
		key = ""
	}
	v.mu.Lock()
	a := v.refused[key]
	var write []*refusal
	if a == nil || now.Sub(a.since) >= time.Hour {
		if a != nil {
			write = a.unwritten(key)
		}
		a = &allowance{since: now}
		v.refused[key] = a
	}
	if a.written < refusalsAnHour {
		a.written++
		write = append(write, r)
	} else {
		a.more++
		a.last = r
	}
	v.mu.Unlock()
	v.append(context.WithoutCancel(ctx), write) // also when the one refused has gone
}

func (v *Viewer) append(ctx context.Context, refusals []*refusal) {
	for _, r := range refusals {
		if _, err := v.Journal.Append(ctx, protocol.KindViewRefused, protocol.AccessRefused{Camera: r.camera, Recipient: r.recipient, Reason: r.EN}); err != nil {
			v.Log.Error("viewer: a refusal is not in the journal", "camera", r.camera, "recipient", r.recipient, "reason", r.EN, "error", err)
		}
	}
}

// rate counts what addresses ask for within one minute.
type rate struct {
	since time.Time
	asked map[string]int
}

const maxAddresses = 4096

// often says whether an address has had enough for this minute, and counts.
func (v *Viewer) often(remote string, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.rate.since).Abs() >= time.Minute {
		v.rate = rate{now, map[string]int{}}
	}
	who := network(remote)
	if _, known := v.rate.asked[who]; !known && len(v.rate.asked) >= maxAddresses {
		who = ""
	}
	v.rate.asked[who]++
	return v.rate.asked[who] > asksAMinute
}

// network is whom an address belongs to: of IPv6 the first 64 bits.
func network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Unmap().Is4() {
		return host
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return p.String()
}
