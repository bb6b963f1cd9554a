// Package enrol makes what must exist before a recorder and a centre can talk: three offline roots, the centre's keys and certificate
// authority, and for each recorder a folder with its key pair, its client certificate, the pinned roots and the first roster.
//
//	roots/     root-{1,2,3}.key roots.txt                          three people keep one key each, offline; two sign a roster
//	centre/    order.key ledger.key witness.key vault.key         what the centre signs and decrypts with
//	           ca.crt ca.tls server.crt server.tls centre.crt centre.tls   TLS: authority, pages and broker, the centre as MQTT client
//	recorder/  recorder.key client.{crt,tls} viewer.{crt,tls} ca.crt roots.txt roster   carried to the cabinet by hand
//	           keys.txt ledger-keys.txt                            public: what `beeldwacht verify` needs, for the recorder's log and bags, and for the centre's ledger
//	witness/   witness.{key,pub} server.{crt,tls} witness.yaml     an outside witness, on a machine of the privacy officer's own
//
// Secret files are written with mode 0600. A folder is made whole or not at all, and never over another: an identity is made once (invariant 6).
package enrol

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
	"golang.org/x/mod/sumdb/note"
)

// centreName is the common name of the centre's MQTT certificate; broker.Centre.
const centreName = "centre"

const (
	authorityTerm   = 10 * 365 * 24 * time.Hour
	certificateTerm = 2 * 365 * 24 * time.Hour
)

// Roots makes three root keys in dir. They belong in three different drawers; the demo keeps them together and says so.
func Roots(dir, municipality string) error {
	if err := validMunicipality(municipality); err != nil {
		return err
	}
	return whole(dir, func(dir string) error {
		var verifiers []string
		for i := 1; i <= 3; i++ {
			skey, vkey, err := protocol.NewKey(fmt.Sprintf("root-%d.%s/beeldwacht", i, municipality))
			if err != nil {
				return err
			}
			if err := writeNew(filepath.Join(dir, fmt.Sprintf("root-%d.key", i)), skey+"\n", 0o600); err != nil {
				return err
			}
			verifiers = append(verifiers, vkey)
		}
		return writeNew(filepath.Join(dir, "roots.txt"), strings.Join(verifiers, "\n")+"\n", 0o644)
	})
}

// Centre makes the centre's keys and certificates in dir. Hosts are the names and addresses its pages and broker are reached by; its own machine is
// always among them, because there the centre talks to its object store.
func Centre(dir, municipality string, hosts []string, now time.Time) error {
	hosts, err := validHosts(hosts)
	if err := errors.Join(err, validMunicipality(municipality)); err != nil {
		return err
	}
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(hosts, own) {
			hosts = append(hosts, own)
		}
	}
	return whole(dir, func(dir string) error { return centre(dir, municipality, hosts, now) })
}

func centre(dir, municipality string, hosts []string, now time.Time) error {
	for _, name := range []string{"order", "ledger"} {
		skey, vkey, err := protocol.NewKey(name + "." + municipality + "/beeldwacht")
		if err != nil {
			return err
		}
		if err := writePair(dir, name, skey, vkey); err != nil {
			return err
		}
	}
	skey, _, err := protocol.NewKey("witness." + municipality + "/beeldwacht")
	if err != nil {
		return err
	}
	_, vkey, err := chain.NewWitness(skey)
	if err != nil {
		return err
	}
	if err := writePair(dir, "witness", skey, vkey); err != nil {
		return err
	}
	vault, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	if err := writePair(dir, "vault", vault.String(), vault.Recipient().String()); err != nil {
		return err
	}
	if err := newAuthority(dir, municipality, now); err != nil {
		return err
	}
	if err := issue(dir, dir, "server", "beeldwacht", hosts, now); err != nil {
		return err
	}
	return issue(dir, dir, "centre", centreName, nil, now)
}

// People is who the first roster gives a task, and who witnesses.
type People struct {
	Officer     protocol.PersonID
	OfficerKey  string // of the passkey that the officer signs with; empty: the centre vouches for them
	Handlers    []protocol.Seat
	Approvers   []protocol.Seat
	LevelCentre bool
	Sound       bool // mandates may allow sound

	Witnesses []string // keys of outside witnesses, beside the centre's own
	Quorum    int      // how many of all witnesses must cosign; zero: all
}

