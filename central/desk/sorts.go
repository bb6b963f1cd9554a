package desk

import (
	"slices"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// sort is one thing that can be asked, as a person at the form would say it: the form shows what it needs and nothing else.
type sort struct {
	Code    string // in the form's address and hidden field
	Kind    central.RequestKind
	Words   central.Words
	About   central.Words
	Regimes []protocol.Regime // of the cameras it may be about
	Staff   bool              // asked by the municipality's own people
}

const (
	askDemand   = "vordering"
	askFuture   = "toekomst"
	askPolice   = "wpg"
	askPreserve = "bewaren"
	askConsent  = "toestemming"
	askReport   = "aangifte"
	askHold     = "voorlopig"
)

var (
	onlyAVG = []protocol.Regime{protocol.AVG}
	onlyWPG = []protocol.Regime{protocol.WPG}
)

// sorts in the order the form lists them.
var sorts = []sort{
	{askDemand, central.Vordering, page.Both("Vordering", "Demand (vordering)"),
		page.Both("Beelden van camera's van de gemeente, met een vordering. De gemeente beslist.", "Footage of the municipality's cameras, with a demand. The municipality decides."), onlyAVG, false},
	{askPolice, central.WpgRelease, page.Both("Openbare ruimte (Wpg)", "Public space (Wpg)"),
		page.Both("Beelden van camera's in de openbare ruimte. Ze zijn van de politie; een eigen goedkeurder van de politie beslist, niet de gemeente.", "Footage of cameras in public space. It is the police's; the police's own approver decides, not the municipality."), onlyWPG, false},
	{askPreserve, central.Preservation, page.Both("Alleen bewaren", "Only hold"),
		page.Both("Een bevel om beelden te bewaren. Niemand krijgt ze. Langer dan 28 dagen kan met twee handtekeningen.", "An order to hold footage. Nobody gets it. Longer than 28 days takes two signatures."), []protocol.Regime{protocol.AVG, protocol.WPG}, false},
	{askFuture, central.Vordering, page.Both("Toekomstige beelden", "Future footage"),
		page.Both("Een vordering op artikel 126ne: beelden die er nog niet zijn, ten hoogste vier weken. U krijgt ze in delen.", "A demand under article 126ne: footage that is not there yet, at most four weeks. You get it in parts."), onlyAVG, false},
	{askConsent, central.ByConsent, page.Both("Toestemming", "Consent"),
		page.Both("Zonder vordering: iedereen die herkenbaar is heeft vooraf toestemming gegeven.", "Without a demand: everyone recognisable has consented beforehand."), onlyAVG, false},
	{askReport, central.OwnInitiative, page.Both("Strafbaar feit melden", "Report an offence"),
		page.Both("De gemeente meldt zelf een strafbaar feit en geeft de beelden aan de politie.", "The municipality itself reports an offence and gives the footage to the police."), onlyAVG, true},
	{askHold, central.Provisional, page.Both("Voorlopig bewaren", "Hold provisionally"),
		page.Both("Beelden 72 uur bewaren, voordat iemand ze vraagt. Niemand kan ze ophalen.", "Hold footage for 72 hours, before anyone asks for it. Nobody can download it."), onlyAVG, true},
}

func sortOf(code string) (sort, bool) {
	i := slices.IndexFunc(sorts, func(s sort) bool { return s.Code == code })
	if i < 0 {
		return sort{}, false
	}
	return sorts[i], true
}

// sortFor is what is asked on this form: as chosen, as the request says that changes, or the first that this person can ask.
func sortFor(staff bool, f form, r *central.Request) sort {
	if r != nil {
		i := slices.IndexFunc(sorts, func(s sort) bool { return s.Kind == r.Kind && (s.Code == askFuture) == !r.Period.IsZero() })
		if i >= 0 {
			return sorts[i]
		}
	}
	if s, ok := sortOf(f.Get("soort")); ok && s.Staff == staff {
		return s
	}
	return sorts[slices.IndexFunc(sorts, func(s sort) bool { return s.Staff == staff })]
}
