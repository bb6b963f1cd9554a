package office

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/postgres/postgrestest"
)

// balancer is the plainest there is: it gives each connection to the next centre, and to the one after that when that does not answer.
type balancer struct {
	listener net.Listener
	behind   []string
	next     atomic.Uint64
}

func balance(t *testing.T, behind []string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, behind: behind}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go b.carry(from)
		}
	}()
	return b
}

func (b *balancer) carry(from net.Conn) {
	defer from.Close()
	for range b.behind {
		to, err := net.Dial("tcp", b.behind[b.next.Add(1)%uint64(len(b.behind))])
		if err != nil {
			continue
		}
		defer to.Close()
		go func() {
			io.Copy(to, from)
			to.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(from, to)
		return
	}
}

// centreEnv names the configuration of a centre that runs as a process of its own.
const centreEnv = "BEELDWACHT_TEST_CENTRE"

// Three centres on one database behind a balancer, each a process, with people reporting through all of them on one log-in. One is killed under load, and then another is
// started in its place: what somebody was told is recorded is there once, nothing is there twice, and the others go on.
func TestSeveralCentresOneKilled(t *testing.T) {
	if text := os.Getenv(centreEnv); text != "" {
		var config Config
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		o := &Office{Config: config, Now: time.Now, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
		if err := o.Run(ctx); err != nil {
			t.Fatal(err)
		}
		return
	}
	w := newWorld(t)
	server := postgrestest.Start(t)
	dir := t.TempDir()
	w.config.Ledger = LedgerConfig{Keys: filepath.Join(dir, "dossiers"), Postgres: server.Database()}
	w.config.Broker = BrokerConfig{} // none has the recorders here
	w.config.Vault.Listen, w.config.Vault.Endpoint = "", free(t)
	first := w.newOffice()
	w.check(first.Open(t.Context()))
	setup := Setup{Administrator: SetupPerson{Person: admin, Login: "admin", Name: "Admin", Password: "een lang wachtwoord", Posts: []string{"administrator"}, Secrecy: day(-10)},
		People: []SetupPerson{{Person: "p-portier", Login: "portier", Name: "Portier", Password: "een lang wachtwoord", Posts: []string{"staff"}, Secrecy: day(-10)}}}
	w.check(first.Apply(t.Context(), setup))
	w.check(first.Close())

	var behind []string
	start := func(n int, address string) *exec.Cmd {
		config := w.config
		config.Data, config.Pages.Listen = filepath.Join(dir, fmt.Sprint("centre", n)), address
		text, err := json.Marshal(config)
		w.check(err)
		cmd := exec.Command(os.Args[0], "-test.run=^TestSeveralCentresOneKilled$")
		cmd.Env = append(os.Environ(), centreEnv+"="+string(text))
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("centre%d.log", n)))
		w.check(err)
		cmd.Stdout, cmd.Stderr = log, log
		w.check(cmd.Start())
		w.check(log.Close())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
			if t.Failed() {
				text, _ := os.ReadFile(log.Name())
				t.Logf("%s: %s", log.Name(), text)
			}
		})
		for give := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if c, err := net.Dial("tcp", address); err == nil {
				c.Close()
				return cmd
			}
			if time.Now().After(give) {
				t.Fatalf("centre %d does not listen", n)
			}
		}
	}
	var centres []*exec.Cmd
	for n := range 3 {
		behind = append(behind, free(t))
		centres = append(centres, start(n, behind[n]))
	}
	front := "http://" + balance(t, behind).listener.Addr().String()

	// One log-in, at whichever centre; each request after it goes to another.
	jar, err := cookiejar.New(nil)
	w.check(err)
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, form url.Values) (int, string, error) {
		r, err := http.NewRequest("POST", front+path, strings.NewReader(form.Encode()))
		if err != nil {
			return 0, "", err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		answer, err := client.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body), err
	}
	if status, body, err := post("/bureau/inloggen", url.Values{"login": {"portier"}, "wachtwoord": {"een lang wachtwoord"}}); status != 303 || err != nil {
		t.Fatalf("log-in: %d %v %.600s", status, err, body)
	}
	form, err := client.Get(front + "/bureau/incidenten/melden")
	w.check(err)
	page, err := io.ReadAll(form.Body)
	w.check(err)
	form.Body.Close()
	csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(page)
	if csrf == nil {
		t.Fatalf("no form: %d %.600s", form.StatusCode, page)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	told, unsure := map[string]bool{}, map[string]bool{}
	progress := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				what := fmt.Sprintf("melding %d van %d", n, worker)
				status, body, err := post("/bureau/incidenten/melden", url.Values{"csrf": {string(csrf[1])}, "formulier": {"melden"}, "wat": {what}})
				mu.Lock()
				if err == nil && status == 303 {
					told[what] = true
				} else {
					unsure[what] = true
				}
				mu.Unlock()
				switch {
				case err == nil && status == 303:
					select {
					case progress <- struct{}{}:
					default:
					}
				case err == nil && status < 500:
					t.Errorf("%s: %d %.300s", what, status, body)
					return
				}
			}
		})
	}
	wait := func(n int) {
		t.Helper()
		for range n {
			select {
			case <-progress:
			case <-time.After(60 * time.Second):
				t.Fatal("nobody can report any more")
			}
		}
	}
	wait(25)
	w.check(centres[1].Process.Signal(syscall.SIGKILL))
	wait(25)
	start(3, behind[1])
	wait(25)
	w.check(centres[0].Process.Signal(syscall.SIGKILL))
	wait(25)
	stop()
	wg.Wait()

	last := w.newOffice()
	w.check(last.Open(t.Context())) // reads and verifies every entry
	times := map[string]int{}
	last.View(func(s *central.State) {
		for _, i := range s.Incidents(time.Now()) {
			times[i.Facts.Nature]++
		}
	})
	w.check(last.Close())
	for what := range told {
		if times[what] != 1 {
			t.Errorf("%q was said to be recorded, and is there %d times", what, times[what])
		}
	}
	for what := range unsure {
		if times[what] > 1 {
			t.Errorf("%q is there %d times", what, times[what])
		}
	}
	if len(times) > len(told)+len(unsure) {
		t.Errorf("%d incidents, of %d that anyone reported", len(times), len(told)+len(unsure))
	}
	t.Logf("%d told that it was recorded, %d cut off by a centre that was killed", len(told), len(unsure))
}
