// Package postgres connects to the centre's database, in the one way that all who keep something there use: the ledger, and the accounts of a centre that is several machines.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var passwordIn = regexp.MustCompile(`(?i)(^|[\s?&])password\s*=`)

// CheckDSN says what is wrong with a DSN as it stands in a configuration: a password belongs in the file of secrets, and over a network the connection has TLS, to a
// server that is known.
func CheckDSN(dsn string) error {
	if u, err := url.Parse(dsn); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return errors.New("the password is in it; put it in the file of secrets, as postgres_password")
		}
	}
	if passwordIn.MatchString(dsn) {
		return errors.New("the password is in it; put it in the file of secrets, as postgres_password")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	return encrypted(config.ConnConfig)
}

// Connect makes a pool of connections. It does not wait for the database. dsn is as libpq takes it (a URL or key=value); the password, if any, goes beside it.
func Connect(ctx context.Context, dsn, password string) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	c := config.ConnConfig
	if err := encrypted(c); err != nil {
		return nil, fmt.Errorf("%s: %w", Name(config), err)
	}
	c.Password = cmp.Or(password, c.Password)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 5*time.Second)
	c.RuntimeParams["application_name"] = "beeldwacht"
	c.RuntimeParams["idle_in_transaction_session_timeout"] = "10s" // a centre that stopped in the midst of something stops the others no longer
	return pgxpool.NewWithConfig(ctx, config)
}

// Name says where a database is, without secrets.
func Name(config *pgxpool.Config) string {
	return fmt.Sprintf("postgres %s/%s", config.ConnConfig.Host, config.ConnConfig.Database)
}

// encrypted refuses a connection that others on its way can read.
func encrypted(c *pgx.ConnConfig) error {
	if network, _ := pgconn.NetworkAddress(c.Host, c.Port); network == "unix" || c.Host == "localhost" || net.ParseIP(c.Host).IsLoopback() {
		return nil
	}
	if c.TLSConfig == nil || c.TLSConfig.InsecureSkipVerify && c.TLSConfig.VerifyPeerCertificate == nil || len(c.Fallbacks) > 0 {
		return errors.New("the database is on another machine: say sslmode=verify-full, with sslrootcert where its certificate is your own authority's")
	}
	return nil
}
