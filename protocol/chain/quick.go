package chain

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"time"
	"unicode/utf8"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The readers here know only what a log is full of, and say no to all else: whoever asks them then reads the line in earnest, with a JSON reader that has the last word and says
// what is wrong. What they say yes to that reader must accept, and read alike (FuzzParseHeader, FuzzCheckBody, FuzzShapes). They take a thirtieth of its time and no memory.

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
		scanHex(s.prev[:], rest[len(beforePrev):]) && scanHex(s.body[:], rest[toBody:])
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

// hexDigits reads eight lower-case hex digits, the first in the lowest byte, as the four bytes they stand for; wrong is 0 where they are that.
func hexDigits(w uint64) (bytes uint32, wrong uint64) {
	const ones = 0x0101010101010101
	v := w&(ones*0x0f) + 9*(w>>6&ones) // a to f have the bit that is 64, no figure has it
	wrong = (v + ones*'0' + ('a'-'0'-10)*((v+ones*6)>>4&ones)) ^ w | v&(ones*0xf0)
	v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16), wrong
}

// scanHex reads as many bytes as to has, a multiple of four, in lower-case hex.
func scanHex(to, digits []byte) bool {
	wrong := uint64(0)
	for i := 0; i < len(to); i += 4 {
		four, no := hexDigits(binary.LittleEndian.Uint64(digits[2*i : 2*i+8]))
		binary.LittleEndian.PutUint32(to[i:i+4], four)
		wrong |= no
	}
	return wrong == 0
}

// scanBody reads a salted body with plain strings, few keys and little depth: it is JSON, has no key twice and no number but integers up to 2^53. It adds to values, where that is not nil,
// those behind the salt that are strings or numbers.
func scanBody(b []byte, values *[]span) bool {
	type level struct {
		end  byte // what closes it
		keys int  // of those around it
	}
	var levels [8]level
	var keys [32]span
	levels[0], keys[0] = level{end: '}'}, span{len(`{"`), len(`{"salt"`)}
	depth, known, at := 0, 1, saltEnd
	for { // behind a value
		switch {
		case at == len(b):
			return false
		case b[at] == levels[depth].end:
			at++
			if depth == 0 {
				return at == len(b)
			}
			known = levels[depth].keys
			depth--
			continue
		case b[at] != ',':
			return false
		}
		at++
		for opened := true; opened; { // a value, or the first within what it opens
			if levels[depth].end == '}' {
				if at == len(b) || b[at] != '"' || known == len(keys) {
					return false
				}
				from, end := at+1, scanString(b, at+1)
				if end < 0 || end == len(b) || b[end] != ':' {
					return false
				}
				name := b[from:end]
				if bytes.IndexByte(name, '\\') >= 0 { // it could be another spelling of one before
					return false
				}
				for _, k := range keys[levels[depth].keys:known] {
					if k.to-k.from == len(name) && string(b[k.from:k.to]) == string(name) {
						return false
					}
				}
				keys[known] = span{from, end}
				known++
				at = end + 1
			}
			if at == len(b) {
				return false
			}
			opened = false
			switch c := b[at]; c {
			case '"':
				from := at + 1
				if at = scanString(b, from); at < 0 {
					return false
				}
				if values != nil {
					*values = append(*values, span{from, at})
				}
			case '{', '[':
				if depth++; depth == len(levels) {
					return false
				}
				levels[depth] = level{c + 2, known} // } and ] stand two behind { and [
				at++
				opened = at < len(b) && b[at] != c+2
			case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
				from := at
				if at = scanNumber(b, from); at < 0 {
					return false
				}
				if values != nil {
					*values = append(*values, span{from, at})
				}
			case 't', 'n':
				if word := b[at:]; !bytes.HasPrefix(word, []byte("true")) && !bytes.HasPrefix(word, []byte("null")) {
					return false
				}
				at += len("true")
			case 'f':
				if !bytes.HasPrefix(b[at:], []byte("false")) {
					return false
				}
				at += len("false")
			default:
				return false
			}
		}
	}
}

// scanNumber is the place behind an integer, which begins at a place; -1 where there is none, or a large one: those between the last of 15 digits and 2^53 are for the JSON reader.
func scanNumber(b []byte, from int) int {
	first := from
	if first < len(b) && b[first] == '-' {
		first++
	}
	end := first
	for end < len(b) && b[end]-'0' <= 9 {
		end++
	}
	if end == first || end-first > 15 || b[first] == '0' && end-from > 1 { // 01 and -0
		return -1
	}
	return end
}

const ones, tops = 0x0101010101010101, 0x8080808080808080

// odd has the top bit set of the first of eight bytes that is no plain character: a control character, a quote, a backslash, or not of ASCII. Of those before it none is set; of those behind it any may be.
// It wants each of the bytes ^2, which puts the quote among the control characters.
func odd(w uint64) uint64 {
	low := w - ones*('"'^2+1)
	slash := (w ^ ones*('\\'^2)) - ones
	return low | slash | w
}

