package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/central/office"
	"github.com/beeldwacht/beeldwacht/central/vault"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// witnessing measures a whole centre, witness and ledger and pages and all, under the steady traffic of a fleet: once with the broker inside it, once with
// Mosquitto and the configuration that deploy ships. Then the centre is away for a minute, and what matters is how soon everything is cosigned again.
func (p *plan) witnessing(ctx context.Context, out io.Writer) error {
	bare, err := bareCrypto(2000)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "witness: %d recorders of %d cameras, each three entries, one checkpoint and one status a minute, played on the same processors\n", p.fleet, fleetCameras)
	if n, err := connections(p.fleet); err != nil {
		return err
	} else if n < p.fleet {
		fmt.Fprintf(out, "a process may have no more files open here than %d recorders connect by (ulimit -n): those write oftener, so that the traffic is that of %d\n", n, p.fleet)
		p.minute = p.minute * time.Duration(n) / time.Duration(p.fleet)
		p.fleet = n
	}
	fmt.Fprintf(out, "unit: one Ed25519 signature and two verifications, %.0f µs here\n\n", bare.Seconds()*1e6)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "broker\tcosigned a minute\tlag p50\tp99\tmost\tCPU of the centre, with broker\tof the fleet\ta checkpoint, × unit\tmemory\ton disk a day\tup a recorder a day\tdown\tall cosigned after an outage\t")
	for _, broker := range strings.Split(p.brokers, ",") {
		r, err := p.witnessed(ctx, broker, bare)
		if err != nil {
			return fmt.Errorf("%s: %w", broker, err)
		}
		fmt.Fprintln(t, r)
	}
	return t.Flush()
}

// witnessed is one row.
func (p *plan) witnessed(ctx context.Context, broker string, bare time.Duration) (row string, err error) {
	dir, err := os.MkdirTemp(p.dir, "beeldwacht-witness-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // Mosquitto becomes a user of its own
		return "", err
	}
	began := time.Now()
	if err := foundTown(ctx, dir, p.fleet); err != nil {
		return "", err
	}
	progress("%s: %d recorders enrolled in %.0f s", broker, p.fleet, time.Since(began).Seconds())
	var parts []*process
	stop := func() (err error) {
		for _, part := range parts {
			err = errors.Join(err, part.stop())
		}
		parts = nil
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	listen := address
	switch broker {
	case "embedded":
	case "mosquitto":
		listen = ""
		m, err := mosquitto(ctx, dir, address)
		if err != nil {
			return "", err
		}
		parts = append(parts, m)
	default:
		return "", fmt.Errorf("-brokers %s: want embedded or mosquitto", broker)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	url := "ssl://localhost:" + port
	startCentre := func(name string) (*process, error) {
		profiles := ""
		if p.profile != "" {
			profiles = filepath.Join(p.profile, broker+"-"+name)
		}
		return start(self(ctx, "centre", dir, listen, url, profiles, strconv.Itoa(p.fleet)))
	}
	centre, err := startCentre("steady")
	if err != nil {
		return "", err
	}
	parts = append(parts, centre)
	if err := answers(ctx, address, parts); err != nil {
		return "", err
	}
	fleet, err := start(self(ctx, "fleet", dir, strconv.Itoa(p.fleet), url, p.minute.String(), p.profile))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, fleet.stop()) }()
	report := filepath.Join(dir, fleetReport)
	if err := p.until(ctx, patience, report, "all are connected", func(s fleetState) bool { return s.Recorders == p.fleet }); err != nil {
		return "", err
	}
	progress("%s: all connected after %.0f s", broker, time.Since(began).Seconds())
	if err := sleep(ctx, p.minute); err != nil { // what connecting cost is not what being connected costs
		return "", err
	}

	var memory float64
	before, err := readFleet(report)
	if err != nil {
		return "", err
	}
	players := []*process{fleet}
	cpu, played, from, disk := used(parts), used(players), time.Now(), fileSize(filepath.Join(dir, "data", "witness.db"))
	for time.Since(from) < p.witnessFor {
		if err := sleep(ctx, min(5*time.Second, p.witnessFor-time.Since(from))); err != nil {
			return "", err
		}
		memory = max(memory, own(parts))
	}
	took := time.Since(from)
	cpu, played, disk = used(parts)-cpu, used(players)-played, fileSize(filepath.Join(dir, "data", "witness.db"))-disk
	after, err := readFleet(report)
	if err != nil {
		return "", err
	}
	if after.Behind > p.fleet/2 {
		return "", fmt.Errorf("%d of %d recorders wait for a cosignature: this machine does not keep up", after.Behind, p.fleet)
	}
	cosigned := after.Cosigned - before.Cosigned
	if cosigned == 0 {
		return "", errors.New("nothing was cosigned")
	}
	lags := slices.Clone(after.Lags[max(0, len(after.Lags)-cosigned):])
	slices.Sort(lags)
	quantile := func(q float64) string {
		return fmt.Sprintf("%.2f s", lags[min(len(lags)-1, int(q*float64(len(lags))))].Seconds())
	}
	days := took.Hours() / 24
	up := 24 * 60 * float64(after.Batch+after.Status)

	row = fmt.Sprintf("%s\t%.0f\t%s\t%s\t%s\t%.1f %%\t%.1f %%\t%.1f\t%.0f MB\t%.1f GB\t%.1f MB\t%.1f MB\t", broker, float64(cosigned)/took.Minutes(), quantile(0.5), quantile(0.99), quantile(1), 100*cpu.Seconds()/took.Seconds(), 100*played.Seconds()/took.Seconds(),
		cpu.Seconds()/float64(cosigned)/bare.Seconds(), memory/1e6, float64(disk)/days/1e9, up/1e6, 24*60*float64(after.Note)/1e6)
	progress("%s: steady: %s", broker, strings.ReplaceAll(row, "\t", "  ")) // said before the outage, which may take long

	// The outage.
	if err := centre.stop(); err != nil {
		return "", err
	}
	if err := sleep(ctx, p.minute); err != nil {
		return "", err
	}
	back := time.Now()
	again, err := startCentre("again")
	if err != nil {
		return "", err
	}
	cpu, played = used(parts)-used([]*process{centre}), used(players)
	parts[slices.Index(parts, centre)] = again
	missed, err := readFleet(report)
	if err != nil {
		return "", err
	}
	caughtUp := ""
	switch err := p.until(ctx, catchUp, report, "all is cosigned again", func(s fleetState) bool {
		// Each minute all write again, so some always wait; those of the outage are over when no more wait than did before it.
		return s.Cosigned > missed.Cosigned+p.fleet/2 && s.Behind <= max(after.Behind*2, p.fleet/50, 2)
	}); {
	case err == nil:
		caughtUp = fmt.Sprintf("%.0f s", time.Since(back).Seconds())
	case ctx.Err() != nil:
		return "", err
	default: // a figure as well
		caughtUp = err.Error()
	}
	progress("%s: after the outage: %.0f s of processor time of the centre, with broker, and %.0f s of the fleet, in %.0f s", broker, (used(parts) - cpu).Seconds(), (used(players) - played).Seconds(), time.Since(back).Seconds())
	return row + caughtUp + "\t", stop()
}

