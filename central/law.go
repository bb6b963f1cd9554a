package central

import (
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The law as this centre holds it: titles, grounds and terms, each dated and with its source. A lawyer corrects them here, and nowhere else but protocol/law.go, which has the caps
// that the recorders enforce too: windows, holds, grants and the three days of an oral demand. Facts marked † could not be read in a consolidated text.

// ArticleLaw is one dated row of the table of titles: a lawyer corrects it here. Sources read: REQUIREMENTS section 1.
type ArticleLaw struct {
	Code           Article
	Title          Words
	Authority      Words         // who may demand
	MagistrateFree bool          // false: needs the leave of the examining magistrate
	Future         bool          // asks for data that came to be after the demand itself
	Longest        time.Duration // after the demand: how far future data may go; zero: no future data
	Oral           string        // where it says that the demand may be spoken when urgent; empty: it may not
	Source         string        // of the rule
	From           string        // this row holds from this date (YYYY-MM-DD); the new code is planned for 2029
}

var Articles = []ArticleLaw{
	{"126nda", Words{"camerabeelden, verdenking van een feit als bedoeld in art. 67 lid 1 Sv", "camera images, suspicion of an offence under art. 67(1) Sv"},
		Words{"opsporingsambtenaar", "investigating officer"}, true, false, 0, "art. 126nda lid 3 Sv", "art. 126nda Sv", "2014-09-01"},
	{"126nd", Words{"opgeslagen gegevens", "stored data"},
		Words{"officier van justitie", "public prosecutor"}, true, false, 0, "art. 126nd Sv †", "art. 126nd Sv", "2006-01-01"},
	{"126ne", Words{"toekomstige gegevens, ten hoogste vier weken", "future data, at most four weeks"},
		Words{"officier van justitie", "public prosecutor"}, true, true, 28 * 24 * time.Hour, "art. 126ne Sv †", "art. 126ne Sv", "2006-01-01"},
	{"126nf", Words{"gevoelige gegevens", "sensitive data"},
		Words{"officier van justitie, met machtiging van de rechter-commissaris", "public prosecutor, with leave of the examining magistrate"}, false, false, 0, "art. 126nf Sv †", "art. 126nf Sv", "2006-01-01"},
}

// LawOf finds an article's row.
func LawOf(a Article) (ArticleLaw, bool) {
	i := slices.IndexFunc(Articles, func(l ArticleLaw) bool { return l.Code == a })
	if i < 0 {
		return ArticleLaw{}, false
	}
	return Articles[i], true
}

// PreservationLaw is one dated row of the table of who may have footage kept, and how long: a lawyer corrects it here.
type PreservationLaw struct {
	Code      Article
	Title     Words
	Authority Words
	Ground    protocol.Ground
	Longest   time.Duration // from the first hold on the footage; never over protocol.MaxHold, which recorders count
	Source    string
	From      string // this row holds from this date (YYYY-MM-DD)
}

var Preservations = []PreservationLaw{
	{"126ni", Words{"bevel tot bewaren voor de opsporing, ten hoogste 90 dagen", "order to preserve for an investigation, at most 90 days"},
		Words{"officier van justitie", "public prosecutor"}, protocol.GroundPreservation, protocol.MaxHold, "art. 126ni Sv †", "2006-09-01"},
	{"court", Words{"bevel van een rechter", "order of a court"},
		Words{"rechter", "court"}, protocol.GroundCourt, protocol.MaxHold, "REQUIREMENTS section 1, Hold grounds †", "2026-01-01"},
}

// PreservationOf finds a row.
func PreservationOf(a Article) (PreservationLaw, bool) {
	i := slices.IndexFunc(Preservations, func(l PreservationLaw) bool { return l.Code == a })
	if i < 0 {
		return PreservationLaw{}, false
	}
	return Preservations[i], true
}

// BasisLaw is one dated row of the grounds on which a camera may film.
type BasisLaw struct {
	Code   Basis
	Words  Words
	Regime protocol.Regime
	Source string
	From   string // this row holds from this date (YYYY-MM-DD)
}

// Bases in the order a page lists them. A municipality doing its public task cannot lean on art. 6(1)(f): as an owner or employer it can, with its interest and the balance written down.
var Bases = []BasisLaw{
	{PublicTask, Words{"taak van algemeen belang", "task in the public interest"}, protocol.AVG, "art. 6 lid 1 onder e AVG", "2018-05-25"},
	{LegitimateInterest, Words{"gerechtvaardigd belang, afgewogen en vastgelegd", "legitimate interest, balanced and documented"}, protocol.AVG, "art. 6 lid 1 onder f AVG", "2018-05-25"},
	{LegalDuty, Words{"wettelijke verplichting", "legal obligation"}, protocol.AVG, "art. 6 lid 1 onder c AVG", "2018-05-25"},
	{PublicOrder, Words{"handhaving van de openbare orde", "keeping public order"}, protocol.WPG, "art. 151c Gemeentewet", "2006-01-01"},
}

func (b Basis) law() BasisLaw {
	i := slices.IndexFunc(Bases, func(l BasisLaw) bool { return l.Code == b })
	if i < 0 {
		return BasisLaw{}
	}
	return Bases[i]
}

// Words name the ground and its article.
func (b Basis) Words() Words {
	l := b.law()
	if l.Code == "" {
		return Words{}
	}
	return Words{l.Words.NL + " (" + l.Source + ")", l.Words.EN + " (" + l.Source + ")"}
}

// BasesOf a regime, the usual one first.
func BasesOf(r protocol.Regime) (list []Basis) {
	for _, l := range Bases {
		if l.Regime == r {
			list = append(list, l.Code)
		}
	}
	return list
}

// WindowCap is one dated row of the longest windows: a lawyer corrects it here (R4).
type WindowCap struct {
	Regime protocol.Regime
	Window protocol.Window
	Words  Words
	Source string
	From   string // this row holds from this date (YYYY-MM-DD)
}

// WindowCaps: protocol.MaxWindow is the ceiling above all of them, which recorders keep to as well.
var WindowCaps = []WindowCap{
	{protocol.AVG, protocol.MaxWindow, Words{"vier weken, en liever korter", "four weeks, and shorter if possible"}, "art. 5 lid 1 onder e AVG, norm van de AP", "2018-05-25"},
	{protocol.WPG, protocol.MaxWindow, Words{"vier weken", "four weeks"}, "art. 151c Gemeentewet †", "2006-02-01"},
}

// CapOf a regime.
func CapOf(r protocol.Regime) WindowCap {
	i := slices.IndexFunc(WindowCaps, func(c WindowCap) bool { return c.Regime == r })
	if i < 0 {
		return WindowCap{}
	}
	return WindowCaps[i]
}

// MatterTerm is one dated row of the terms: a lawyer corrects it here.
type MatterTerm struct {
	Kind   MatterKind
	Words  Words
	Weeks  int    // to answer, from receipt; zero: as the letter says
	Source string // of the term
	From   string // this row holds from this date (YYYY-MM-DD)
}

// MatterTerms: an objection's term begins when the six weeks to object are over, so it is counted from that day.
var MatterTerms = []MatterTerm{
	{Complaint, Words{"klacht", "complaint"}, 6, "art. 9:11 lid 1 Awb", "1999-07-01"},
	{Objection, Words{"bezwaar", "objection"}, 6, "art. 7:10 lid 1 Awb, na de termijn van art. 6:7 Awb", "2009-10-01"},
	{FromAuthority, Words{"brief van de toezichthouder", "letter from the supervisory authority"}, 0, "", "2018-05-25"},
	{Weakness, Words{"melding over de beveiliging", "report about the security"}, 0, "", "2026-11-22"},
	{Unlisted, Words{"camera die niet op de kaart staat", "camera that is not on the map"}, 0, "", "2026-11-22"},
	{ToAuthority, Words{"brief aan de toezichthouder", "letter to the supervisory authority"}, 0, "", "2018-05-25"},
}

// ObjectionWeeks is how long after a decision one may object; so long a refused person's footage is held (REQUIREMENTS section 1, Hold †). Art. 6:7 Awb.
const ObjectionWeeks = 6

// Remedies is what every answer to a person who was filmed says. Art. 12 lid 4 and 77 AVG; art. 6:7 and 8:1 Awb; art. 34 UAVG.
var Remedies = Words{
	"Bent u het er niet mee eens? U kunt binnen zes weken bezwaar maken bij het college. U kunt ook een klacht indienen bij de Autoriteit Persoonsgegevens. Na het bezwaar kunt u naar de rechtbank.",
	"Do you disagree? You can object to the municipal executive within six weeks. You can also complain to the data protection authority (Autoriteit Persoonsgegevens). After the objection you can go to court.",
}

// soundInPublic says why a WPG camera has no sound. Source: art. 151c Gemeentewet speaks of images alone (†: a lawyer may correct it here); recording what others say in public without
// taking part is another power (art. 139a and 139b Sr).
var soundInPublic = Words{
	"Een camera voor de openbare orde neemt geen geluid op: artikel 151c Gemeentewet gaat over beelden.",
	"A camera for public order records no sound: article 151c of the Municipalities Act is about images.",
}

// AgreementRule is what the policy asks of the agreement with a kind of organisation. One dated row a kind.
type AgreementRule struct {
	Kind      UnitKind
	Words     Words // the kind
	Agreement Words // what is agreed
	Contents  bool  // what N:267–275 lists is in it
	Model     bool  // it follows a version of IBD's model
	Source    string
	From      string // this row holds from this date (YYYY-MM-DD)
}

// AgreementRules in the order a page lists them.
var AgreementRules = []AgreementRule{
	{ChainPartner, Words{"ketenpartner", "chain partner"}, Words{"convenant", "covenant"}, true, false, "privacybeleid 3.5.2 (N:263–275)", "2020-11-16"},
	{Processor, Words{"verwerker", "processor"}, Words{"verwerkersovereenkomst", "processor agreement"}, true, true, "art. 28 lid 3 AVG; privacybeleid 3.5.1 (N:242–259)", "2018-05-25"},
	{Supplier, Words{"leverancier zonder toegang tot beelden", "supplier without access to footage"}, Words{"contract met geheimhouding", "contract with secrecy"}, false, false, "privacybeleid 3.5 (N:236)", "2020-11-16"},
}

// The terms of oversight.
const (
	// BreachTerm is within what the authority is told of a breach, counted from awareness; weekends and holidays count. Art. 33(1) AVG; art. 3 Regulation 1182/71 leaves hours as they are.
	BreachTerm = 72 * time.Hour

	// IncidentYears is how long an incident stays in the register. BIO2 (ours, not from the seeds).
	IncidentYears = 3
)

const (
	// AnswerMonths is within what a person who was filmed is answered; ExtensionMonths is how much it may be extended. Art. 12(3) AVG; V:43–49.
	AnswerMonths    = 1
	ExtensionMonths = 2

	// DeliveredAtOnce: future footage that is delivered younger than this is given at once, which needs the magistrate's leave. Art. 126ne lid 3 Sv †; the hour is of this house.
	DeliveredAtOnce = time.Hour

	// SubjectHold is how much footage is held for such a request; SubjectUnidentified is how long, while nobody knows who asks (REQUIREMENTS section 1, Rights request).
	SubjectHold         = time.Hour
	SubjectUnidentified = 14 * 24 * time.Hour

	// TrainingGrace is how long before its end a training is announced to lapse, and how long after it the role stays active. Of this house.
	TrainingGrace = 30 * 24 * time.Hour

	// ReviewYears is the longest that policy, a protocol or an agreement goes without being looked at again: "iedere vijf jaar geëvalueerd" (N:617, R23).
	ReviewYears = 5

	// ReviewNotice is how long before its day a review, or the end of an agreement, is announced. Of this house.
	ReviewNotice = 60 * 24 * time.Hour

	// CollegeTerm is within what the college says that it read a report of the privacy officer's. Of this house.
	CollegeTerm = 14 * 24 * time.Hour

	// ReadingTerm is how long people have to read and acknowledge a protocol from when it is recorded (R3). Of this house.
	ReadingTerm = 14 * 24 * time.Hour

	// ConfirmMonths is within what a camera is re-confirmed (R23); ConfirmMonthsOften where its DPIA asks for more. Of this house: the seeds say "correct and up to date" (N:586).
	ConfirmMonths      = 12
	ConfirmMonthsOften = 6

	// UnneededMonths: a camera of which nobody asked footage for so long is flagged (R30). Of this house: nothing is kept because it is "handig" (N:557).
	UnneededMonths = 12

	// Near is when a term that approaches is put before the officer. Of this house.
	Near = 7 * 24 * time.Hour
)

// months later, on the same day of the month, or its last: a month after 31 January is the last of February (art. 3 Regulation 1182/71).
func months(t protocol.Time, n int) protocol.Time {
	later := t.AddDate(0, n, 0)
	if later.Day() != t.Day() { // it ran over into the next month
		later = later.AddDate(0, 0, -later.Day())
	}
	return protocol.T(later)
}
