package chain

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The two readers here know only what a log is full of, and say no to all else: whoever asks them then reads the line in earnest, with a JSON reader that has the last word and says
// what is wrong. What they say yes to that reader must accept, and read alike (FuzzParseHeader, FuzzCheckBody). They take a thirtieth of its time and no memory.

// scanned is a header line taken apart; kind is a part of it.
type scanned struct {
	seq        uint64
	at         int64 // milliseconds since 1970
	kind       []byte
	prev, body protocol.Hash
}

func (s scanned) header() Header {
	return Header{V: Version, Seq: s.seq, Time: protocol.Time{Time: time.UnixMilli(s.at).UTC()}, Kind: string(s.kind), Prev: s.prev, Body: s.body}
}

const (
	beforeSeq  = `{"v":1,"seq":`
	beforeTime = `,"time":"`
	beforeKind = `","kind":"`
	beforePrev = `","prev":"`
	beforeBody = `","body":"`
	afterBody  = `"}`

	hexHash = 2 * len(protocol.Hash{})
)

// scanHeader reads a header line of the one form that [Header.line] writes.
func scanHeader(line []byte) (s scanned, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(beforeSeq))
	if !ok {
		return s, false
	}
	digits := 0
	for digits < len(rest) && rest[digits]-'0' <= 9 {
		s.seq = 10*s.seq + uint64(rest[digits]-'0')
		if digits++; digits > 16 {
			return s, false
		}
	}
	if digits == 0 || rest[0] == '0' && digits > 1 || s.seq >= MaxInteger {
		return s, false
	}
	rest = rest[digits:]
	const toKind = len(beforeTime) + len(protocol.TimeLayout) + len(beforeKind)
	if len(rest) < toKind || string(rest[:len(beforeTime)]) != beforeTime || string(rest[toKind-len(beforeKind):toKind]) != beforeKind {
		return s, false
	}
	if s.at, ok = scanTime([len(protocol.TimeLayout)]byte(rest[len(beforeTime):])); !ok {
		return s, false
	}
	rest = rest[toKind:]
	const behindKind = len(beforePrev) + hexHash + len(beforeBody) + hexHash + len(afterBody)
	kind := len(rest) - behindKind
	if kind < 1 || kind > 64 || !scanKind(rest[:kind]) {
		return s, false
	}
	s.kind, rest = rest[:kind], rest[kind:]
	const toBody = len(beforePrev) + hexHash + len(beforeBody)
	ok = string(rest[:len(beforePrev)]) == beforePrev && string(rest[toBody-len(beforeBody):toBody]) == beforeBody && string(rest[toBody+hexHash:]) == afterBody &&
		scanHash(&s.prev, rest[len(beforePrev):]) && scanHash(&s.body, rest[toBody:])
	return s, ok
}

// scanKind is protocol.ValidID.
func scanKind(kind []byte) bool {
	for i, c := range kind {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', i > 0 && (c == '-' || c == '_' || c == '.' && kind[i-1] != '.'):
		default:
			return false
		}
	}
	return true
}

// daysBefore are the days of a year before each month that is not a leap year's.
var daysBefore = [14]int64{1: 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

// scanTime reads protocol.TimeLayout, of the years 1970 to 9999.
func scanTime(b [len(protocol.TimeLayout)]byte) (ms int64, ok bool) {
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[19] != '.' || b[23] != 'Z' {
		return 0, false
	}
	wrong := byte(0)
	two := func(at int) int64 {
		tens, ones := b[at]-'0', b[at+1]-'0'
		if tens > 9 || ones > 9 {
			wrong = 1
		}
		return 10*int64(tens) + int64(ones)
	}
	if b[22]-'0' > 9 {
		return 0, false
	}
	year, month, day := 100*two(0)+two(2), two(5), two(8)
	hour, minute, second, milli := two(11), two(14), two(17), 10*two(20)+int64(b[22]-'0')
	if wrong != 0 || year < 1970 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	leap := int64(0)
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		leap = 1
	}
	length, before := daysBefore[month+1]-daysBefore[month], daysBefore[month]
	if month == 2 {
		length += leap
	} else if month > 2 {
		before += leap
	}
	if day > length {
		return 0, false
	}
	past := year - 1
	const leapsBefore1970 = 1969/4 - 1969/100 + 1969/400
	days := 365*(year-1970) + past/4 - past/100 + past/400 - leapsBefore1970 + before + day - 1
	return (((days*24+hour)*60+minute)*60+second)*1000 + milli, true
}

