package main

import (
	"net/url"
	"os"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// publiccode.yml is how public bodies find software (https://yml.publiccode.tools, version 0.4). Keys that the standard does not know are refused,
// those that it requires must be there, and what it says of us must be so.
func TestPubliccode(t *testing.T) {
	type description struct {
		ShortDescription string   `yaml:"shortDescription"`
		LongDescription  string   `yaml:"longDescription"`
		Features         []string `yaml:"features"`
	}
	var p struct {
		Version           string   `yaml:"publiccodeYmlVersion"`
		Name              string   `yaml:"name"`
		URL               string   `yaml:"url"`
		SoftwareVersion   string   `yaml:"softwareVersion"`
		ReleaseDate       string   `yaml:"releaseDate"`
		Platforms         []string `yaml:"platforms"`
		Categories        []string `yaml:"categories"`
		DevelopmentStatus string   `yaml:"developmentStatus"`
		SoftwareType      string   `yaml:"softwareType"`
		IntendedAudience  struct {
			Countries []string `yaml:"countries"`
			Scope     []string `yaml:"scope"`
		} `yaml:"intendedAudience"`
		Description map[string]description `yaml:"description"`
		Legal       struct {
			License string `yaml:"license"`
		} `yaml:"legal"`
		Maintenance struct {
			Type     string `yaml:"type"`
			Contacts []struct {
				Name  string `yaml:"name"`
				Email string `yaml:"email"`
			} `yaml:"contacts"`
		} `yaml:"maintenance"`
		Localisation struct {
			Ready     *bool    `yaml:"localisationReady"`
			Languages []string `yaml:"availableLanguages"`
		} `yaml:"localisation"`
	}
	b, err := os.ReadFile("../../publiccode.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(b, &p, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"publiccodeYmlVersion": p.Version, "name": p.Name, "url": p.URL, "legal.license": p.Legal.License} {
		if value == "" {
			t.Errorf("%s: required", key)
		}
	}
	for key, list := range map[string][]string{"platforms": p.Platforms, "categories": p.Categories, "localisation.availableLanguages": p.Localisation.Languages} {
		if len(list) == 0 {
			t.Errorf("%s: required", key)
		}
	}
	for key, one := range map[string]struct {
		value string
		of    []string
	}{
		"developmentStatus": {p.DevelopmentStatus, []string{"concept", "development", "beta", "stable", "obsolete"}},
		"softwareType": {p.SoftwareType, []string{"standalone/mobile", "standalone/iot", "standalone/desktop", "standalone/web", "standalone/backend", "standalone/other",
			"addon", "library", "configurationFiles"}},
		"maintenance.type": {p.Maintenance.Type, []string{"internal", "contract", "community", "none"}},
		"legal.license":    {p.Legal.License, []string{"EUPL-1.2"}},
	} {
		if !slices.Contains(one.of, one.value) {
			t.Errorf("%s: %q, want one of %q", key, one.value, one.of)
		}
	}
	if u, err := url.Parse(p.URL); err != nil || u.Scheme != "https" || u.Host == "" {
		t.Errorf("url: %q", p.URL)
	}
	if _, err := time.Parse(time.DateOnly, p.ReleaseDate); err != nil {
		t.Errorf("releaseDate: %v", err)
	}
	if p.Localisation.Ready == nil {
		t.Error("localisation.localisationReady: required")
	}
	if len(p.Maintenance.Contacts) == 0 || p.Maintenance.Contacts[0].Name == "" {
		t.Error("maintenance.contacts: required when maintenance is internal")
	}
	for _, language := range p.Localisation.Languages {
		d := p.Description[language]
		if n := utf8.RuneCountInString(d.ShortDescription); n == 0 || n > 150 {
			t.Errorf("description.%s.shortDescription: %d characters, want 1 to 150", language, n)
		}
		if n := utf8.RuneCountInString(d.LongDescription); n < 150 || n > 10000 {
			t.Errorf("description.%s.longDescription: %d characters, want 150 to 10000", language, n)
		}
		if len(d.Features) == 0 {
			t.Errorf("description.%s.features: required", language)
		}
	}
}
