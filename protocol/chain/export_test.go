package chain

import "io"

// For tests, which compare: verification without blocks, and reading without the quick readers.

func VerifyOneByOne(r io.Reader, v Verifier) (Verdict, error) {
	d := Verdict{gone: Gone{}}
	err := d.oneByOne(r, v, new(leaves))
	return d, err
}

var (
	ReadHeader = readHeader
	ReadBody   = readBody
	ScanHex    = scanHex
)

func QuickHeader(line []byte) (Header, bool) {
	s, ok := scanHeader(line)
	return s.header(), ok
}

// Shapes say what was found of each body, one after the other.
type Shapes = shapes

func (s shapes) Sound(kind, body []byte) bool { return s.sound(kind, body) }

// Seen is the verdict without what it reckons with.
func (d Verdict) Seen() Verdict { d.gone = nil; return d }
