package demo

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/go-json-experiment/json"
)

// lookedBack is facility staff with a browser's key: a standing grant is asked, checked and approved; then a look at the last minutes, with a reason.
func (c *check) lookedBack(ctx context.Context) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	name := "p256:" + base64.RawURLEncoding.EncodeToString(elliptic.MarshalCompressed(elliptic.P256(), key.X, key.Y))
	p, err := c.staff.Get(ctx, "/bureau/meekijken")
	if err != nil {
		return "", err
	}
	if p, err = c.staff.Submit(ctx, p, "/meekijken", url.Values{"camera": {"hal"}, "doel": {"buildings"}, "sleutel": {name}, "kenmerk": {"balie"},
		"noodzaak": {"toezicht op de hal buiten kantooruren"}, "tot": {time.Now().Add(48 * time.Hour).Format("2006-01-02")}}); err != nil {
		return "", err
	}
	request := p.Path
	if !strings.HasPrefix(request, "/bureau/aanvragen/") {
		return "", fmt.Errorf("ask for a standing grant: status %d: %.400s", p.Status, p.Text)
	}
	if p, err := CheckAs(ctx, c.handler, request); err != nil || p.Status != 200 {
		return "", fmt.Errorf("check: %v", err)
	}
	if p, err := GrantAs(ctx, c.approver, request); err != nil || p.Status != 200 {
		return "", fmt.Errorf("grant: %v", err)
	}
	near, err := c.newNear()
	if err != nil {
		return "", err
	}
	if _, err := wait(ctx, 20*time.Second, "the viewer knows the standing grant", func() (string, bool, error) {
		return "", near.prove(ctx, key, name) == nil, nil
	}); err != nil {
		return "", err
	}
	home, err := near.visitor.Get(ctx, "/")
	if err != nil {
		return "", err
	}
	links := home.Links("/look/")
	if len(links) == 0 {
		return "", fmt.Errorf("the viewer shows no camera: %.400s", home.Text)
	}
	form, err := near.visitor.Get(ctx, links[0])
	if err != nil {
		return "", err
	}
	player, err := near.visitor.Submit(ctx, form, links[0], url.Values{"reason": {"paneel meldde beweging in de hal"}})
	if err != nil {
		return "", err
	}
	if player.Status != 200 || !strings.Contains(player.Path, "/watch/") {
		return "", fmt.Errorf("look back: status %d at %s: %.400s", player.Status, player.Path, player.Text)
	}
	list, err := near.visitor.Fetch(ctx, player.Path+"/list.m3u8")
	if err != nil {
		return "", err
	}
	size := 0
	for _, line := range strings.Split(string(list), "\n") {
		if line != "" && !strings.HasPrefix(line, "#") {
			b, err := near.visitor.Fetch(ctx, player.Path+"/"+line)
			if err != nil {
				return "", err
			}
			if !bytes.Contains(b, []byte("moof")) {
				return "", fmt.Errorf("%s is not a segment", line)
			}
			size += len(b)
		}
	}
	if size == 0 {
		return "", errors.New("the playlist has no segments")
	}
	var access protocol.Access
	e, err := c.journalled(ctx, "access.view", 5*time.Second, func(e entry) (bool, error) {
		if e.Kind != protocol.KindView {
			return false, nil
		}
		return true, e.read(&access)
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s looked back at %s of %s near the recorder, %d bytes, journalled first (entry %d) with the reason: %s", access.Person,
		seconds(access.Interval.Duration()), access.Camera, size, e.Seq, access.Reason), nil
}

// near is somebody at the viewer near the recorder.
type near struct {
	visitor *Visitor
	host    string
}

func (t *town) newNear() (*near, error) {
	identity, err := edge.LoadIdentity(t.path("recorder"), protocol.Origin(recorderID, municipality))
	if err != nil {
		return nil, err
	}
	v, err := NewVisitor(t.viewer(), identity.CA)
	if err != nil {
		return nil, err
	}
	return &near{v, strings.TrimPrefix(t.viewer(), "https://")}, nil
}

// prove answers the viewer's challenge as a browser does: see package edge/viewer.
func (n *near) prove(ctx context.Context, key *ecdsa.PrivateKey, name string) error {
	challenge, err := n.visitor.Fetch(ctx, "/challenge")
	if err != nil {
		return err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "beeldwacht/viewer v1\n%s\n%s\n%s\n", recorderID, n.host, strings.TrimSpace(string(challenge))))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		return err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	body, err := json.Marshal(map[string]string{"key": name, "challenge": strings.TrimSpace(string(challenge)), "signature": base64.RawURLEncoding.EncodeToString(signature)})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.visitor.url("/session"), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := n.visitor.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("session: %s: %s", res.Status, text)
	}
	return nil
}
