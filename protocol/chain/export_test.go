package chain

import "io"

// For tests, which compare: verification without blocks, and reading without the quick readers.

func VerifyOneByOne(r io.Reader, v Verifier) (Verdict, error) {
	var d Verdict
	err := d.oneByOne(r, v, new(leaves))
	return d, err
}

var (
	ReadHeader = readHeader
	ReadBody   = readBody
)

func QuickHeader(line []byte) (Header, bool) {
	s, ok := scanHeader(line)
	return s.header(), ok
}
