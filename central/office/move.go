package office

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/ledger"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Move moves ledger and accounts between the files in Config.Data and the database in Config.Ledger.Postgres: to "postgres" or to "file". See ledger.Move: both are verified,
// and never can both be written. The centres are stopped first; one that runs on files keeps them locked, and one that runs on the database decides nothing any more.
func (o *Office) Move(ctx context.Context, to string) (entries uint64, err error) {
	if o.Config.Ledger.Postgres == "" {
		return 0, errors.New("move: ledger.postgres says which database, and the configuration has none")
	}
	if to != "postgres" && to != "file" {
		return 0, fmt.Errorf("move to %q: say postgres or file", to)
	}
	origin := protocol.LedgerOrigin(o.Config.Municipality)
	var stores [2]ledger.Store
	var shelves [2]identity.Shelf
	defer func() {
		for i := range 2 {
			if stores[i] != nil {
				err = errors.Join(err, stores[i].Close())
			}
			if shelves[i] != nil {
				err = errors.Join(err, shelves[i].Close())
			}
		}
	}()
	file, err := ledger.OpenBolt(filepath.Join(o.Config.Data, "ledger.db"), origin)
	if err != nil {
		return 0, err
	}
	stores[0] = file
	pool, err := o.connect(ctx)
	if err != nil {
		return 0, err
	}
	database, err := ledger.OpenPostgres(ctx, pool, origin, o.Log)
	if err != nil {
		return 0, err
	}
	stores[1] = database
	if shelves[0], err = identity.File(filepath.Join(o.Config.Data, "accounts.db")); err != nil {
		return 0, err
	}
	if pool, err = o.connect(ctx); err != nil { // of its own: a store closes its own
		return 0, err
	}
	defer pool.Close()
	if shelves[1], err = identity.Database(ctx, pool); err != nil {
		return 0, err
	}
	from, onto := 0, 1
	if to == "file" {
		from, onto = 1, 0
	}
	return ledger.Move(ctx, stores[from], stores[onto], func() error { return identity.Copy(shelves[from], shelves[onto]) })
}
