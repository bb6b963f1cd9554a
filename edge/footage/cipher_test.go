package footage

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"
)

const chunkPlain = chunkSize - tagSize

// tink is the cipher as anybody would take it from Tink, with chunks of a size.
func tink(t testing.TB, key []byte, chunk int64) *subtle.AESGCMHKDF {
	t.Helper()
	a, err := subtle.NewAESGCMHKDF(key, "SHA256", keySize, int(chunk), 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A segment's file behind our header is what Tink writes and reads, at every length around the borders of chunks.
func TestI02_FilesAreTinks(t *testing.T) {
	key, aad := noise(keySize, 1), []byte("rec-1 plein-noord")
	first := chunkPlain - tinkHead
	for _, size := range []int{1, 100, first - 1, first, first + 1, first + chunkPlain - 1, first + chunkPlain, first + chunkPlain + 1, 5*chunkPlain + 7, 40*chunkPlain + 7} {
		plain := noise(size, 2)
		var ours bytes.Buffer
		k := slot{chainID{1, 2}, 3}
		w, err := encrypt(&ours, k, key, aad)
		if err != nil {
			t.Fatal(err)
		}
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), rand.IntN(3*chunkSize))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if stored := storedSize(int64(size), chunkSize); int64(ours.Len()) != stored {
			t.Errorf("%d bytes take %d on disk, computed %d", size, ours.Len(), stored)
		}
		if got, err := readHead(bytes.NewReader(ours.Bytes())); err != nil || got.key != k {
			t.Errorf("header says %v, %v", got, err)
		}
		r, err := tink(t, key, chunkSize).NewDecryptingReader(bytes.NewReader(ours.Bytes()[headSize:]), aad)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: Tink reads %d of what we wrote, %v", size, len(got), err)
		}

		for _, version := range []byte{fileVersion, coarseVersion} {
			h := head{version, k}
			theirs := bytes.NewBuffer(h.bytes())
			tw, err := tink(t, key, h.chunk()).NewEncryptingWriter(theirs, aad)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tw.Write(plain); err != nil || tw.Close() != nil {
				t.Fatal(err)
			}
			d, err := decrypt(bytes.NewReader(theirs.Bytes()), int64(theirs.Len()), key, aad)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.length)); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%d bytes: we read %d of what Tink wrote in version %d, %v", size, len(got), version, err)
			}
			for range 50 {
				off := rand.IntN(size)
				p := make([]byte, 1+rand.IntN(size))
				n, err := d.ReadAt(p, int64(off))
				if want := plain[off:min(size, off+len(p))]; !bytes.Equal(p[:n], want) || (err == io.EOF) != (n < len(p)) {
					t.Errorf("%d bytes at %d of %d: %d, %v", len(p), off, size, n, err)
				}
			}
		}
		for _, change := range []func([]byte) []byte{
			func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
			func(b []byte) []byte { b[headSize+5] ^= 1; return b },
			func(b []byte) []byte { return b[:len(b)-1] },
			func(b []byte) []byte { return append(b, 0) },
			func(b []byte) []byte { return b[:headSize+(len(b)-headSize-1)/chunkSize*chunkSize] }, // without its last chunk
		} {
			b := change(bytes.Clone(ours.Bytes()))
			d, err := decrypt(bytes.NewReader(b), int64(len(b)), key, aad)
			if err == nil {
				_, err = io.ReadAll(io.NewSectionReader(d, 0, d.length))
			}
			if !errors.Is(err, errAuthentic) {
				t.Errorf("%d bytes: a changed file reads: %v", size, err)
			}
		}
		if d, err := decrypt(bytes.NewReader(ours.Bytes()), int64(ours.Len()), key, []byte("another place")); err == nil {
			if _, err := d.ReadAt(make([]byte, 1), 0); !errors.Is(err, errAuthentic) {
				t.Error("reads in another segment's place")
			}
		}
	}
}

