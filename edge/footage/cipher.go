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
	"io/fs"
	"sync"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Sizes of the wire format of Tink's AES256_GCM_HKDF_4KB streaming AEAD, in bytes:
//
//	40 | salt (32) | nonce prefix (7) | chunk 0 | chunk 1 | …
//
// A chunk is ciphertext and tag; each takes 4 KiB (64 in files of version 2), the first with Tink's header before it, the last what is left, which is never nothing. The AES key is
// HKDF-SHA256 of the segment's key, with that salt and the associated data; the nonce is the prefix, the chunk's number in 4 bytes, and 1 for the last chunk or 0.
const (
	chunkSize  = 4 << 10
	coarseSize = 64 << 10 // of chunks in version 2
	tagSize    = 16
	prefixSize = 7
	tinkHead   = 1 + keySize + prefixSize
)

// headSize is that of our own header, which stands before Tink's: it says which key opens the file.
const headSize = 24

const headMagic = "BWSEG\x00\x00" // a byte with the version follows

// errAuthentic: not what was written, or not with this key.
var errAuthentic = errors.New("its content is not authentic")

// head is what a segment's file begins with: magic and version (8), chain (8), place in it (4, big endian), zero (4).
type head struct {
	version byte
	key     slot
}

// Versions of the file.
const (
	fileVersion   = 3 // is written
	coarseVersion = 2
)

func (h head) bytes() []byte {
	b := append(append([]byte(headMagic), h.version), h.key.chain[:]...)
	return append(binary.BigEndian.AppendUint32(b, h.key.n), 0, 0, 0, 0)
}

// chunk is the size of a chunk.
func (h head) chunk() int64 {
	if h.version == coarseVersion {
		return coarseSize
	}
	return chunkSize
}

func readHead(r io.ReaderAt) (h head, err error) {
	var b [headSize]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return h, fmt.Errorf("no segment header: %w", err)
	}
	h.version = b[len(headMagic)]
	copy(h.key.chain[:], b[8:])
	h.key.n = binary.BigEndian.Uint32(b[16:])
	if !bytes.Equal(b[:], h.bytes()) || h.version != fileVersion && h.version != coarseVersion {
		return h, errors.New("no segment header of a version that is known here")
	}
	return h, nil
}

// bound is the associated data of a segment: a file that is moved elsewhere, or has another header, does not open.
func (h head) bound(recorder protocol.RecorderID, camera protocol.CameraID, stream protocol.StreamID, run protocol.RunID, n int) []byte {
	return fmt.Appendf(nil, "beeldwacht segment %d\n%s\n%s\n%s\n%s\n%d\n%s\n", h.version, recorder, camera, stream, run, n, h.key)
}

// encrypter writes a segment's file: what is written goes to w in whole chunks, many at a time; flush writes those that wait, Close also the last and leaves w open. Tink has a
// writer too, which copies all of it twice and writes each chunk by itself; what either wrote the other's reader reads.
type encrypter struct {
	w     io.Writer
	aead  cipher.AEAD
	nonce [12]byte // of the next chunk, as one that is not the last
	room  int      // what the next chunk takes
	held  []byte   // the beginning of it, or all: which chunk is the last is not known before more comes
	out   *[]byte  // chunks that wait for flush; nil: none
	err   error    // the first of w's: what comes after it has no place any more
}

// encrypt begins a segment's file.
func encrypt(w io.Writer, k slot, key, aad []byte) (*encrypter, error) {
	b := append(head{fileVersion, k}.bytes(), make([]byte, tinkHead)...)
	tink := b[headSize:]
	tink[0] = tinkHead
	fill(tink[1:])
	aead, err := streamCipher(key, tink[1:1+keySize], aad)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	e := &encrypter{w: w, aead: aead, room: chunkSize - tagSize - tinkHead, held: make([]byte, 0, chunkSize-tagSize)}
	copy(e.nonce[:], tink[1+keySize:])
	return e, nil
}