// nibble is the value of a lower-case hex digit, 0xff of anything else.
var nibble = func() (table [256]byte) {
	for c := range table {
		table[c] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		table[c] = byte(i)
	}
	return table
}()

func scanHash(h *protocol.Hash, digits []byte) bool {
	digits = digits[:hexHash]
	wrong := byte(0)
	for i := range h {
		high, low := nibble[digits[2*i]], nibble[digits[2*i+1]]
		wrong |= high | low
		h[i] = high<<4 | low
	}
	return wrong < 16
}

// scanBody reads a salted body with plain strings, few keys and little depth: it is JSON, has no key twice and no number but integers up to 2^53.
func scanBody(b []byte) bool {
	type level struct {
		object bool
		keys   int // before it
	}
	type key struct{ from, to int32 }
	var levels [8]level
	var keys [32]key
	depth, known, at := 0, 0, 0
	next := func() byte { // 0, which stands nowhere in JSON, behind the end
		if at < len(b) {
			return b[at]
		}
		return 0
	}
	for name := false; ; { // whether a name comes before the next value
		if name {
			if next() != '"' || known == len(keys) {
				return false
			}
			end, escapes := scanString(b, at+1)
			if end < 0 || end+1 == len(b) || b[end+1] != ':' || escapes { // it could be another spelling of one before
				return false
			}
			for _, k := range keys[levels[depth-1].keys:known] {
				if int(k.to-k.from) == end-at-1 && string(b[k.from:k.to]) == string(b[at+1:end]) {
					return false
				}
			}
			keys[known] = key{int32(at + 1), int32(end)}
			known++
			at = end + 2
		}
		opened := false
		switch c := next(); {
		case c == '{' || c == '[':
			if depth == len(levels) {
				return false
			}
			levels[depth] = level{c == '{', known}
			depth++
			at++
			opened = true
		case c == '"':
			end, _ := scanString(b, at+1)
			if end < 0 {
				return false
			}
			at = end + 1
		case c == '-' || c-'0' <= 9:
			first := at
			if c == '-' {
				first++
			}
			for at++; at < len(b) && b[at]-'0' <= 9; {
				at++
			}
			// Those between the last of 15 digits and 2^53 are for the JSON reader.
			if at == first || at-first > 15 || b[first] == '0' && (at-first > 1 || c == '-') {
				return false
			}
		case bytes.HasPrefix(b[at:], []byte("true")), bytes.HasPrefix(b[at:], []byte("null")):
			at += 4
		case bytes.HasPrefix(b[at:], []byte("false")):
			at += 5
		default:
			return false
		}
		for { // what ends here
			if depth == 0 {
				return at == len(b)
			}
			in := levels[depth-1]
			name = in.object
			if c := next(); c == ',' && !opened {
				at++
				break
			} else if c != '}' && in.object || c != ']' && !in.object {
				if opened {
					break
				}
				return false
			}
			opened = false
			depth--
			known = in.keys
			at++
		}
	}
}

// scanString finds the quote that ends a string, whose text begins at a place; -1 where there is none, or anything unusual before it. It also says whether there are escapes.
func scanString(b []byte, from int) (end int, escapes bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	ascii := true
	for at := from; at < len(b); {
		if len(b)-at >= 8 { // eight bytes at a time: the lowest top bit that is set marks the first that is no plain character
			w := binary.LittleEndian.Uint64(b[at:])
			quote, slash := w^ones*'"', w^ones*'\\'
			if odd := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & tops; odd == 0 {
				at += 8
				continue
			} else {
				at += bits.TrailingZeros64(odd) / 8
			}
		}
		switch c := b[at]; {
		case c == '"':
			if !ascii && !utf8.Valid(b[from:at]) {
				return -1, false
			}
			return at, escapes
		case c == '\\':
			if at+1 == len(b) || bytes.IndexByte([]byte(`"\/bfnrt`), b[at+1]) < 0 {
				return -1, false
			}
			escapes = true
			at += 2
		case c < ' ':
			return -1, false
		default:
			ascii = ascii && c < utf8.RuneSelf
			at++
		}
	}
	return -1, false
}