// valid wants, for each regime, somebody who can check and somebody else who can approve: otherwise nothing could ever be released.
func (p People) valid() error {
	regimes := map[protocol.Regime]bool{}
	for _, seat := range slices.Concat(p.Handlers, p.Approvers) {
		regimes[seat.Regime] = true
	}
	if len(regimes) == 0 {
		return errors.New("no handler and no approver: name at least one of each, two people")
	}
	for regime := range regimes {
		two := slices.ContainsFunc(p.Handlers, func(h protocol.Seat) bool {
			return h.Regime == regime && slices.ContainsFunc(p.Approvers, func(a protocol.Seat) bool { return a.Regime == regime && a.Person != h.Person })
		})
		if !two {
			return fmt.Errorf("%s: no handler and approver who are two people, so no request could ever be decided (invariant 12)", regime)
		}
	}
	if !p.LevelCentre {
		return errors.New("handlers and approvers do not have passkeys yet, so this recorder could release nothing; give -level-centre, which trusts the centre's word for them")
	}
	return nil
}

// Recorder makes a recorder's folder in out: its keys, its client certificate from the centre's authority, the pinned roots and the first roster,
// signed by the root keys in signedBy (two of the three).
func Recorder(out string, id protocol.RecorderID, municipality, centreDir, rootsFile string, signedBy []string, people People, hosts []string, now time.Time) error {
	if err := protocol.ValidID(id); err != nil {
		return fmt.Errorf("recorder: %w", err)
	}
	if id == centreName {
		return fmt.Errorf("recorder id %q: the broker knows the centre by that name; choose another", id)
	}
	hosts, err := validHosts(hosts)
	if err := errors.Join(err, validMunicipality(municipality), people.valid()); err != nil {
		return err
	}
	order, err := ReadLine(filepath.Join(centreDir, "order.pub"))
	if err != nil {
		return fmt.Errorf("centre: %w; give the folder that `beeldwacht centre` made", err)
	}
	if of := "order." + municipality + "/beeldwacht"; !strings.HasPrefix(order, of+"+") {
		return fmt.Errorf("centre: %s is not of %s: its key is %s", centreDir, municipality, order)
	}
	return whole(out, func(out string) error {
		return recorder(out, id, municipality, centreDir, rootsFile, signedBy, people, hosts, now)
	})
}

func recorder(out string, id protocol.RecorderID, municipality, centreDir, rootsFile string, signedBy []string, people People, hosts []string, now time.Time) error {
	skey, vkey, err := protocol.NewKey(protocol.Origin(id, municipality))
	if err != nil {
		return err
	}
	if err := writePair(out, "recorder", skey, vkey); err != nil {
		return err
	}
	if err := issue(centreDir, out, "client", string(id), nil, now); err != nil {
		return err
	}
	if err := issue(centreDir, out, "viewer", "viewer."+string(id), hosts, now); err != nil {
		return err
	}
	for from, to := range map[string]string{filepath.Join(centreDir, "ca.crt"): "ca.crt", rootsFile: "roots.txt"} {
		b, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := writeNew(filepath.Join(out, to), string(b), 0o644); err != nil {
			return err
		}
	}
	roster, err := firstRoster(id, vkey, municipality, centreDir, people, now)
	if err != nil {
		return err
	}
	for _, file := range signedBy {
		signer, err := ReadSigner(file)
		if err != nil {
			return err
		}
		if roster, err = protocol.Countersign(roster, signer); err != nil {
			return err
		}
	}
	roots, err := ReadRoots(filepath.Join(out, "roots.txt"))
	if err != nil {
		return err
	}
	r, err := protocol.OpenRoster(roster, roots)
	if err != nil {
		return fmt.Errorf("first roster of %s: %w", id, err)
	}
	if err := writeNew(filepath.Join(out, "roster"), string(roster), 0o644); err != nil {
		return err
	}
	if err := writeNew(filepath.Join(out, "keys.txt"), verifierKeys(r, roots), 0o644); err != nil {
		return err
	}
	return writeNew(filepath.Join(out, "ledger-keys.txt"), ledgerKeys(r), 0o644)
}

// verifierKeys is the file that `beeldwacht verify -keys` reads: everything in it is public, and it is worth nothing when it comes along with what it is
// to verify. Hand it over on another road.
func verifierKeys(r *protocol.Roster, roots protocol.Roots) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Keys to verify the log and the evidence of recorder %s with. Public.\n", r.Recorder)
	fmt.Fprintf(&b, "origin %s\nlog %s\n", protocol.Origin(r.Recorder, r.Municipality), r.RecorderKey)
	b.WriteString(witnessLines(r))
	for _, root := range roots {
		fmt.Fprintf(&b, "root %s\n", root)
	}
	return b.String()
}

