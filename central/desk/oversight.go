package desk

import "github.com/beeldwacht/beeldwacht/central"

// oversightRoutes are the pages of oversight: incidents and what the privacy officer keeps.
func (d *desk) oversightRoutes(in func(string, func(*visit), ...central.Role)) {
	in("GET /bureau/incidenten", d.incidents, central.Officer)
	in("GET /bureau/incidenten/melden", d.reporting)
	in("POST /bureau/incidenten/melden", d.report)
	in("GET /bureau/incidenten/gemeld", d.reported)
	in("GET /bureau/incidenten/{number}", d.incident, central.Officer)
	in("POST /bureau/incidenten/{number}", d.describeIncident, central.Officer)
	in("POST /bureau/incidenten/{number}/gemeld", d.tellOfIncident, central.Officer)
	in("POST /bureau/incidenten/{number}/sluiten", d.closeIncident, central.Officer)
}