// ciphertexts lends the memory in which chunks wait. They do not wait long, so that little is in use, however many streams there are. What is written at once should not be more
// than the processor has near by.
var ciphertexts = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

// left is how many bytes fill the next chunk; one more, and it can be written.
func (e *encrypter) left() int { return e.room - len(e.held) }

func (e *encrypter) Write(p []byte) (int, error) {
	size := len(p)
	for len(e.held)+len(p) > e.room {
		n := e.left()
		chunk := p[:n]
		if len(e.held) > 0 {
			e.held = append(e.held, chunk...)
			chunk = e.held
		}
		if err := e.seal(chunk); err != nil {
			return 0, err
		}
		e.held, p = e.held[:0], p[n:]
	}
	e.held = append(e.held, p...)
	return size, nil
}

// seal encrypts the next chunk.
func (e *encrypter) seal(chunk []byte) error {
	if e.out != nil && cap(*e.out)-len(*e.out) < chunkSize {
		if err := e.flush(); err != nil {
			return err
		}
	}
	if e.err != nil {
		return e.err
	}
	if e.out == nil {
		e.out = ciphertexts.Get().(*[]byte)
	}
	*e.out = e.aead.Seal(*e.out, e.nonce[:], chunk, nil)
	number := e.nonce[prefixSize : prefixSize+4]
	binary.BigEndian.PutUint32(number, binary.BigEndian.Uint32(number)+1)
	e.room = chunkSize - tagSize
	return nil
}

// flush writes the chunks that wait.
func (e *encrypter) flush() error {
	if e.err == nil && e.out != nil {
		_, e.err = e.w.Write(*e.out)
	}
	if e.out != nil {
		*e.out = (*e.out)[:0]
		ciphertexts.Put(e.out)
		e.out = nil
	}
	return e.err
}

