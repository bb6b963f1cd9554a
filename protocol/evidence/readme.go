package evidence

import (
	"bytes"
	_ "embed"
	"html/template"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
)

//go:embed leesmij.html
var readmeText string

var readmeTemplate = template.Must(template.New(fileReadme).Parse(readmeText))

// readme is LEESMIJ.html: for whoever opens the bag without knowing us.
func (b *Writer) readme() ([]byte, error) {
	grant, err := protocol.ParseDocument(b.about.Grant)
	if err != nil {
		return nil, err
	}
	level, err := b.roster.Authorise(grant, b.grant.Regime)
	if err != nil {
		return nil, err // the recorder would not have accepted this grant
	}
	var out bytes.Buffer
	err = readmeTemplate.Execute(&out, struct {
		Grant         *protocol.Grant
		Municipality  string
		Base          string
		Made          protocol.Time
		Files         []string
		Segments      int
		Gaps          []protocol.Gap
		Sound         bool
		Persons       bool
		SelfWitnessed bool
		Witnesses     []string
	}{b.grant, b.roster.Municipality, string(b.grant.ID), protocol.T(b.about.Made), b.films(), len(b.segments), b.gaps, b.sound, level == protocol.LevelPersons,
		SelfWitnessed(b.roster.Municipality, names(b.roster.Witnesses)), names(b.roster.Witnesses)})
	return out.Bytes(), err
}

func (b *Writer) films() []string {
	var films []string
	for _, line := range b.payload {
		name := strings.TrimSuffix(line[2*len(protocol.Hash{})+2:], "\n")
		if strings.HasSuffix(name, ".mp4") && !strings.HasSuffix(name, "/"+nameInit) {
			films = append(films, name)
		}
	}
	return films
}

// names of verifier keys.
func names(keys []string) []string {
	var out []string
	for _, k := range keys {
		name, _, _ := strings.Cut(k, "+")
		out = append(out, name)
	}
	return out
}

// SelfWitnessed says whether nobody but the municipality's own centre is among these witnesses (DESIGN section 4), given by the names of their keys.
func SelfWitnessed(municipality string, witnesses []string) bool {
	return !slices.ContainsFunc(witnesses, func(name string) bool { return !protocol.OwnWitness(municipality, name) })
}
