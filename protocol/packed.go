package protocol

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

// What a recorder sends up is text that says much the same each minute, so it travels packed: a zlib stream (RFC 1950) in place of the text. Hashes and signatures are of the text.

// zlibFirst is the first byte of a zlib stream with a window of 32 KiB. No text of a recorder begins with it: a batch begins with "{" or an empty line, a status with "b", a body with "{".
const zlibFirst = 0x78

// ErrPacked: a packed text that is damaged, or longer than may be.
var ErrPacked = errors.New("packed text")

var (
	packers   = sync.Pool{New: func() any { w, _ := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed); return w }} // the level is a known one
	unpackers sync.Pool                                                                                          // of io.ReadCloser that are zlib.Resetter; made at the first stream
)

// Pack packs a text, unless that makes it longer.
func Pack(text []byte) []byte {
	var packed bytes.Buffer
	w := packers.Get().(*zlib.Writer)
	defer packers.Put(w)
	w.Reset(&packed)
	if _, err := w.Write(text); err != nil || w.Close() != nil { // a buffer takes all
		return text
	}
	if looksPacked := len(text) > 0 && text[0] == zlibFirst; packed.Len() >= len(text) && !looksPacked {
		return text
	}
	return packed.Bytes()
}

// Unpack gives the text that Pack was given, of at most so many bytes. What is not packed is given as it is: so recorders send that are older than this.
func Unpack(packed []byte, most int) ([]byte, error) {
	if len(packed) == 0 || packed[0] != zlibFirst {
		if len(packed) > most {
			return nil, fmt.Errorf("text of %d bytes: at most %d", len(packed), most)
		}
		return packed, nil
	}
	from := bytes.NewReader(packed)
	r, err := unpacker(from)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPacked, err)
	}
	var text bytes.Buffer
	text.Grow(min(4*len(packed), most) + bytes.MinRead)
	n, err := io.Copy(&text, io.LimitReader(r, int64(most)+1))
	switch {
	case err == nil && n > int64(most):
		err = fmt.Errorf("more than %d bytes", most)
	case err == nil && from.Len() > 0:
		err = fmt.Errorf("%d bytes follow its end", from.Len())
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPacked, err)
	}
	unpackers.Put(r)
	return text.Bytes(), nil
}

func unpacker(from io.Reader) (io.Reader, error) {
	r, ok := unpackers.Get().(io.ReadCloser)
	if !ok {
		return zlib.NewReader(from)
	}
	return r, r.(zlib.Resetter).Reset(from, nil)
}
