package central

import (
	"reflect"
	"testing"
	"time"
)

// The law stands in one place, and each row says since when it holds and where it comes from, so that a lawyer can correct it there.
func TestTheLawIsDatedAndSourced(t *testing.T) {
	for name, table := range map[string]any{"Articles": Articles, "Preservations": Preservations, "Bases": Bases, "WindowCaps": WindowCaps, "MatterTerms": MatterTerms, "AgreementRules": AgreementRules} {
		rows := reflect.ValueOf(table)
		if rows.Len() == 0 {
			t.Errorf("%s is empty", name)
		}
		for i := range rows.Len() {
			row := rows.Index(i)
			if _, err := time.Parse(time.DateOnly, row.FieldByName("From").String()); err != nil {
				t.Errorf("%s %d has no date: %v", name, i, err)
			}
			letter := name == "MatterTerms" && row.FieldByName("Weeks").Int() == 0 // its term is in the letter itself
			if row.FieldByName("Source").String() == "" && !letter {
				t.Errorf("%s %d names no source", name, i)
			}
		}
	}
}
