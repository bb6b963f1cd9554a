package mail

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// How a connection to the server is protected.
const (
	StartTLS = "starttls" // begins plain, and goes no further unless the server turns to TLS (port 587, or 25)
	TLS      = "tls"      // from the first byte (port 465)
	Plain    = "none"     // only to this machine
)

// Server is the mail server and how to use it.
type Server struct {
	Address        string // host:port
	TLS            string // StartTLS, TLS or Plain
	CAs            *x509.CertPool
	From           string // the address that mails come from
	User, Password string // both empty: no log-in
}

// Valid says what is wrong with it.
func (s Server) Valid() error {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil || host == "" {
		return fmt.Errorf("server: %q: want host:port", s.Address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("server: %q: the port is a number", s.Address)
	}
	switch s.TLS {
	case StartTLS, TLS:
	case Plain:
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return fmt.Errorf("tls: none: only a mail server on this machine may do without TLS, and %s is another", host)
		}
	default:
		return fmt.Errorf("tls: %q: want %s, %s or, for a server on this machine, %s", s.TLS, StartTLS, TLS, Plain)
	}
	if a, err := netmail.ParseAddress(s.From); err != nil || a.Address != s.From {
		return fmt.Errorf("from: %q: want an address, name@host", s.From)
	}
	if (s.User == "") != (s.Password == "") {
		return errors.New("user and password: give both or neither")
	}
	return nil
}

// Book is the ledger, as far as mail needs it.
type Book interface {
	Do(context.Context, central.Command) ([]central.Event, error)
	View(func(*central.State))
}

// Config makes a Mailer.
type Config struct {
	Server  Server
	Morning time.Duration // after midnight, local time: when overviews go out on working days
	Site    string        // the municipality, as on the pages
	URL     string        // of the desk
	Path    func(central.Task) string
	Book    Book
	Address func(protocol.PersonID) string // of a person; empty: none is known. Central/identity's
	Now     func() time.Time
	Log     *slog.Logger
}

// every is how often is looked what is due.
const every = 20 * time.Second

// idle is how the ledger stood when nothing was due: until it grows, only time can make something due, and that is looked for once a minute.
type idle struct {
	size uint64
	at   time.Time
}

// Between two tries.
const (
	firstAgain = time.Minute
	lastAgain  = time.Hour
)

// Mailer sends mail. Run it once; Status may be asked by anyone.
type Mailer struct {
	Config
	centre  string        // this process, in the ledger
	timeout time.Duration // of one connection, from dialling to its last word on one mail

	mu     sync.Mutex
	status Status
	server pause                       // of the server as a whole
	idle   idle                        // nothing was due then
	people map[protocol.PersonID]pause // of one address
}

// Status of the mail.
type Status struct {
	Sent    int // since the start
	Last    time.Time
	Failing time.Time // since when the server cannot be used; zero: it can, or was not needed
	Why     string    // for an administrator
	PutOff  int       // addresses that the server puts off or refuses
}

// pause after failures, each twice as long.
type pause struct {
	again time.Time
	step  time.Duration
}

func (p pause) over(now time.Time) bool { return !now.Before(p.again) }

func (p pause) longer(now time.Time) pause {
	step := min(max(2*p.step, firstAgain), lastAgain)
	return pause{now.Add(step), step}
}

// New makes a mailer. It does not ask the server anything yet.
func New(c Config) (*Mailer, error) {
	if err := c.Server.Valid(); err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	if c.Morning < 0 || c.Morning >= 24*time.Hour {
		return nil, fmt.Errorf("mail: overview: %v: want a time of the day", c.Morning)
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	return &Mailer{Config: c, centre: hex.EncodeToString(id[:]), timeout: 30 * time.Second, people: map[protocol.PersonID]pause{}}, nil
}

// Status says how the mail stands.
func (m *Mailer) Status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.status
	s.PutOff = len(m.people)
	return s
}

// Run sends what is due until ctx ends.
func (m *Mailer) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		m.Round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// morning is the last moment at which overviews went out.
func (m *Mailer) morning(now time.Time) time.Time {
	now = now.In(page.Amsterdam)
	for day := now; ; day = day.AddDate(0, 0, -1) {
		at := time.Date(day.Year(), day.Month(), day.Day(), int(m.Morning.Hours()), int(m.Morning.Minutes())%60, 0, 0, page.Amsterdam)
		if !at.After(now) && central.WorkingDay(at) {
			return at
		}
	}
}

// Round sends what is due now.
func (m *Mailer) Round(ctx context.Context) {
	now := m.Now()
	var size uint64
	m.Book.View(func(s *central.State) { size = s.Size })
	m.mu.Lock()
	wait := !m.server.over(now) || m.idle.size == size && now.Sub(m.idle.at) < time.Minute
	m.mu.Unlock()
	if wait {
		return
	}
	due := m.due(now)
	if len(due) == 0 {
		m.mu.Lock()
		m.idle = idle{size, now}
		m.mu.Unlock()
		return
	}
	if _, err := m.Book.Do(ctx, central.TakeMail{Centre: m.centre}); err != nil {
		if _, other := central.RefusalOf(err); !other && ctx.Err() == nil {
			m.Log.Error("mail waits: the ledger cannot be written", "error", err)
		}
		return
	}
	c, hang, err := m.dial(ctx)
	if err != nil {
		m.failed(ctx, err)
		return
	}
	defer hang()
	for _, person := range due {
		if ctx.Err() != nil {
			return
		}
		if err := m.tell(ctx, c, person); err != nil {
			m.failed(ctx, err)
			return
		}
	}
}

