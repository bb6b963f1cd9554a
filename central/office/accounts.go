package office

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// LoginConfig is how people come in.
type LoginConfig struct {
	Passwords *bool           `yaml:"passwords"` // left out: yes
	OIDC      *OIDCConfig     `yaml:"oidc"`
	Passkeys  *PasskeysConfig `yaml:"passkeys"`
}

// OIDCConfig is identity.ProviderConfig as a file says it.
type OIDCConfig struct {
	Issuer     string   `yaml:"issuer"`
	ClientID   string   `yaml:"client_id"`
	Key        string   `yaml:"key"`    // file
	Secret     string   `yaml:"secret"` // file
	Scopes     []string `yaml:"scopes"`
	LoginClaim string   `yaml:"login_claim"`
	NameClaim  string   `yaml:"name_claim"`
	RoleClaim  string   `yaml:"role_claim"`
	Role       string   `yaml:"role"`
}

// PasskeysConfig says whose roles need one.
type PasskeysConfig struct {
	Required []central.Role  `yaml:"required"`
	Grace    protocol.Window `yaml:"grace"`
}

// These roles decide on footage, appoint who does, or watch over it. In a demonstration nobody needs a device.
var passkeysByDefault = PasskeysConfig{Required: []central.Role{central.Approver, central.Handler, central.Officer, central.Administrator}, Grace: protocol.Window(14 * 24 * time.Hour)}

func (c *Config) passkeys() PasskeysConfig {
	switch {
	case c.Login.Passkeys != nil:
		return *c.Login.Passkeys
	case c.Demonstration:
		return PasskeysConfig{}
	}
	return passkeysByDefault
}

func (c *LoginConfig) check(complain func(format string, args ...any)) {
	if c.Passwords != nil && !*c.Passwords && c.OIDC == nil {
		complain("login.passwords: false without login.oidc lets nobody in")
	}
	if o := c.OIDC; o != nil {
		for field, value := range map[string]string{"issuer": o.Issuer, "client_id": o.ClientID, "login_claim": o.LoginClaim} {
			if value == "" {
				complain("login.oidc.%s: missing", field)
			}
		}
		if (o.Key == "") == (o.Secret == "") {
			complain("login.oidc: give either key (private_key_jwt) or secret, not both")
		}
		if (o.RoleClaim == "") != (o.Role == "") {
			complain("login.oidc: role and role_claim go together")
		}
	}
	if c.Passkeys != nil {
		for _, role := range c.Passkeys.Required {
			if !slices.Contains(central.Roles, role) {
				complain("login.passkeys.required: %q is not a role", role)
			}
		}
	}
}

// provider reads the key or secret that the configuration names.
func (c *OIDCConfig) provider() (*identity.ProviderConfig, error) {
	p := &identity.ProviderConfig{Issuer: c.Issuer, ClientID: c.ClientID, Scopes: c.Scopes, LoginClaim: c.LoginClaim, NameClaim: c.NameClaim, RoleClaim: c.RoleClaim, Role: c.Role}
	file := c.Key + c.Secret // one of the two
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("login.oidc: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %o: others can read how this centre shows who it is; use chmod 600", file, info.Mode().Perm())
	}
	if c.Key != "" {
		p.Key, err = identity.LoadKey(file)
		return p, err
	}
	b, err := os.ReadFile(file)
	if p.Secret = strings.TrimSpace(string(b)); err == nil && p.Secret == "" {
		err = fmt.Errorf("%s: no secret in it", file)
	}
	return p, err
}

// openAccounts opens the accounts, when the ledger is open: it knows whose role needs a passkey.
func (o *Office) openAccounts(ctx context.Context) (*identity.Store, error) {
	c := identity.Config{Now: o.Now, Log: o.Log, URL: o.Config.Pages.URL, Name: o.Config.Name, NoPasswords: o.Config.Login.Passwords != nil && !*o.Config.Login.Passwords}
	passkeys := o.Config.passkeys()
	c.Grace = passkeys.Grace.Duration()
	c.Needs = func(p protocol.PersonID) (needs bool) {
		o.book.View(func(s *central.State) {
			needs = slices.ContainsFunc(passkeys.Required, func(role central.Role) bool { return s.Holds(p, role, "", o.Now()) })
		})
		return needs
	}
	if o.Config.Login.OIDC != nil {
		var err error
		if c.Provider, err = o.Config.Login.OIDC.provider(); err != nil {
			return nil, err
		}
	}
	if o.Config.Ledger.Postgres == "" {
		shelf, err := identity.File(filepath.Join(o.Config.Data, "accounts.db"))
		if err != nil {
			return nil, err
		}
		return identity.Open(shelf, c)
	}
	pool, err := o.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	o.accountsPool = pool
	shelf, err := identity.Database(ctx, pool)
	if err != nil {
		return nil, err
	}
	return identity.Open(shelf, c)
}

// addAccount gives a person of the setup their way in: a password, or the provider under their login.
func (o *Office) addAccount(p SetupPerson) error {
	if _, there := o.identity.Find(p.Person); there || p.Login == "" {
		return nil
	}
	a := identity.Account{Person: p.Person, Login: p.Login, Name: p.Name, Email: p.Email}
	var err error
	if p.Password == "" {
		err = o.identity.InviteByProvider(a)
		if errors.Is(err, identity.ErrNoProvider) {
			err = errors.New("password: missing, and login.oidc is not configured")
		}
	} else {
		err = o.identity.Add(a, p.Password)
	}
	if err != nil {
		return fmt.Errorf("setup: account %s: %w", p.Login, err)
	}
	return nil
}
