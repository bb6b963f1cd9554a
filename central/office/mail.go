package office

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/beeldwacht/beeldwacht/central/desk"
	"github.com/beeldwacht/beeldwacht/central/mail"
)

// openMail makes the mailer where one is configured; nil: people are not mailed.
func (o *Office) openMail() (*mail.Mailer, error) {
	c := o.Config.Mail
	if c == (MailConfig{}) {
		return nil, nil
	}
	secrets, err := LoadVaultSecrets(o.Config.Vault.Secrets)
	if err != nil {
		return nil, err
	}
	server := mail.Server{Address: c.Server, TLS: c.TLS, From: c.From, User: c.User}
	if c.User != "" {
		if server.Password = secrets.MailPassword; server.Password == "" {
			return nil, fmt.Errorf("%s: mail_password: missing, and mail.user is %q", o.Config.Vault.Secrets, c.User)
		}
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("mail.ca: %w", err)
		}
		server.CAs = x509.NewCertPool()
		if !server.CAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mail.ca: %s: no certificate in it", c.CA)
		}
	}
	at, err := time.Parse("15:04", c.Overview)
	if err != nil {
		return nil, fmt.Errorf("mail.overview: %w", err)
	}
	return mail.New(mail.Config{Server: server, Morning: time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute,
		Site: o.Config.Name, URL: o.Config.Pages.URL, Path: desk.PathOf, Book: o.book, Address: o.identity.Email, Now: o.Now, Log: o.Log})
}