// progress says how far a long measurement is.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// How long a fleet may take to connect, and to catch up.
const (
	patience = 15 * time.Minute
	catchUp  = 6 * time.Minute
)

func (p *plan) until(ctx context.Context, patience time.Duration, report, what string, ok func(fleetState) bool) error {
	var last fleetState
	for end, said := time.Now().Add(patience), time.Now(); time.Now().Before(end); {
		s, err := readFleet(report)
		if err == nil && ok(s) {
			return nil
		}
		if err == nil {
			last = s
		}
		if time.Since(said) > 20*time.Second {
			said = time.Now()
			progress("until %s: %d of %d recorders have been cosigned, %d wait", what, last.Recorders, p.fleet, last.Behind)
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("not in %s: %s; %d recorders have been cosigned, %d wait", patience, what, last.Recorders, last.Behind)
}

// foundTown makes a centre with so many recorders in its ledger.
func foundTown(ctx context.Context, dir string, recorders int) error {
	now := time.Now()
	path := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	if err := errors.Join(enrol.Roots(path("roots"), fleetTown), enrol.Centre(path("centre"), fleetTown, []string{"localhost", "127.0.0.1"}, now), os.MkdirAll(path("data"), 0o700)); err != nil {
		return err
	}
	people := enrol.People{Officer: "p-fg", Handlers: []protocol.Seat{{Person: "p-1", Regime: protocol.AVG}}, Approvers: []protocol.Seat{{Person: "p-2", Regime: protocol.AVG}}, LevelCentre: true}
	if err := enrol.Recorder(path("first"), "rec-first", fleetTown, path("centre"), path("roots", "roots.txt"), []string{path("roots", "root-1.key"), path("roots", "root-2.key")}, people, []string{"localhost"}, now); err != nil {
		return err
	}
	roots, err := enrol.ReadRoots(path("roots", "roots.txt"))
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(path("first", "roster"))
	if err != nil {
		return err
	}
	roster, err := protocol.OpenRoster(raw, roots)
	if err != nil {
		return err
	}
	var signers [2]note.Signer
	for i := range signers {
		if signers[i], err = enrol.ReadSigner(path("roots", fmt.Sprintf("root-%d.key", i+1))); err != nil {
			return err
		}
	}
	store, err := ledger.OpenBolt(path("data", "ledger.db"), protocol.LedgerOrigin(fleetTown))
	if err != nil {
		return err
	}
	keys, err := ledger.OpenKeys(path("data", "dossiers"))
	if err != nil {
		return err
	}
	signer, err := enrol.ReadSigner(path("centre", "ledger.key"))
	if err != nil {
		return err
	}
	book, err := ledger.Open(ctx, store, keys, signer, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := book.Do(ctx, central.Open{Municipality: fleetTown, Administrator: "p-beheer", Secrecy: protocol.T(now.AddDate(0, 0, -1))}); err != nil {
		return errors.Join(err, book.Close())
	}
	for n := range recorders {
		id, _, vkey, err := fleetKey(n)
		if err != nil {
			return errors.Join(err, book.Close())
		}
		r := *roster
		r.ID, r.Recorder, r.RecorderKey = protocol.DocumentID("roster-"+string(id)+"-1"), id, vkey
		text, err := protocol.Compose(&r)
		for _, s := range signers {
			if err == nil {
				text, err = protocol.Countersign(text, s)
			}
		}
		if err == nil {
			_, err = book.Do(ctx, central.EnrolRecorder{By: "p-beheer", Recorder: id, Key: vkey, Origin: protocol.Origin(id, fleetTown), Roots: roots, Roster: text})
		}
		if err != nil {
			return errors.Join(fmt.Errorf("enrol %s: %w", id, err), book.Close())
		}
	}
	return book.Close()
}

// runCentre is the centre as the daemon runs it, but for a vault, which has no part in this.
func runCentre(ctx context.Context, args []string, out io.Writer) (err error) {
	dir, listen, url := args[0], args[1], args[2]
	if args[3] != "" {
		recorders, err := strconv.Atoi(args[4])
		if err != nil {
			return err
		}
		stop, failed := profile(args[3], recorders)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	secrets := filepath.Join(dir, "secrets.yaml")
	if err := os.WriteFile(secrets, []byte("access_key: bench\nsecret_key: bench-bench-bench\n"), 0o600); err != nil {
		return err
	}
	config := office.Config{Municipality: fleetTown, Name: "Gemeente Stad", Location: "NL", Data: filepath.Join(dir, "data"), Keys: filepath.Join(dir, "centre"),
		Pages:   office.PagesConfig{Listen: "127.0.0.1:0", URL: "http://localhost"},
		Contact: office.ContactConfig{Officer: "FG", Email: "fg@stad.example", Phone: "14 0492", Address: "Postbus 1"},
		Broker:  office.BrokerConfig{Listen: listen},
		Vault:   office.VaultConfig{Endpoint: "127.0.0.1:9", Bucket: "bench", Secrets: secrets}}
	if listen == "" {
		config.Broker.URL = url
	}
	o := &office.Office{Config: config, Store: vault.Child{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(logFile(dir), &slog.HandlerOptions{Level: slog.LevelInfo}))}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	return o.Run(ctx)
}

func logFile(dir string) io.Writer {
	f, err := os.OpenFile(filepath.Join(dir, "centre.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return os.Stderr
	}
	return f
}

// mosquitto starts one with the configuration that deploy ships, its paths and port filled in.
func mosquitto(ctx context.Context, dir, address string) (*process, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, "mosquitto")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{"centre/server.crt": "broker.crt", "centre/server.tls": "broker.key", "centre/ca.crt": "clients-ca.crt"} {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(from)))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, to), b, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	const shipped = "deploy/mosquitto"
	acl, err := os.ReadFile(filepath.Join(shipped, "acl"))
	if err != nil {
		return nil, fmt.Errorf("%w (run this from the top of the repository)", err)
	}
	conf, err := os.ReadFile(filepath.Join(shipped, "mosquitto.conf"))
	if err != nil {
		return nil, err
	}
	text := strings.NewReplacer("\nlistener 8883\n", "\nlistener "+port+" 127.0.0.1\n", "/etc/mosquitto/certs/", folder+"/", " /etc/mosquitto/acl\n", " "+folder+"/acl\n",
		"\nlog_type notice\n", "\n").Replace(string(conf))
	if err := errors.Join(os.WriteFile(filepath.Join(folder, "acl"), acl, 0o644), os.WriteFile(filepath.Join(folder, "mosquitto.conf"), []byte(text), 0o644)); err != nil {
		return nil, err
	}
	return start(exec.CommandContext(ctx, "/usr/sbin/mosquitto", "-c", filepath.Join(folder, "mosquitto.conf")))
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// answers waits until a broker listens.
func answers(ctx context.Context, address string, parts []*process) error {
	for !slices.ContainsFunc(parts, (*process).ended) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("centre or broker ended; what they said last is above, or in centre.log")
}

// own is the memory that processes have to themselves. The witness's file, which the kernel maps and may let go of, is not counted.
func own(of []*process) (total float64) {
	for _, p := range of {
		total += memoryOf(p, "Anonymous:")
	}
	return total
}

func fileSize(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}
