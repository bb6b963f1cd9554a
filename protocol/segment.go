package protocol

import (
	"fmt"
	"strconv"
	"strings"
)

// SegmentLine is one sealed segment as the log knows it: the leaf of a minute's tree and of a hold's root. One line of tab-separated
// text, without newline:
//
//	camera  stream  run  n  start  end  size  sha256  init
//
// Size and SHA-256 are of the plaintext; Init is the SHA-256 of the run's fMP4 init.
type SegmentLine struct {
	Camera     CameraID
	Stream     StreamID
	Run        RunID
	N          int // place in the run, from 0
	Start, End Time
	Size       int64 // bytes of plaintext
	SHA256     Hash
	Init       Hash
}

func (s SegmentLine) String() string {
	return strings.Join([]string{string(s.Camera), string(s.Stream), string(s.Run), strconv.Itoa(s.N), s.Start.String(), s.End.String(),
		strconv.FormatInt(s.Size, 10), s.SHA256.String(), s.Init.String()}, "\t")
}

// ParseSegmentLine reads what String writes and nothing else.
func ParseSegmentLine(line string) (SegmentLine, error) {
	var f [9]string
	rest, found := line, true
	for i := range f {
		if !found {
			return SegmentLine{}, fmt.Errorf("segment line: %d fields, want %d", i, len(f))
		}
		f[i], rest, found = strings.Cut(rest, "\t")
	}
	if found {
		return SegmentLine{}, fmt.Errorf("segment line: more than %d fields", len(f))
	}
	s := SegmentLine{Camera: CameraID(f[0]), Stream: StreamID(f[1]), Run: RunID(f[2])}
	var err error
	check := func(e error) {
		if err == nil {
			err = e
		}
	}
	check(ValidID(s.Camera))
	check(ValidID(s.Stream))
	check(ValidID(s.Run))
	n, e := number(f[3])
	s.N = int(n)
	check(e)
	s.Start, e = ParseTime(f[4])
	check(e)
	s.End, e = ParseTime(f[5])
	check(e)
	s.Size, e = number(f[6])
	check(e)
	s.SHA256, e = ParseHash(f[7])
	check(e)
	s.Init, e = ParseHash(f[8])
	check(e)
	if err == nil && (s.N < 0 || s.Size <= 0 || !s.Start.Before(s.End.Time)) {
		err = fmt.Errorf("segment line: impossible place, size or times")
	}
	if err != nil {
		return SegmentLine{}, fmt.Errorf("segment line %q: %w", line, err)
	}
	return s, nil
}

// number reads what strconv.FormatInt writes and nothing else.
func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && (s[0] == '+' || s[0] == '0' && s != "0" || strings.HasPrefix(s, "-0")) {
		err = fmt.Errorf("number %q: not in its one written form", s)
	}
	return n, err
}