// Close writes the last chunk.
func (e *encrypter) Close() error {
	e.nonce[11] = 1
	err := e.seal(e.held)
	if err == nil {
		err = e.flush()
	}
	if err == nil {
		e.err = fs.ErrClosed
	}
	return err
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

// storedSize is what a file with chunks of a size takes for so many bytes of plaintext.
func storedSize(plain, chunk int64) int64 {
	chunks := (plain + tinkHead + chunk - tagSize - 1) / (chunk - tagSize)
	return headSize + tinkHead + plain + chunks*tagSize
}

// readAhead is how many bytes who reads on gets at a time.
const readAhead = 128 << 10

// decrypter reads a segment's file at any place; what it gives is authentic. Any goroutine may use it.
type decrypter struct {
	r      io.ReaderAt
	size   int64 // of the file
	chunk  int64 // of one, in the file
	aead   cipher.AEAD
	prefix [prefixSize]byte
	chunks int64 // that count
	closed bool  // the last of them carries the mark of the last
	length int64 // of the plaintext

	mu          sync.Mutex // guards what follows
	plain       []byte     // of chunk at
	at          int64      // -1: none
	raw         []byte     // the file from chunk first on, up to chunk next
	first, next int64
}

// decrypt opens a file that is whole.
func decrypt(r io.ReaderAt, size int64, key, aad []byte) (*decrypter, error) {
	d, err := newDecrypter(r, size, key, aad)
	if err != nil {
		return nil, err
	}
	d.chunks, d.closed = d.count(), true
	d.length = size - headSize - tinkHead - d.chunks*tagSize
	if d.length < 0 || storedSize(d.length, d.chunk) != size {
		return nil, errAuthentic // no file that was closed has this length
	}
	if d.length == 0 {
		_, err = d.open(nil, 0, 1, true) // nobody will read it
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
		plain, err := d.open(d.plain[:0], d.chunks, 1, false)
		if errors.Is(err, errAuthentic) && d.chunks+1 >= d.count() {
			plain, err = d.open(d.plain[:0], d.chunks, 1, true)
			d.closed = err == nil
		}
		if errors.Is(err, errAuthentic) {
			break
		} else if err != nil {
			return nil, err
		}
		d.plain = plain
		d.chunks++
		d.length += int64(len(plain))
	}
	return d, nil
}

func newDecrypter(r io.ReaderAt, size int64, key, aad []byte) (*decrypter, error) {
	if size < headSize+tinkHead {
		return nil, errAuthentic
	}
	h, err := readHead(r)
	if err != nil {
		return nil, errors.Join(errAuthentic, err)
	}
	var tink [tinkHead]byte
	if _, err := r.ReadAt(tink[:], headSize); errors.Is(err, io.EOF) || err == nil && tink[0] != tinkHead {
		return nil, errAuthentic
	} else if err != nil {
		return nil, err
	}
	aead, err := streamCipher(key, tink[1:1+keySize], aad)
	d := &decrypter{r: r, size: size, chunk: h.chunk(), aead: aead, at: -1}
	copy(d.prefix[:], tink[1+keySize:])
	return d, err
}

// count is how many chunks the file has, or begins.
func (d *decrypter) count() int64 { return (d.size - headSize + d.chunk - 1) / d.chunk }

// open decrypts a chunk, and adds it to dst. wanted is how many will be read from there on, with this one.
func (d *decrypter) open(dst []byte, i, wanted int64, last bool) ([]byte, error) {
	sealed, err := d.sealed(i, wanted)
	if err != nil {
		return nil, err
	}
	var nonce [12]byte
	copy(nonce[:], d.prefix[:])
	binary.BigEndian.PutUint32(nonce[prefixSize:], uint32(i))
	if last {
		nonce[11] = 1
	}
	plain, err := d.aead.Open(dst, nonce[:], sealed, nil)
	if err != nil {
		return nil, errAuthentic
	}
	return plain, nil
}

// sealed is a chunk as it is in the file.
func (d *decrypter) sealed(i, wanted int64) ([]byte, error) {
	from := func(i int64) int64 {
		if i == 0 {
			return headSize + tinkHead
		}
		return min(headSize+i*d.chunk, d.size)
	}
	if from(i+1)-from(i) < tagSize {
		return nil, errAuthentic
	}
	if i < d.first || i >= d.next {
		most := max(1, readAhead/d.chunk)
		if i == d.next {
			wanted = most
		}
		next := min(i+min(wanted, most), d.count())
		size := int(from(next) - from(i))
		if cap(d.raw) < size {
			d.raw = make([]byte, size)
		}
		d.first, d.next, d.raw = i, i, d.raw[:size]
		if n, err := d.r.ReadAt(d.raw, from(i)); n < size {
			if errors.Is(err, io.EOF) {
				err = errAuthentic // shorter than it was
			}
			return nil, err
		}
		d.next = next
	}
	return d.raw[from(i)-from(d.first) : from(i+1)-from(d.first)], nil
}

func (d *decrypter) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	room := d.chunk - tagSize
	for n < len(p) {
		if off >= d.length {
			return n, io.EOF
		}
		i := (off + tinkHead) / room // the first chunk is shorter by Tink's header
		from, to := max(0, i*room-tinkHead), min((i+1)*room-tinkHead, d.length)
		last, wanted := d.closed && i == d.chunks-1, (int64(len(p)-n)+room-1)/room+1
		if off == from && int64(len(p)-n) >= to-from && d.at != i { // all of it, to where it is going
			if _, err := d.open(p[n:n], i, wanted, last); err != nil {
				return n, err
			}
			n, off = n+int(to-from), to
			continue
		}
		if d.at != i {
			d.at = -1
			if d.plain, err = d.open(d.plain[:0], i, wanted, last); err != nil {
				return n, err
			}
			d.at = i
		}
		m := copy(p[n:], d.plain[off-from:])
		n, off = n+m, off+int64(m)
	}
	return n, nil
}
