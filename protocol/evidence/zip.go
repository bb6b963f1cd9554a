package evidence

import (
	"encoding/binary"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"time"
)

// The zip around a bag is written here and not by archive/zip, because [Verify] demands it byte for byte and must still do so in ten
// years: PKWARE APPNOTE 6.3.10, method 0 (stored), sizes behind the data (bit 3), zip64 records only where a number needs them.

const (
	zipStore     = 0
	zipTrailing  = 1 << 3         // CRC and sizes follow the data
	zipVersion   = 20             // 2.0
	zipVersion64 = 45             // 4.5
	zipUnix      = 3 << 8         // made on Unix: the attributes below count
	zipRegular   = 0o100644 << 16 // a plain file, rw-r--r--; never a symlink
)

// zipEntry is one file in the zip, as both the writer and the verifier know it.
type zipEntry struct {
	Name   string
	Size   uint64
	CRC    uint32
	Offset uint64 // of its local header
}

// dosTime is a time as zip writes it: two seconds precise, here in UTC.
func dosTime(t time.Time) (stamp uint32) {
	t = t.UTC()
	day := uint32(t.Day()) | uint32(t.Month())<<5 | uint32(max(t.Year()-1980, 0))<<9
	clock := uint32(t.Second()/2) | uint32(t.Minute())<<5 | uint32(t.Hour())<<11
	return day<<16 | clock
}

func (e zipEntry) local(stamp uint32) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0x04034b50)
	b = le.AppendUint16(b, zipVersion)
	b = le.AppendUint16(b, zipTrailing)
	b = le.AppendUint16(b, zipStore)
	b = le.AppendUint32(b, stamp)
	b = append(b, make([]byte, 12)...) // CRC and sizes: behind the data
	b = le.AppendUint16(b, uint16(len(e.Name)))
	b = le.AppendUint16(b, 0)
	return append(b, e.Name...)
}

func (e zipEntry) trailer() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0x08074b50)
	b = le.AppendUint32(b, e.CRC)
	if e.Size >= math.MaxUint32 {
		return le.AppendUint64(le.AppendUint64(b, e.Size), e.Size)
	}
	return le.AppendUint32(le.AppendUint32(b, uint32(e.Size)), uint32(e.Size))
}

func (e zipEntry) central(stamp uint32) []byte {
	le := binary.LittleEndian
	version := uint16(zipVersion)
	var extra []byte
	if e.Size >= math.MaxUint32 || e.Offset >= math.MaxUint32 {
		version = zipVersion64
		extra = le.AppendUint16(le.AppendUint16(nil, 1), 24)
		extra = le.AppendUint64(le.AppendUint64(le.AppendUint64(extra, e.Size), e.Size), e.Offset)
	}
	short := func(v uint64) uint32 {
		if extra != nil {
			return math.MaxUint32
		}
		return uint32(v)
	}
	b := le.AppendUint32(nil, 0x02014b50)
	b = le.AppendUint16(b, zipUnix|version)
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, zipTrailing)
	b = le.AppendUint16(b, zipStore)
	b = le.AppendUint32(b, stamp)
	b = le.AppendUint32(b, e.CRC)
	b = le.AppendUint32(b, short(e.Size))
	b = le.AppendUint32(b, short(e.Size))
	b = le.AppendUint16(b, uint16(len(e.Name)))
	b = le.AppendUint16(b, uint16(len(extra)))
	b = append(b, make([]byte, 6)...) // no comment, disk 0, no internal attributes
	b = le.AppendUint32(b, zipRegular)
	b = le.AppendUint32(b, short(e.Offset))
	return append(append(b, e.Name...), extra...)
}

// zipEnd is what follows the directory, which starts at an offset and is size bytes long.
func zipEnd(entries int, offset, size uint64) []byte {
	le := binary.LittleEndian
	var b []byte
	short, count := func(v uint64) uint32 { return uint32(v) }, uint16(entries)
	if entries >= math.MaxUint16 || offset >= math.MaxUint32 || size >= math.MaxUint32 {
		b = le.AppendUint64(le.AppendUint32(b, 0x06064b50), 44)
		b = le.AppendUint16(le.AppendUint16(b, zipUnix|zipVersion64), zipVersion64)
		b = append(b, make([]byte, 8)...) // disk 0
		b = le.AppendUint64(le.AppendUint64(b, uint64(entries)), uint64(entries))
		b = le.AppendUint64(le.AppendUint64(b, size), offset)
		b = le.AppendUint64(append(le.AppendUint32(b, 0x07064b50), 0, 0, 0, 0), offset+size)
		b = le.AppendUint32(b, 1)
		short, count = func(uint64) uint32 { return math.MaxUint32 }, math.MaxUint16
	}
	b = append(le.AppendUint32(b, 0x06054b50), 0, 0, 0, 0)
	b = le.AppendUint16(le.AppendUint16(b, count), count)
	b = le.AppendUint32(le.AppendUint32(b, short(size)), short(offset))
	return append(b, 0, 0)
}

// zipWriter writes the zip forward only; one file is open at a time.
type zipWriter struct {
	w       io.Writer
	at      uint64
	stamp   uint32
	entries []zipEntry
	crc     hash.Hash32
	err     error // the first; nothing is written after it
}

func (z *zipWriter) put(b []byte) error {
	if z.err != nil {
		return z.err
	}
	n, err := z.w.Write(b)
	z.at += uint64(n)
	z.err = err
	return err
}

func (z *zipWriter) begin(name string) error {
	e := zipEntry{Name: name, Offset: z.at}
	z.entries, z.crc = append(z.entries, e), crc32.NewIEEE()
	return z.put(e.local(z.stamp))
}

// Write adds to the file begun last.
func (z *zipWriter) Write(b []byte) (int, error) {
	if err := z.put(b); err != nil {
		return 0, err
	}
	z.crc.Write(b)
	z.entries[len(z.entries)-1].Size += uint64(len(b))
	return len(b), nil
}

func (z *zipWriter) end() error {
	e := &z.entries[len(z.entries)-1]
	e.CRC = z.crc.Sum32()
	return z.put(e.trailer())
}

func (z *zipWriter) close() error {
	start := z.at
	for _, e := range z.entries {
		if err := z.put(e.central(z.stamp)); err != nil {
			return err
		}
	}
	return z.put(zipEnd(len(z.entries), start, z.at-start))
}
