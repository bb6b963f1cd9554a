package edge

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
	"golang.org/x/mod/sumdb/note"
)

// Identity is what enrolment gave this recorder: the folder that was carried here by hand.
type Identity struct {
	Signer   note.Signer // of the journal's checkpoints and of the status
	Verifier string      // its public half
	Roots    protocol.Roots
	Roster   []byte // the first roster, as signed
	Client   tls.Certificate
	Viewer   tls.Certificate
	CA       *x509.CertPool
}

// LoadIdentity reads the folder that `beeldwacht enrol` made. Every error names the file.
func LoadIdentity(dir string, origin string) (*Identity, error) {
	read := func(name string) ([]byte, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("identity: %w; `beeldwacht enrol` makes this folder", err)
		}
		return b, nil
	}
	id := &Identity{}
	skey, err := read("recorder.key")
	if err != nil {
		return nil, err
	}
	if id.Signer, err = protocol.NewSigner(strings.TrimSpace(string(skey))); err != nil {
		return nil, fmt.Errorf("identity: %s: %w", filepath.Join(dir, "recorder.key"), err)
	}
	if id.Signer.Name() != origin {
		return nil, fmt.Errorf("identity: %s is the key of %s, but this recorder is configured as %s", filepath.Join(dir, "recorder.key"), id.Signer.Name(), origin)
	}
	vkey, err := read("recorder.pub")
	if err != nil {
		return nil, err
	}
	id.Verifier = strings.TrimSpace(string(vkey))
	roots, err := read("roots.txt")
	if err != nil {
		return nil, err
	}
	id.Roots = strings.Fields(string(roots))
	if id.Roster, err = read("roster"); err != nil {
		return nil, err
	}
	if _, err := protocol.OpenRoster(id.Roster, id.Roots); err != nil {
		return nil, fmt.Errorf("identity: %s: %w", filepath.Join(dir, "roster"), err)
	}
	for name, cert := range map[string]*tls.Certificate{"client": &id.Client, "viewer": &id.Viewer} {
		if *cert, err = tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".tls")); err != nil {
			return nil, fmt.Errorf("identity: %s: %w", filepath.Join(dir, name+".crt"), err)
		}
	}
	ca, err := read("ca.crt")
	if err != nil {
		return nil, err
	}
	id.CA = x509.NewCertPool()
	if !id.CA.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("identity: %s: no certificate in it", filepath.Join(dir, "ca.crt"))
	}
	return id, nil
}
