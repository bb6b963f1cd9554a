package release

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// prepared is a finished, encrypted bag in the work directory, as its json file states it.
type prepared struct {
	V        int              `json:"v"`
	Grant    protocol.GrantID `json:"grant"`
	Intent   uint64           `json:"intent"`
	Object   string           `json:"object"` // its name in the vault
	Size     int64            `json:"size"`   // of the encrypted bag, bytes
	SHA256   protocol.Hash    `json:"sha256"` // of the encrypted bag
	Bag      protocol.Hash    `json:"bag"`    // of the zip inside
	Manifest protocol.Hash    `json:"manifest"`
	Segments int              `json:"segments"`
	Gaps     int              `json:"gaps"`
}

const preparedVersion = 1

func (r *Releaser) bagFile(id protocol.GrantID) string {
	return filepath.Join(r.Dir, string(id)+".age")
}
func (r *Releaser) factsFile(id protocol.GrantID) string {
	return filepath.Join(r.Dir, string(id)+".json")
}

// ObjectName is where the vault keeps the bag of a release grant.
func ObjectName(recorder protocol.RecorderID, grant protocol.GrantID) string {
	return "release/" + string(recorder) + "/" + string(grant) + ".age"
}

// prepared finds a bag that was finished before, perhaps by an earlier run; nil if there is none, or if it is not what its facts say.
func (r *Releaser) prepared(id protocol.GrantID) (*prepared, error) {
	line, err := os.ReadFile(r.factsFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	var p prepared
	if err := json.Unmarshal(line, &p, json.RejectUnknownMembers(true)); err != nil || p.V != preparedVersion || p.Grant != id {
		r.Log.Warn("a bag in the work directory cannot be used; it is made anew", "file", r.factsFile(id), "error", err)
		return nil, r.remove(id)
	}
	f, err := os.Open(r.bagFile(id))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("work directory: %w", err), r.remove(id)) // made anew next time
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return nil, fmt.Errorf("work directory: %w", err)
	}
	if n != p.Size || !bytes.Equal(sum.Sum(nil), p.SHA256[:]) {
		r.Log.Warn("a bag in the work directory is not what was written; it is made anew", "file", r.bagFile(id))
		return nil, r.remove(id)
	}
	return &p, nil
}

// keep makes a finished bag outlive a crash: the bag is synced, then its facts appear.
func (r *Releaser) keep(p prepared) error {
	line, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	name := r.factsFile(p.Grant)
	f, err := os.OpenFile(name+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err == nil {
		err = syncDir(r.Dir)
	}
	if err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	return nil
}

// remove takes away what there is of a grant, the facts first: without them the bag is nothing.
func (r *Releaser) remove(id protocol.GrantID) error {
	for _, name := range []string{r.factsFile(id), r.bagFile(id)} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("work directory: %w", err)
		}
	}
	return nil
}

// Clean removes what earlier runs left in the work directory, but for finished bags of grants that still have to be uploaded. Call it at the
// start; Release does if nobody did.
func (r *Releaser) Clean() error {
	r.cleaning.Lock()
	defer r.cleaning.Unlock()
	if r.cleaned {
		return nil
	}
	if err := os.MkdirAll(r.Dir, 0o700); err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	keep := map[string]bool{}
	for _, g := range r.Orders.Unfinished() {
		id := g.Doc().ID
		if _, err := os.Stat(r.factsFile(protocol.GrantID(id))); err == nil {
			keep[string(id)+".json"], keep[string(id)+".age"] = true, true
		}
	}
	files, err := os.ReadDir(r.Dir)
	if err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	for _, f := range files {
		ours := strings.HasSuffix(f.Name(), ".age") || strings.HasSuffix(f.Name(), ".json") || strings.HasSuffix(f.Name(), ".tmp")
		if !ours || keep[f.Name()] || f.IsDir() {
			continue
		}
		if err := os.Remove(filepath.Join(r.Dir, f.Name())); err != nil {
			return fmt.Errorf("work directory: %w", err)
		}
	}
	r.cleaned = true
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