// ledgerKeys is the same for the centre's own log, which the witnesses of a recorder's roster cosign too.
func ledgerKeys(r *protocol.Roster) string {
	return fmt.Sprintf("# Keys to verify the log of the centre of %s with. Public.\norigin %s\nlog %s\n", r.Municipality, protocol.LedgerOrigin(r.Municipality), r.LedgerKey) + witnessLines(r)
}

func witnessLines(r *protocol.Roster) string {
	var b strings.Builder
	for _, witness := range r.Witnesses {
		fmt.Fprintf(&b, "witness %s\n", witness)
	}
	fmt.Fprintf(&b, "quorum %d\n", r.Quorum)
	return b.String()
}

func firstRoster(id protocol.RecorderID, vkey, municipality, centreDir string, people People, now time.Time) ([]byte, error) {
	r := &protocol.Roster{
		Heading: protocol.Heading{ID: protocol.DocumentID("roster-" + string(id) + "-1"), Recorder: id,
			NotBefore: protocol.T(now.Add(-time.Minute)), NotAfter: protocol.T(now.Add(365 * 24 * time.Hour))},
		Version: 1, Municipality: municipality, RecorderKey: vkey,
		Officer: people.Officer, OfficerKey: people.OfficerKey, Handlers: people.Handlers, Approvers: people.Approvers, LevelCentre: people.LevelCentre,
		MaxWindow: protocol.MaxWindow, MaxHold: protocol.Window(protocol.MaxHold), HoldShare: 50,
	}
	if people.Sound {
		r.Sound = protocol.SoundAllowed
	}
	for name, field := range map[string]*string{"order": &r.OrderKey, "ledger": &r.LedgerKey, "vault": &r.VaultKey} {
		key, err := ReadLine(filepath.Join(centreDir, name+".pub"))
		if err != nil {
			return nil, err
		}
		*field = key
	}
	witness, err := ReadLine(filepath.Join(centreDir, "witness.pub"))
	if err != nil {
		return nil, err
	}
	r.Witnesses = append([]string{witness}, people.Witnesses...)
	for _, key := range r.Witnesses {
		if _, err := chain.WitnessVerifier(key); err != nil {
			return nil, err
		}
	}
	r.Quorum = uint64(cmp.Or(people.Quorum, len(r.Witnesses)))
	return protocol.Compose(r)
}

// Witness makes the folder of an outside witness: its key, a certificate of its own making for hosts, which the centre pins, and its configuration.
func Witness(dir, name string, hosts []string, config string, now time.Time) error {
	hosts, err := validHosts(hosts)
	if err != nil {
		return err
	}
	return whole(dir, func(dir string) error {
		skey, _, err := protocol.NewKey(name)
		if err != nil {
			return fmt.Errorf("name %q: %w", name, err)
		}
		_, vkey, err := chain.NewWitness(skey)
		if err != nil {
			return err
		}
		if err := writePair(dir, "witness", skey, vkey); err != nil {
			return err
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		template := certificate(name, hosts, now.Add(authorityTerm), now)
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			return err
		}
		if err := writeCertificate(dir, "server", der, key); err != nil {
			return err
		}
		return writeNew(filepath.Join(dir, "witness.yaml"), config, 0o644)
	})
}

// NextRoster makes the roster that follows the one in a recorder's folder: the same with the changes, a version higher, for a year from now, signed by the root keys in signedBy.
func NextRoster(identity string, signedBy []string, now time.Time, change func(*protocol.Roster) error) ([]byte, error) {
	roots, err := ReadRoots(filepath.Join(identity, "roots.txt"))
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(identity, "roster"))
	if err != nil {
		return nil, err
	}
	r, err := protocol.OpenRoster(raw, roots)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(identity, "roster"), err)
	}
	next := *r
	next.Version++
	next.Ledger = protocol.LedgerHead{} // said once, in the roster that put something right
	next.Heading = protocol.Heading{ID: protocol.DocumentID(fmt.Sprintf("roster-%s-%d", r.Recorder, next.Version)), Recorder: r.Recorder,
		NotBefore: protocol.T(now.Add(-time.Minute)), NotAfter: protocol.T(now.Add(365 * 24 * time.Hour))}
	if err := change(&next); err != nil {
		return nil, err
	}
	signed, err := protocol.Compose(&next)
	if err != nil {
		return nil, err
	}
	for _, file := range signedBy {
		signer, err := ReadSigner(file)
		if err != nil {
			return nil, err
		}
		if signed, err = protocol.Countersign(signed, signer); err != nil {
			return nil, err
		}
	}
	if _, err := protocol.OpenRoster(signed, roots); err != nil {
		return nil, fmt.Errorf("roster of %s, version %d: %w", r.Recorder, next.Version, err)
	}
	return signed, nil
}