// scanString is the place behind a string, whose text begins at a place; -1 where it does not end, or has anything unusual in it.
func scanString(b []byte, from int) int {
	ascii := true
	for at := from; at < len(b); {
		if rest := b[at:]; len(rest) >= 8 { // eight bytes at a time
			first := odd(binary.LittleEndian.Uint64(rest)^ones*2) & tops
			if first == 0 {
				at += 8
				continue
			}
			at += bits.TrailingZeros64(first) / 8
		}
		switch c := b[at]; {
		case c == '"':
			if !ascii && !utf8.Valid(b[from:at]) {
				return -1
			}
			return at + 1
		case c == '\\':
			if at+1 == len(b) || bytes.IndexByte([]byte(`"\/bfnrt`), b[at+1]) < 0 {
				return -1
			}
			at += 2
		case c < ' ':
			return -1
		default:
			ascii = ascii && c < utf8.RuneSelf
			at++
		}
	}
	return -1
}

// shapes are of sound bodies, the last one of each kind and length: the same is written again and again, and only values differ.
type shapes map[shapeOf]*shape

type shapeOf struct {
	kind   string
	length int
}

// shape is of a sound body. Another as long, which may differ from it in the plain characters of its strings and in integers, is sound if there are plain characters and integers again.
type shape struct {
	words    []word // all of it but what is left over at its beginning
	integers []span
}

// word is eight bytes of a shape. In fixed all bits are set of those that may not differ. ^ of turn makes the byte same of each of these in a body that has it too, and of each other byte what odd wants.
type word struct{ turn, fixed uint64 }

const same = '@' // a plain character, ^2 or not

// span is a part of a line. That of a string begins behind its first quote and ends behind its last.
type span struct{ from, to int }

const (
	maxShapes = 256 // a log of one's own making could have any number of kinds
	maxShape  = 4 << 10
)

// sound is whether [CheckBody] finds nothing wrong.
func (s shapes) sound(kind, body []byte) bool {
	if len(body) > maxShape || !salted(body) {
		return CheckBody(body) == nil
	}
	known := s[shapeOf{string(kind), len(body)}]
	if known != nil && known.fits(body) {
		return true
	}
	var values []span
	if !scanBody(body, &values) {
		return CheckBody(body) == nil
	}
	if known == nil {
		if len(s) == maxShapes {
			clear(s)
		}
		known = new(shape)
		s[shapeOf{string(kind), len(body)}] = known
	}
	known.take(body, values)
	return true
}

// take makes the shape that of a sound body, whose values behind the salt that are strings or numbers are given.
func (s *shape) take(b []byte, values []span) {
	s.words, s.integers = s.words[:0], s.integers[:0]
	fixed := bytes.Repeat([]byte{0xff}, len(b))
	clear(fixed[len(saltKey) : saltEnd-1])
	for _, v := range values {
		if b[v.from-1] != '"' {
			s.integers = append(s.integers, v)
			clear(fixed[v.from:v.to])
			continue
		}
		for at := v.from; at < v.to-1; at++ {
			if b[at] == '\\' { // fixed, with what it escapes
				at++
			} else if b[at] < utf8.RuneSelf {
				fixed[at] = 0
			}
		}
	}
	for at := len(b) % 8; at < len(b); at += 8 {
		f := binary.LittleEndian.Uint64(fixed[at:])
		s.words = append(s.words, word{(binary.LittleEndian.Uint64(b[at:])^ones*same)&f | ones*2&^f, f})
	}
}

// differences are zero where there are none: in wrong what may not differ, in the top bits of strange what is no plain character.
type differences struct{ wrong, strange uint64 }

// against adds what differs in the next eight bytes of a body.
func (w word) against(b []byte, d differences) differences {
	turned := binary.LittleEndian.Uint64(b) ^ w.turn
	return differences{d.wrong | (turned^ones*same)&w.fixed, d.strange | odd(turned)}
}

// fits is whether a salted body that is as long as the shape's is sound by it.
func (s *shape) fits(b []byte) bool {
	words, rest := s.words, b[len(b)%8:] // what is before it every salted body has
	var found differences
	for ; len(words) >= 4 && len(rest) >= 4*8; words, rest = words[4:], rest[4*8:] { // four at a time, which takes a seventh less
		found = words[0].against(rest, found)
		found = words[1].against(rest[8:], found)
		found = words[2].against(rest[16:], found)
		found = words[3].against(rest[24:], found)
	}
	for i, w := range words {
		found = w.against(rest[8*i:8*i+8], found)
	}
	if found.wrong|found.strange&tops != 0 {
		return false
	}
	for _, v := range s.integers {
		if scanNumber(b, v.from) != v.to {
			return false
		}
	}
	return true
}
