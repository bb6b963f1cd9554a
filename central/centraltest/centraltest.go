// Package centraltest gives tests what a camera needs before it may be used, so that a test about something else need not spell it out.
package centraltest

import (
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// DPIA is the assessment that Ready placements rest on: give Assess before registering them.
const DPIA = "camera-s"

// Assess records the DPIA and the privacy officer's advice on it.
func Assess(registrar, officer protocol.PersonID, now time.Time) []central.Command {
	return []central.Command{
		central.RecordDPIA{By: registrar, DPIA: central.DPIA{ID: DPIA, Title: "Camera's in en om gebouwen", Reference: "zaaksysteem Z-2026-12", Date: protocol.T(now.AddDate(0, 0, -40)), Score: 6, Review: protocol.T(now.AddDate(2, 0, 0))}},
		central.AdviseDPIA{By: officer, DPIA: DPIA, Advice: central.Advice{Whether: "ja", Method: "model van het rijk", Who: "zelf", Safeguards: "afschermen en kort bewaren", Correct: "ja, ga door"}},
	}
}

// Ready adds to the facts of a placement what it lacks besides besluit, protocol and sign.
func Ready(f central.PlacementFacts) central.PlacementFacts {
	f.Particulars = central.Particulars{Masks: "de straat buiten", Quality: central.Observe, FilmsStaff: central.No, Selection: "20.1.2", DPIA: DPIA,
		Owners:  central.Owners{Responsible: "teammanager facilitair", Supporting: "beveiliging", Consulted: "privacy officer", Informed: "gemeenteraad"},
		Storage: central.Storage{Country: central.Netherlands, Place: "kast 1, stadskantoor"}}
	if f.Regime == protocol.WPG {
		f.FilmsStaff, f.Besluit.Prosecutor = "", f.Besluit.Date
	}
	return f
}