// ReadLine reads a file of one line.
func ReadLine(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line := strings.TrimSpace(string(b))
	if line == "" || strings.Contains(line, "\n") {
		return "", fmt.Errorf("%s: want one line with a key", file)
	}
	return line, nil
}

// ReadSigner reads a note signing key.
func ReadSigner(file string) (note.Signer, error) {
	line, err := ReadLine(file)
	if err != nil {
		return nil, err
	}
	s, err := note.NewSigner(line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// ReadRoots reads the pinned roots, one verifier key a line.
func ReadRoots(file string) (protocol.Roots, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := protocol.Roots(strings.Fields(string(b)))
	if len(roots) < protocol.RootThreshold {
		return nil, fmt.Errorf("%s: %d root keys, need at least %d", file, len(roots), protocol.RootThreshold)
	}
	for _, key := range roots {
		if _, err := protocol.NewVerifier(key); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return roots, nil
}

func writePair(dir, name, secret, public string) error {
	if err := writeNew(filepath.Join(dir, name+".key"), secret+"\n", 0o600); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, name+".pub"), public+"\n", 0o644)
}

// whole lets make fill a new folder beside dir and gives it the name dir only when all is there: what failed half way leaves nothing that the next
// attempt would stumble over.
func whole(dir string, make func(dir string) error) error {
	dir = filepath.Clean(dir)
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return fmt.Errorf("%s is already there: an identity is made once; give another folder", dir)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	unfinished, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+"-unfinished-") // mode 0700
	if err != nil {
		return err
	}
	if err = make(unfinished); err == nil {
		err = syncFolder(unfinished)
	}
	if err == nil {
		err = os.Rename(unfinished, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(unfinished))
	}
	return syncFolder(parent)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func validMunicipality(name string) error {
	if err := protocol.ValidID(protocol.DocumentID(name)); err != nil {
		return fmt.Errorf("municipality: %w", err)
	}
	return nil
}

// validHosts trims names and refuses what a certificate cannot hold.
func validHosts(list []string) (hosts []string, err error) {
	for _, h := range list {
		h = strings.TrimSpace(h)
		if net.ParseIP(h) == nil && (h == "" || strings.ContainsAny(h, " :/*@")) {
			err = errors.Join(err, fmt.Errorf("hosts: %q: want a name or an address, without port", h))
		}
		hosts = append(hosts, h)
	}
	return hosts, err
}

// writeNew writes a file that must not exist yet, synced.
func writeNew(file, text string, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is already there: an identity is made once; give another folder", file)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func newAuthority(dir, municipality string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Beeldwacht " + municipality, Organization: []string{municipality}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityTerm), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	return writeCertificate(dir, "ca", der, key)
}

// issue signs a certificate for name with the authority in caDir: for a server when hosts are given, otherwise for an MQTT client, whose name is
// what the broker's access list knows it by.
func issue(caDir, out, file, name string, hosts []string, now time.Time) error {
	ca, caKey, err := readAuthority(caDir)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate(name, hosts, now.Add(certificateTerm), now), ca, &key.PublicKey, caKey)
	if err != nil {
		return err
	}
	return writeCertificate(out, file, der, key)
}

func certificate(name string, hosts []string, until, now time.Time) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if len(hosts) > 0 {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	return c
}

func writeCertificate(dir, name string, der []byte, key *ecdsa.PrivateKey) error {
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := writeNew(filepath.Join(dir, tlsKey(name)), string(keyPEM), 0o600); err != nil {
		return err
	}
	return writeNew(filepath.Join(dir, name+".crt"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
}

// tlsKey keeps TLS keys apart from note keys of the same name.
func tlsKey(name string) string { return name + ".tls" }

func readAuthority(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	crt, err := readPEM(filepath.Join(dir, "ca.crt"), "CERTIFICATE")
	if err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(crt)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, "ca.crt"), err)
	}
	der, err := readPEM(filepath.Join(dir, tlsKey("ca")), "PRIVATE KEY")
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", filepath.Join(dir, tlsKey("ca")), err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s: want an ECDSA key", filepath.Join(dir, tlsKey("ca")))
	}
	return ca, ec, nil
}

func readPEM(file, kind string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: no PEM block %s", file, kind)
	}
	return block.Bytes, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	rand.Read(b) // never fails (crypto/rand)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}
