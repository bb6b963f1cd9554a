package office

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// TestPeopleAreMailed: a running centre, with the mail server of its configuration and the password of its secrets file, tells the officer of a hold that no recorder confirms.
func TestPeopleAreMailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cert, err := tls.LoadX509KeyPair(filepath.Join(w.config.Keys, "server.crt"), filepath.Join(w.config.Keys, "server.tls"))
	w.check(err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	w.check(err)
	t.Cleanup(func() { listener.Close() })
	mails := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				fmt.Fprint(conn, "220 here\r\n")
				said, to := "", ""
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
					case "EHLO":
						fmt.Fprint(conn, "250-here\r\n250 AUTH PLAIN\r\n")
					case "AUTH":
						secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
						said = string(secret)
						fmt.Fprint(conn, "235 welcome\r\n")
					case "RCPT":
						to = rest
						fmt.Fprint(conn, "250 ok\r\n")
					case "DATA":
						fmt.Fprint(conn, "354 go on\r\n")
						text := ""
						for line != ".\r\n" {
							if line, err = r.ReadString('\n'); err != nil {
								return
							}
							text += line
						}
						mails <- said + " " + to + "\n" + text
						fmt.Fprint(conn, "250 taken\r\n")
					default:
						fmt.Fprint(conn, "250 ok\r\n")
					}
				}
			}()
		}
	}()
	w.config.Mail = MailConfig{Server: listener.Addr().String(), Location: "NL", TLS: "tls", CA: filepath.Join(w.config.Keys, "ca.crt"), From: "centrale@stad.example", User: "centrale", Overview: "07:30"}
	w.check(w.config.check())
	w.check(os.WriteFile(w.config.Vault.Secrets, []byte("access_key: vault\nsecret_key: only-for-this-test-0123456789\nmail_password: zeer geheim\n"), 0o600))
	w.start()
	w.fill()
	w.check(w.office.identity.Add(identity.Account{Person: protocoltest.Officer, Login: "fg", Name: "Vera Grijs", Email: "fg@stad.example"}, "vier losse woorden hier"))
	asked := w.ask(requester)
	w.later(6 * time.Minute)
	w.restart() // it looks at once
	select {
	case mail := <-mails:
		for _, want := range []string{"\x00centrale\x00zeer geheim", "fg@stad.example", "Dringend: 1 bericht", "aanvraag " + string(asked.ID) + ": bekijken", "/bureau"} {
			if !strings.Contains(mail, want) {
				t.Errorf("the mail does not say %q:\n%s", want, mail)
			}
		}
	case <-time.After(60 * time.Second):
		t.Fatalf("no mail\n%s", w.log)
	}
	w.until("the ledger says so", func() bool {
		entries, err := w.office.book.Entries(t.Context(), 0, 1000)
		w.check(err)
		for _, e := range entries {
			if strings.Contains(string(e.Header), `"mail.sent"`) {
				return true
			}
		}
		return false
	})
}
