package postgres

import (
	"strings"
	"testing"
)

// What passes over a network to the database is encrypted, to a server that is known; and its password stands in no configuration.
func TestDSN(t *testing.T) {
	for dsn, complaint := range map[string]string{
		"postgres://beeldwacht@db.example/ledger":                                 "verify-full",
		"postgres://beeldwacht@db.example/ledger?sslmode=require":                 "verify-full",
		"host=db.example user=beeldwacht dbname=ledger sslmode=prefer":            "verify-full",
		"postgres://beeldwacht:geheim@db.example/ledger?sslmode=verify-full":      "postgres_password",
		"host=db.example user=beeldwacht password = geheim sslmode=verify-full":   "postgres_password",
		"postgres://db.example/ledger?user=x&password=geheim&sslmode=verify-full": "postgres_password",
		"postgres://beeldwacht@db.example/ledger?sslmode=verify-full":             "",
		"host=/run/postgresql user=beeldwacht dbname=ledger":                      "",
		"postgres://beeldwacht@localhost/ledger":                                  "",
		"postgres://beeldwacht@localhost/ledger?sslmode=soms":                     "sslmode",
	} {
		err := CheckDSN(dsn)
		if complaint == "" && err != nil || complaint != "" && (err == nil || !strings.Contains(err.Error(), complaint) || strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%s: %v, want %q", dsn, err, complaint)
		}
	}
}
