package vault

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Source is where bags are read from.
type Source interface {
	Stat(ctx context.Context, object string) (Object, error)
	Open(ctx context.Context, object string) (io.ReadCloser, error)
}

// Unpack decrypts a bag into a file of dir that has no name any more, and checks it whole against what the recorder's own release.done entry says: the hash as stored
// and the hash of the zip inside. The caller closes the file. Keep dir on tmpfs where that can be.
func Unpack(ctx context.Context, from Source, dir, object string, stored, bag protocol.Hash) (*os.File, int64, error) {
	o, err := from.Stat(ctx, object)
	if err != nil {
		return nil, 0, fmt.Errorf("bag %s: %w", object, err)
	}
	if o.SHA256 != stored {
		return nil, 0, fmt.Errorf("bag %s: the store's object has hash %s, the recorder's entry says %s", object, o.SHA256, stored)
	}
	in, err := from.Open(ctx, object)
	if err != nil {
		return nil, 0, fmt.Errorf("bag %s: %w", object, err)
	}
	f, err := os.CreateTemp(dir, "bag-")
	if err != nil {
		return nil, 0, errors.Join(err, in.Close())
	}
	sum := sha256.New()
	size, err := copyOut(f, sum, in)
	if err == nil && protocol.Hash(sum.Sum(nil)) != bag {
		err = fmt.Errorf("the opened bag has hash %x, the recorder's entry says %s", sum.Sum(nil), bag)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("bag %s: %w", object, err), f.Close())
	}
	return f, size, nil
}

// copyOut takes the name off the file before the first byte of footage is in it.
func copyOut(f *os.File, sum hash.Hash, in io.ReadCloser) (int64, error) {
	if err := os.Remove(f.Name()); err != nil {
		return 0, errors.Join(err, in.Close())
	}
	size, err := io.Copy(io.MultiWriter(f, sum), in)
	return size, errors.Join(err, in.Close())
}