// due are those who have an address and are due a mail.
func (m *Mailer) due(now time.Time) (due []protocol.PersonID) {
	var people []protocol.PersonID
	m.Book.View(func(s *central.State) {
		for _, p := range s.People() {
			if len(p.Posts) > 0 {
				people = append(people, p.Person)
			}
		}
	})
	morning := m.morning(now)
	for _, p := range people {
		m.mu.Lock()
		wait := !m.people[p].over(now)
		m.mu.Unlock()
		if wait || m.Address(p) == "" {
			continue
		}
		m.Book.View(func(s *central.State) { // not held for everyone at once: others wait to write
			if _, ok := s.DueMail(p, morning, now); ok {
				due = append(due, p)
			}
		})
	}
	return due
}

// dial connects and logs in. hang ends the connection; so does the end of ctx.
func (m *Mailer) dial(ctx context.Context) (c *gomail.Client, hang func(), err error) {
	s := m.Server
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, nil, err
	}
	options := []gomail.Option{gomail.WithPort(n), gomail.WithTimeout(m.timeout), gomail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: s.CAs, MinVersion: tls.VersionTLS12})}
	cut := func() {}
	switch s.TLS {
	case TLS:
		options = append(options, gomail.WithSSL())
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case Plain:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.TLS != TLS {
		options = append(options, gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				cut = func() { conn.Close() } // what is under way then fails, and says so
			}
			return conn, err
		}))
	}
	if s.User != "" {
		options = append(options, gomail.WithUsername(s.User), gomail.WithPassword(s.Password), gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	if c, err = gomail.NewClient(host, options...); err == nil {
		err = c.DialWithContext(ctx)
	}
	if err != nil {
		cut()
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, cut)
	return c, func() {
		stop()
		if err := c.Close(); err != nil {
			m.Log.Debug("the mail server did not part well", "error", err)
		}
	}, nil
}

// tell sends one person what they are due by now. An error is of the server as a whole; what is of this address alone is dealt with.
func (m *Mailer) tell(ctx context.Context, c *gomail.Client, person protocol.PersonID) error {
	if _, err := m.Book.Do(ctx, central.TakeMail{Centre: m.centre}); err != nil { // still ours?
		if _, other := central.RefusalOf(err); other {
			return nil
		}
		return err
	}
	now := m.Now()
	var mail central.Mail
	var due bool
	var text letter
	m.Book.View(func(s *central.State) {
		if mail, due = s.DueMail(person, m.morning(now), now); due {
			text = write(mail, m.Site, m.URL, m.Path, now)
			mail.Tasks = append([]central.Task(nil), mail.Tasks...)
		}
	})
	address := m.Address(person)
	if !due || address == "" {
		return nil
	}
	msg, err := m.message(mail, text, address, now)
	if err == nil {
		err = c.Send(msg)
	}
	if msg == nil || !msg.IsDelivered() { // and not err: what goes wrong after the server took it is no reason to send it again
		var refused *gomail.SendError
		code := 0 // the address itself is none
		if errors.As(err, &refused) {
			code = refused.ErrorCode()
		}
		if msg != nil && code < 400 {
			return errors.New(strings.ReplaceAll(err.Error(), address, "(an address)")) // this is logged
		}
		m.putOff(person, code, now)
		return c.Reset()
	}
	m.mu.Lock()
	m.status.Sent++
	m.status.Last, m.status.Failing, m.status.Why = now, time.Time{}, ""
	m.server = pause{}
	delete(m.people, person)
	m.mu.Unlock()
	if _, err := m.Book.Do(context.WithoutCancel(ctx), central.RecordMail{Mail: mail}); err != nil {
		return fmt.Errorf("mail was sent and the ledger cannot say so; it may go once more: %w", err)
	}
	return nil
}

// putOff leaves one person's mail for later: the server says not now (4xx) or not at all (5xx), which an administrator may mend.
func (m *Mailer) putOff(person protocol.PersonID, code int, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.people[person].longer(now)
	if code >= 500 || code == 0 {
		p = pause{now.Add(lastAgain), lastAgain}
	}
	m.people[person] = p
	m.Log.Warn("the mail server does not take a person's mail; trying again", "person", person, "code", code, "again", p.again.UTC().Format(time.RFC3339))
}

// message is the mail for the server. Its id follows from who is told what, so that one sent twice can be known as one.
func (m *Mailer) message(mail central.Mail, text letter, address string, now time.Time) (*gomail.Msg, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := errors.Join(msg.From(m.Server.From), msg.To(address)); err != nil {
		return nil, errors.New("the address is not one")
	}
	h := sha256.New()
	fmt.Fprintln(h, mail.Person, mail.Digest)
	for _, t := range mail.Tasks {
		fmt.Fprintln(h, t.Once())
	}
	_, host, _ := strings.Cut(m.Server.From, "@")
	msg.SetMessageIDWithValue(hex.EncodeToString(h.Sum(nil)[:16]) + "@" + host)
	msg.SetDateWithValue(now)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's holiday reply
	msg.SetGenHeader("Content-Language", "nl, en")
	msg.Subject(text.subject)
	msg.SetBodyString(gomail.TypeTextPlain, text.text)
	return msg, nil
}

// failed is of the server as a whole.
func (m *Mailer) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	now := m.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.status.Failing.IsZero() {
		m.status.Failing = now
	}
	m.status.Why = err.Error()
	m.server = m.server.longer(now)
	m.Log.Error("mail cannot be sent; nothing is lost, trying again", "server", m.Server.Address, "again", m.server.again.UTC().Format(time.RFC3339), "error", err)
}