// What a crash leaves is read up to the last whole chunk, also when it is cut exactly on a border, where Tink's own reader needs one byte more to see it.
func TestI01_CutFileIsReadToItsLastWholeChunk(t *testing.T) {
	key, aad, plain := noise(keySize, 1), []byte("x"), noise(4*chunkPlain, 3)
	var b bytes.Buffer
	w, err := encrypt(&b, slot{}, key, aad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for chunks := range 5 {
		for _, more := range []int{0, 1, 20, chunkSize - 1} {
			cut := b.Bytes()[:min(b.Len(), headSize+chunks*chunkSize+more)]
			want := max(0, chunks*chunkPlain-tinkHead)
			whole := len(cut) == b.Len()
			if whole {
				want = len(plain)
			}
			d, err := decryptCut(bytes.NewReader(cut), int64(len(cut)), key, aad)
			if len(cut) < headSize+tinkHead {
				if !errors.Is(err, errAuthentic) {
					t.Errorf("without Tink's header: %v", err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(io.NewSectionReader(d, 0, d.length))
			if err != nil || d.closed != whole || len(got) != want || !bytes.Equal(got, plain[:want]) {
				t.Errorf("%d chunks and %d bytes: read %d, want %d; closed %t, %v", chunks, more, len(got), want, d.closed, err)
			}
			r, err := tink(t, key, chunkSize).NewDecryptingReader(bytes.NewReader(append(bytes.Clone(cut[headSize:]), 0)), aad)
			if err != nil {
				t.Fatal(err)
			}
			theirs, _ := io.ReadAll(r) // fails behind the last whole chunk
			if !whole && !bytes.Equal(theirs, got) {
				t.Errorf("%d chunks and %d bytes: Tink with a pad byte reads %d, we read %d", chunks, more, len(theirs), len(got))
			}
		}
	}
}

func FuzzDecryptCut(f *testing.F) {
	key := noise(keySize, 1)
	var b bytes.Buffer
	w, err := encrypt(&b, slot{}, key, nil)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Write(noise(1000, 1)); err != nil || w.Close() != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:80])
	f.Add(append(b.Bytes(), make([]byte, chunkSize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, open := range []func(io.ReaderAt, int64, []byte, []byte) (*decrypter, error){decrypt, decryptCut} {
			d, err := open(bytes.NewReader(b), int64(len(b)), key, nil)
			if err != nil {
				continue
			}
			if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.length)); err == nil && int64(len(got)) != d.length || len(got) > len(b) {
				t.Fatalf("%d bytes from %d: %v", len(got), len(b), err)
			}
		}
	})
}

const segmentBytes = 30 << 20 // a minute at 4 Mbit/s

// bareCipher is AES-256-GCM over the same chunks and nothing else.
func bareCipher(b *testing.B, plain []byte) time.Duration {
	block, err := aes.NewCipher(make([]byte, keySize))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	out, nonce := make([]byte, 0, chunkSize), make([]byte, 12)
	start := time.Now()
	for rest := plain; len(rest) > 0; {
		n := min(len(rest), chunkPlain)
		out = aead.Seal(out[:0], nonce, rest[:n], nil)
		rest = rest[n:]
	}
	return time.Since(start)
}

// bareWrite is the disk: the same bytes in the same pieces, synced.
func bareWrite(b *testing.B, name string, plain []byte) time.Duration {
	start := time.Now()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	for rest := plain; len(rest) > 0; {
		n := min(len(rest), chunkSize)
		if _, err := f.Write(rest[:n]); err != nil {
			b.Fatal(err)
		}
		rest = rest[n:]
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// Writing a segment: the fragments of a second each, encrypted, synced. Beside it, in the same run, the cipher and the disk alone.
func BenchmarkWriteSegment(b *testing.B) {
	plain, key, dir := noise(segmentBytes, 1), noise(keySize, 1), b.TempDir()
	var ours, sealing, disk time.Duration
	b.SetBytes(segmentBytes)
	for i := range b.N {
		start := time.Now()
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			b.Fatal(err)
		}
		w, err := encrypt(f, slot{}, key, nil)
		if err != nil {
			b.Fatal(err)
		}
		for rest := plain; len(rest) > 0; {
			n := min(len(rest), segmentBytes/60)
			if _, err := w.Write(rest[:n]); err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := errors.Join(w.Close(), f.Sync(), f.Close()); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		sealing += bareCipher(b, plain)
		disk += bareWrite(b, filepath.Join(dir, "bare"), plain)
		if err := os.Remove(f.Name()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sealing)/float64(ours), "speed/cipher")
	b.ReportMetric(float64(disk)/float64(ours), "speed/disk")
	b.ReportMetric(float64(sealing+disk)/float64(ours), "speed/both")
}

// Reading a segment out as a release does, in the pieces of io.Copy, with and without the SHA-256 that is checked on the way; against the cipher alone over the same chunks, and
// the disk alone: the kernel's cache of it, and the disk itself with that cache dropped before each turn. Medians of rounds in which each has its turn.
func BenchmarkCostReadOut(b *testing.B) {
	const rounds = 9
	plain, key, name := noise(segmentBytes, 1), noise(keySize, 1), filepath.Join(b.TempDir(), "seg")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w, err := encrypt(f, slot{}, key, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil || w.Close() != nil {
		b.Fatal(err)
	}
	size, buf := storedSize(segmentBytes, chunkSize), make([]byte, 32<<10)
	type plainWriter struct{ io.Writer }
	copied := func(to io.Writer, from func() (io.Reader, error)) time.Duration {
		start := time.Now()
		r, err := from()
		if err == nil {
			_, err = io.CopyBuffer(plainWriter{to}, r, buf)
		}
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
	decrypted := func() (io.Reader, error) {
		d, err := decrypt(f, size, key, nil)
		if err != nil {
			return nil, err
		}
		return io.NewSectionReader(d, 0, d.length), nil
	}
	cold := func() {
		if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		var toCipher, toCache, toDisk, hashed, hashedCold []float64
		for range rounds {
			sealing := bareCipher(b, plain)
			reading := copied(io.Discard, decrypted)
			disk := copied(io.Discard, func() (io.Reader, error) { return io.NewSectionReader(f, 0, size), nil })
			checked := copied(sha256.New(), decrypted)
			cold()
			fetched := copied(io.Discard, func() (io.Reader, error) { return io.NewSectionReader(f, 0, size), nil })
			cold()
			readCold := copied(io.Discard, decrypted)
			cold()
			checkedCold := copied(sha256.New(), decrypted)
			toCipher, toCache, hashed = append(toCipher, sealing.Seconds()/reading.Seconds()), append(toCache, disk.Seconds()/reading.Seconds()), append(hashed, sealing.Seconds()/checked.Seconds())
			toDisk, hashedCold = append(toDisk, fetched.Seconds()/readCold.Seconds()), append(hashedCold, fetched.Seconds()/checkedCold.Seconds())
		}
		middle := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
		b.ReportMetric(middle(toCipher), "×_the_rate_of_AES-GCM_alone")
		b.ReportMetric(middle(toCache), "×_that_of_the_kernel's_cache")
		b.ReportMetric(middle(toDisk), "×_that_of_the_disk")
		b.ReportMetric(middle(hashedCold), "×_the_disk_with_its_SHA-256_checked")
		b.ReportMetric(middle(hashed), "×_AES-GCM_with_its_SHA-256_checked")
	}
}

// A seek: a little at any place of a file that is open.
func BenchmarkSeek(b *testing.B) {
	plain, key := noise(segmentBytes, 1), noise(keySize, 1)
	var out bytes.Buffer
	w, err := encrypt(&out, slot{}, key, nil)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil || w.Close() != nil {
		b.Fatal(err)
	}
	d, err := decrypt(bytes.NewReader(out.Bytes()), int64(out.Len()), key, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := make([]byte, 16)
	for b.Loop() {
		if _, err := d.ReadAt(p, rand.Int64N(segmentBytes-16)); err != nil {
			b.Fatal(err)
		}
	}
}
