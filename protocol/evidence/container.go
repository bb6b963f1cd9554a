package evidence

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"crypto/sha256"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// member is one file in the bag.
type member struct {
	name   string // below the bag's folder
	size   int64
	crc    uint32
	start  int64 // of its content in the zip
	sum    protocol.Hash
	broken bool // its content is not what the zip's own checksum says
}

// container is the zip, taken apart but not yet believed.
type container struct {
	r       io.ReaderAt
	size    int64
	base    string
	members []*member
	byName  map[string]*member
}

// openContainer reads the zip's directory and demands that everything around the files is as [zipWriter] would have written it. What is
// not goes to v; a nil container means that nothing more can be said.
func openContainer(r io.ReaderAt, size int64, v *Verdict) *container {
	zr, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		v.fail(inFile("(zip)"), say("De inhoudsopgave van de zip is niet te lezen: %v. Haal de zip opnieuw op.", "The directory of the zip cannot be read: %v. Fetch the zip again.", err))
		return nil
	}
	if len(zr.File) == 0 {
		v.fail(inFile("(zip)"), say("De zip is leeg.", "The zip is empty."))
		return nil
	}
	base, _, _ := strings.Cut(zr.File[0].Name, "/")
	c := &container{r: r, size: size, base: base, byName: map[string]*member{}}
	if protocol.ValidID(protocol.GrantID(base)) != nil {
		v.fail(inFile(zr.File[0].Name), say("De map in de zip heeft geen geldige naam.", "The folder in the zip has no valid name."))
		return nil
	}
	stamp := uint32(zr.File[0].ModifiedDate)<<16 | uint32(zr.File[0].ModifiedTime)
	var directory []zipEntry
	at := int64(0)
	for _, f := range zr.File {
		e := zipEntry{Name: f.Name, Size: f.UncompressedSize64, CRC: f.CRC32, Offset: uint64(at)}
		name, inside := strings.CutPrefix(f.Name, base+"/")
		if !inside || !belongs(name) {
			v.fail(inFile(f.Name), say("Dit bestand hoort niet in een bewijsmap.", "This file does not belong in a bag."))
			name = f.Name
		}
		local, trailer := e.local(stamp), e.trailer()
		if e.Size > uint64(size) || at+int64(len(local))+int64(e.Size)+int64(len(trailer)) > size {
			v.fail(inFile(name), say("Volgens de zip is dit bestand %d bytes: meer dan de hele zip.", "The zip says this file is %d bytes: more than the whole zip.", e.Size))
			return nil
		}
		if !c.matches(at, local, name, "(zip header)", v) && len(v.Findings) > 5 {
			v.fail(inFile("(zip)"), say("De zip is na het maken opnieuw ingepakt of flink beschadigd. Vraag de oorspronkelijke zip.", "The zip was packed anew after it was made, or is badly damaged. Ask for the original zip."))
			return nil
		}
		m := &member{name: name, size: int64(e.Size), crc: e.CRC, start: at + int64(len(local))}
		c.matches(m.start+m.size, trailer, name, "(zip trailer)", v)
		at = m.start + m.size + int64(len(trailer))
		directory = append(directory, e)
		if c.byName[name] != nil {
			v.fail(inFile(name), say("Deze naam staat twee keer in de zip.", "This name is in the zip twice."))
			continue
		}
		c.byName[name] = m
		c.members = append(c.members, m)
	}
	start := at
	for i, e := range directory {
		b := e.central(stamp)
		if !c.matches(at, b, strings.TrimPrefix(zr.File[i].Name, base+"/"), "(zip directory)", v) && len(v.Findings) > 5 {
			return c
		}
		at += int64(len(b))
	}
	end := zipEnd(len(directory), uint64(start), uint64(at-start))
	c.matches(at, end, "(zip)", "(zip end)", v)
	if at += int64(len(end)); at != size {
		v.fail(inFile("(zip)").at(at), say("Na de inhoudsopgave van de zip staat nog iets.", "Something follows the directory of the zip."))
	}
	return c
}

// matches compares the zip at an offset with what must stand there.
func (c *container) matches(at int64, want []byte, name, part string, v *Verdict) bool {
	got := make([]byte, len(want))
	n, err := c.r.ReadAt(got, at)
	if n == len(want) && bytes.Equal(got, want) {
		return true
	}
	if n < len(want) {
		v.fail(inFile(name), say("De zip houdt hier op, bij byte %d van de zip (%v).", "The zip ends here, at byte %d of the zip (%v).", at+int64(n), err))
		return false
	}
	i := 0
	for i < len(want) && got[i] == want[i] {
		i++
	}
	v.fail(inFile(name), say("Rond dit bestand is de zip veranderd, bij byte %d van de zip %s.", "Around this file the zip was changed, at byte %d of the zip %s.", at+int64(i), part))
	return false
}

func (c *container) section(m *member) *io.SectionReader {
	return io.NewSectionReader(c.r, m.start, m.size)
}

// content reads a small file whole; nil if it is not there or longer than limit.
func (c *container) content(name string, limit int64, v *Verdict) []byte {
	m := c.byName[name]
	if m == nil {
		v.fail(inFile(name), say("Dit bestand ontbreekt.", "This file is missing."))
		return nil
	}
	if m.size > limit {
		v.fail(inFile(name), say("Dit bestand is %d bytes; zo'n bestand heeft er hoogstens %d.", "This file is %d bytes; such a file has at most %d.", m.size, limit))
		return nil
	}
	b := make([]byte, m.size)
	if _, err := io.ReadFull(c.section(m), b); err != nil {
		v.fail(inFile(name), say("Dit bestand is niet te lezen: %v.", "This file cannot be read: %v.", err))
		return nil
	}
	return b
}

// cut is a stretch of a file to be hashed by itself.
type cut struct {
	from, to int64
	sum      protocol.Hash
}

// hash reads a file once, and takes the hashes of the whole and of the cuts, which do not overlap and stand in order.
func (c *container) hash(m *member, cuts []*cut, read func(n int)) error {
	whole, crc := sha256.New(), crc32.NewIEEE()
	r := c.section(m)
	buffer := make([]byte, 256<<10)
	at := int64(0)
	copyTo := func(to int64, w io.Writer) error {
		for at < to {
			b := buffer[:min(int64(len(buffer)), to-at)]
			n, err := io.ReadFull(r, b)
			if err != nil {
				return fmt.Errorf("%s at byte %d: %w", m.name, at+int64(n), err)
			}
			whole.Write(b)
			crc.Write(b)
			if w != nil {
				if _, err := w.Write(b); err != nil {
					return err
				}
			}
			at += int64(n)
			read(n)
		}
		return nil
	}
	for _, k := range cuts {
		if err := copyTo(k.from, nil); err != nil {
			return err
		}
		part := sha256.New()
		if err := copyTo(k.to, part); err != nil {
			return err
		}
		k.sum = protocol.Hash(part.Sum(nil))
	}
	if err := copyTo(m.size, nil); err != nil {
		return err
	}
	m.sum, m.broken = protocol.Hash(whole.Sum(nil)), crc.Sum32() != m.crc
	return nil
}
