package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central/api/apitest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// followed is what a police system reads of its request: the names are those of openapi.json.
type followed struct {
	ID         string `json:"id"`
	Stand      string `json:"stand"`
	Bewaringen []struct {
		Stand   string `json:"stand"`
		Stukken int    `json:"stukken"`
	} `json:"bewaringen"`
	Verstrekkingen []struct {
		ID     string        `json:"id"`
		Stand  string        `json:"stand"`
		Sha256 protocol.Hash `json:"sha256"`
	} `json:"verstrekkingen"`
}

// overAPI is a police system, over TLS: an administrator lets it in, it files for the agent, people at the desk check and grant, it fetches the bag and confirms.
func (c *check) overAPI(ctx context.Context) (string, error) {
	const agent = "p-agent"
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.ca}}}
	system, err := apitest.New("bvh-peelland", c.pages()+"/v1", client, time.Now)
	if err != nil {
		return "", err
	}
	if err := c.letIn(ctx, system); err != nil {
		return "", err
	}
	call := func(status int, method, path string, body any, into any, headers ...string) error {
		a, err := system.Call(ctx, method, path, agent, body, headers...)
		if err != nil {
			return err
		}
		return a.Read(status, into)
	}

	var newest time.Time
	list, err := c.entries()
	if err == nil {
		err = each(list, protocol.KindSealed, func(_ entry, s protocol.Sealed) error {
			for _, sealed := range s.Cameras {
				if sealed.Camera == "plein" {
					newest = sealed.Last.Time
				}
			}
			return nil
		})
	}
	if err != nil {
		return "", err
	}
	from := newest.Add(-3 * time.Second).Truncate(time.Second).UTC()
	question := map[string]any{"soort": "vordering", "artikel": "126nda", "bevoegde": "opsporingsambtenaar", "cameras": []string{"plein"}, "tijdvak": map[string]any{"van": from, "tot": from.Add(time.Second)},
		"kenmerk": "PL2100-2026-9", "noodzaak": "Diefstal van een fiets, verdachte in beeld"}
	var filed, again followed
	for _, into := range []*followed{&filed, &again} { // the first answer was lost, let us say
		if err := call(http.StatusCreated, "POST", "/verzoeken", question, into, "Idempotency-Key", "demo-PL2100-2026-9"); err != nil {
			return "", err
		}
	}
	if filed.ID != again.ID {
		return "", fmt.Errorf("filed twice: %s and %s", filed.ID, again.ID)
	}
	path, desk := "/verzoeken/"+filed.ID, "/bureau/aanvragen/"+filed.ID
	follow := func(what string, ready func(followed) bool) (followed, error) {
		var v followed
		_, err := wait(ctx, 45*time.Second, what, func() (string, bool, error) {
			err := call(http.StatusOK, "GET", path, nil, &v)
			return "", err == nil && ready(v), err
		})
		return v, err
	}
	if _, err := follow("the system reads that the hold is confirmed", func(v followed) bool {
		return len(v.Bewaringen) == 1 && v.Bewaringen[0].Stand == "confirmed" && v.Bewaringen[0].Stukken > 0
	}); err != nil {
		return "", err
	}
	p, err := CheckAs(ctx, c.handler, desk)
	if err != nil || p.Status != http.StatusOK {
		return "", fmt.Errorf("check: %v: %.400s", err, p.Text)
	}
	if !strings.Contains(p.Text, "Ingediend door het systeem bvh-peelland") {
		return "", errors.New("the desk does not say that this request came through a system")
	}
	if p, err := GrantAs(ctx, c.approver, desk); err != nil || p.Status != http.StatusOK {
		return "", fmt.Errorf("grant: %v: %.400s", err, p.Text)
	}
	ready, err := follow("the system reads that the bag is ready", func(v followed) bool {
		return len(v.Verstrekkingen) == 1 && v.Verstrekkingen[0].Stand == "ready"
	})
	if err != nil {
		return "", err
	}
	var fetched struct {
		Bestand string `json:"bestand"`
		Tot     string `json:"tot"`
	}
	if err := call(http.StatusCreated, "POST", path+"/verstrekkingen/"+ready.Verstrekkingen[0].ID+"/ophalingen", nil, &fetched); err != nil {
		return "", err
	}
	bag, err := system.Call(ctx, "GET", fetched.Bestand, agent, nil)
	if err != nil {
		return "", err
	}
	if bag.Status != http.StatusOK || protocol.HashOf(bag.Body) != ready.Verstrekkingen[0].Sha256 {
		return "", fmt.Errorf("GET %s: status %d, %d bytes that are not those of the recorder's entry", fetched.Bestand, bag.Status, len(bag.Body))
	}
	verdict, err := c.verify(bag.Body)
	if err != nil {
		return "", err
	}
	var closed followed
	if err := call(http.StatusOK, "PUT", path+"/ontvangstbevestiging", map[string]any{"opmerking": "opgeslagen"}, &closed); err != nil {
		return "", err
	}
	if closed.Stand != "closed" {
		return "", fmt.Errorf("after the hand-over the request is %s", closed.Stand)
	}
	return fmt.Sprintf("a police system filed (twice sent, once filed), followed, fetched %d bytes and confirmed receipt over TLS; people at the desk checked and granted; the bag is %s", len(bag.Body), verdict), nil
}

// letIn has the administrator register a system's public key at the desk.
func (c *check) letIn(ctx context.Context, system *apitest.System) error {
	jwk, err := system.JWK()
	if err != nil {
		return err
	}
	p, err := c.administrator.Get(ctx, "/bureau/koppelingen")
	if err != nil {
		return err
	}
	p, err = c.administrator.Submit(ctx, p, "/bureau/koppelingen", url.Values{"kenmerk": {system.ID}, "naam": {"Zaaksysteem basisteam"}, "eenheid": {"basisteam-peelland"},
		"mag": {"verzoeken:indienen", "verzoeken:lezen", "beelden:ophalen"}, "sleutel": {jwk}})
	if err != nil {
		return err
	}
	if !strings.Contains(p.Text, system.ID) {
		return fmt.Errorf("the system was not let in: %.400s", p.Text)
	}
	return nil
}
