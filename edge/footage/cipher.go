package footage

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle/noncebased"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Sizes of the wire format of Tink's AES256_GCM_HKDF_64KB streaming AEAD, in bytes:
//
//	40 | salt (32) | nonce prefix (7) | chunk 0 | chunk 1 | …
//
// A chunk is ciphertext and tag; each takes 64 KiB, the first with Tink's header before it, the last what is left. The AES key is HKDF-SHA256 of the segment's key,
// with that salt and the associated data; the nonce is the prefix, the chunk's number in 4 bytes, and 1 for the last chunk or 0.
const (
	chunkSize  = 64 << 10
	tagSize    = 16
	prefixSize = 7
	tinkHead   = 1 + keySize + prefixSize
	chunkPlain = chunkSize - tagSize
)

// headSize is that of our own header, which stands before Tink's: it says which key opens the file.
const headSize = 24

var headMagic = []byte("BWSEG\x00\x00\x02") // the last byte is the version

// errAuthentic: not what was written, or not with this key.
var errAuthentic = errors.New("its content is not authentic")

// head is the header of a segment's file: magic and version (8), chain (8), place in it (4, big endian), zero (4).
func (k slot) head() []byte {
	b := append(bytes.Clone(headMagic), k.chain[:]...)
	return append(binary.BigEndian.AppendUint32(b, k.n), 0, 0, 0, 0)
}

func readHead(r io.ReaderAt) (k slot, err error) {
	var b [headSize]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return k, fmt.Errorf("no segment header: %w", err)
	}
	copy(k.chain[:], b[8:])
	k.n = binary.BigEndian.Uint32(b[16:])
	if !bytes.Equal(b[:], k.head()) {
		return k, errors.New("no segment header of a version that is known here")
	}
	return k, nil
}

// bound is the associated data of a segment: a file that is moved elsewhere, or has another header, does not open.
func bound(recorder protocol.RecorderID, camera protocol.CameraID, stream protocol.StreamID, run protocol.RunID, n int, k slot) []byte {
	return fmt.Appendf(nil, "beeldwacht segment 2\n%s\n%s\n%s\n%s\n%d\n%s\n", recorder, camera, stream, run, n, k)
}

// encrypt begins a segment's file: what is written to the result goes to w chunk by chunk; Close writes the last one and leaves w open.
func encrypt(w io.Writer, k slot, key, aad []byte) (io.WriteCloser, error) {
	if _, err := w.Write(k.head()); err != nil {
		return nil, err
	}
	// Tink's own front door (streamingaead/subtle) does no more than this, keeps a copy of the key that cannot be wiped, and brings protobuf along.
	var head [tinkHead]byte
	head[0] = tinkHead
	fill(head[1:])
	aead, err := streamCipher(key, head[1:1+keySize], aad)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(head[:]); err != nil {
		return nil, err
	}
	return noncebased.NewWriter(noncebased.WriterParams{W: w, SegmentEncrypter: chunkEncrypter{aead}, NonceSize: aead.NonceSize(), NoncePrefix: head[1+keySize:],
		PlaintextSegmentSize: chunkPlain, FirstCiphertextSegmentOffset: tinkHead})
}

// streamCipher is the cipher of one file.
func streamCipher(key, salt, aad []byte) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, salt, string(aad), keySize)
	if err != nil {
		return nil, err
	}
	defer clear(own)
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

type chunkEncrypter struct{ cipher.AEAD }

func (e chunkEncrypter) EncryptSegment(chunk, nonce []byte) ([]byte, error) {
	return e.EncryptSegmentWithDst(nil, chunk, nonce)
}

// EncryptSegmentWithDst spares a copy where Tink looks for it.
func (e chunkEncrypter) EncryptSegmentWithDst(dst, chunk, nonce []byte) ([]byte, error) {
	return e.Seal(dst[:0], nonce, chunk, nil), nil
}

// storedSize is what a file takes for so many bytes of plaintext.
func storedSize(plain int64) int64 {
	chunks := (plain + tinkHead + chunkPlain - 1) / chunkPlain
	return headSize + tinkHead + plain + chunks*tagSize
}

// decrypter reads a segment's file at any place; what it gives is authentic. Any goroutine may use it.
type decrypter struct {
	r      io.ReaderAt
	size   int64 // of the file
	aead   cipher.AEAD
	prefix [prefixSize]byte
	chunks int64 // that count
	closed bool  // the last of them carries the mark of the last
	length int64 // of the plaintext

	mu    sync.Mutex // guards what follows
	buf   []byte
	plain []byte // of chunk at, in buf
	at    int64  // -1: none
}

// decrypt opens a file that is whole.
func decrypt(r io.ReaderAt, size int64, key, aad []byte) (*decrypter, error) {
	d, err := newDecrypter(r, size, key, aad)
	if err != nil {
		return nil, err
	}
	d.chunks, d.closed = (size-headSize+chunkSize-1)/chunkSize, true
	d.length = size - headSize - tinkHead - d.chunks*tagSize
	if d.length < 0 || storedSize(d.length) != size {
		return nil, errAuthentic // no file that was closed has this length
	}
	if d.length == 0 {
		_, err = d.open(0, true) // nobody will read it
	}
	return d, err
}

// decryptCut opens a file that a crash left: all chunks up to the first that is not authentic. If closed is true then, nothing is missing.
func decryptCut(r io.ReaderAt, size int64, key, aad []byte) (*decrypter, error) {
	d, err := newDecrypter(r, size, key, aad)
	if err != nil {
		return nil, err
	}
	for !d.closed {
		plain, err := d.open(d.chunks, false)
		if errors.Is(err, errAuthentic) && headSize+(d.chunks+1)*chunkSize >= size {
			plain, err = d.open(d.chunks, true)
			d.closed = err == nil
		}
		if errors.Is(err, errAuthentic) {
			break
		} else if err != nil {
			return nil, err
		}
		d.chunks++
		d.length += int64(len(plain))
	}
	return d, nil
}

func newDecrypter(r io.ReaderAt, size int64, key, aad []byte) (*decrypter, error) {
	if size < headSize+tinkHead {
		return nil, errAuthentic
	}
	var head [tinkHead]byte
	if _, err := r.ReadAt(head[:], headSize); errors.Is(err, io.EOF) || err == nil && head[0] != tinkHead {
		return nil, errAuthentic
	} else if err != nil {
		return nil, err
	}
	aead, err := streamCipher(key, head[1:1+keySize], aad)
	d := &decrypter{r: r, size: size, aead: aead, at: -1}
	copy(d.prefix[:], head[1+keySize:])
	return d, err
}

// open decrypts a chunk into buf.
func (d *decrypter) open(i int64, last bool) ([]byte, error) {
	from, to := headSize+i*chunkSize, min(headSize+(i+1)*chunkSize, d.size)
	if i == 0 {
		from += tinkHead
	}
	if to-from < tagSize {
		return nil, errAuthentic
	}
	if d.buf == nil {
		d.buf = make([]byte, min(chunkSize, d.size-headSize))
	}
	d.at = -1
	b := d.buf[:to-from]
	if n, err := d.r.ReadAt(b, from); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = errAuthentic // shorter than it was
		}
		return nil, err
	}
	var nonce [12]byte
	copy(nonce[:], d.prefix[:])
	binary.BigEndian.PutUint32(nonce[prefixSize:], uint32(i))
	if last {
		nonce[11] = 1
	}
	plain, err := d.aead.Open(b[:0], nonce[:], b, nil)
	if err != nil {
		return nil, errAuthentic
	}
	return plain, nil
}

func (d *decrypter) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for n < len(p) {
		if off >= d.length {
			return n, io.EOF
		}
		i := (off + tinkHead) / chunkPlain // the first chunk is shorter by Tink's header
		from := max(0, i*chunkPlain-tinkHead)
		if d.at != i {
			if d.plain, err = d.open(i, d.closed && i == d.chunks-1); err != nil {
				return n, err
			}
			d.at = i
		}
		m := copy(p[n:], d.plain[off-from:])
		n, off = n+m, off+int64(m)
	}
	return n, nil
}
