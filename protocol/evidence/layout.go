package evidence

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// The names in a bag, below its one folder.
const (
	fileBagIt       = "bagit.txt"
	fileInfo        = "bag-info.txt"
	fileManifest    = "manifest-sha256.txt"
	fileTagManifest = "tagmanifest-sha256.txt"
	fileReadme      = "LEESMIJ.html"
	fileScript      = "verify.py"
	fileCheckpoint  = "proof/checkpoint"
	fileGrant       = "orders/grant.txt"
	fileRoster      = "orders/roster.txt"
	fileEnvelope    = "orders/grant-envelope.txt"
	nameInit        = "init.mp4"
	nameSegments    = "segments.tsv"
	nameGaps        = "gaps.tsv"
)

const bagItText = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

func runFolder(s protocol.SegmentLine) string {
	return "data/" + string(s.Camera) + "/" + string(s.Run) + "/"
}

// nameStart is a moment in a file name: no colons, which Windows refuses.
const nameStart = "20060102T150405.000Z"

func entryFile(seq uint64, kind string) string { return fmt.Sprintf("proof/%d.%s", seq, kind) }

func mandateFile(version uint64) string { return fmt.Sprintf("orders/mandate-%d.txt", version) }

// Segment is one sealed segment and where the journal vouches for it.
type Segment struct {
	protocol.SegmentLine
	Minute uint64          // seq of the footage.sealed entry
	Index  int             // place in the minute's tree, from 0
	Count  int             // leaves of the minute's tree
	Path   []protocol.Hash // RFC 6962 inclusion proof, from the leaf up
}

// placed is a segment as a line of segments.tsv says it lies in the bag.
type placed struct {
	Segment
	File   string // name of the mp4 beside segments.tsv
	Offset int64
}

const segmentColumns = "file\toffset\tminute\tindex\tcount\tpath\tcamera\tstream\trun\tn\tstart\tend\tsize\tsha256\tinit"

func (p placed) String() string {
	path := make([]string, len(p.Path))
	for i, h := range p.Path {
		path[i] = h.String()
	}
	if len(path) == 0 {
		path = []string{"-"}
	}
	return strings.Join([]string{p.File, strconv.FormatInt(p.Offset, 10), strconv.FormatUint(p.Minute, 10), strconv.Itoa(p.Index), strconv.Itoa(p.Count),
		strings.Join(path, ","), p.SegmentLine.String()}, "\t")
}

// parseSegments reads what the writer writes and nothing else.
func parseSegments(text []byte) ([]placed, error) {
	lines, err := tableLines(text, segmentColumns)
	if err != nil {
		return nil, err
	}
	var out []placed
	for i, line := range lines {
		p, err := parsePlaced(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func parsePlaced(line string) (placed, error) {
	var p placed
	f := strings.SplitN(line, "\t", 7)
	if len(f) != 7 {
		return p, fmt.Errorf("%d columns, want 15", len(f))
	}
	var errs [6]error
	p.File = f[0]
	p.Offset, errs[0] = strconv.ParseInt(f[1], 10, 64)
	p.Minute, errs[1] = strconv.ParseUint(f[2], 10, 53)
	p.Index, errs[2] = strconv.Atoi(f[3])
	p.Count, errs[3] = strconv.Atoi(f[4])
	if f[5] != "-" {
		for _, s := range strings.Split(f[5], ",") {
			h, err := protocol.ParseHash(s)
			if err != nil || len(p.Path) == 64 {
				return p, fmt.Errorf("path: want at most 64 hashes in hex with commas between, or -")
			}
			p.Path = append(p.Path, h)
		}
	}
	p.SegmentLine, errs[4] = protocol.ParseSegmentLine(f[6])
	if p.Offset < 0 || p.Index < 0 || p.Index >= p.Count || !validName(p.File) || !strings.HasSuffix(p.File, ".mp4") {
		errs[5] = fmt.Errorf("impossible file name, offset or place in the minute")
	}
	for _, err := range errs {
		if err != nil {
			return p, err
		}
	}
	if p.String() != line {
		return p, fmt.Errorf("not in its one written form")
	}
	return p, nil
}

const gapColumns = "camera\tstream\tfrom\tto\tcause\tdetail"

// gapLine writes a gap; detail is one line of text.
func gapLine(g protocol.Gap) string {
	to, detail := "-", strings.Join(strings.Fields(g.Detail), " ")
	if g.To != nil {
		to = g.To.String()
	}
	if detail == "" {
		detail = "-"
	}
	return strings.Join([]string{string(g.Camera), string(g.Stream), g.From.String(), to, g.Cause, detail}, "\t")
}

func parseGaps(text []byte) ([]protocol.Gap, error) {
	lines, err := tableLines(text, gapColumns)
	if err != nil {
		return nil, err
	}
	var out []protocol.Gap
	for i, line := range lines {
		g, err := parseGap(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+2, err)
		}
		out = append(out, g)
	}
	return out, nil
}

func parseGap(line string) (protocol.Gap, error) {
	f := strings.Split(line, "\t")
	if len(f) != 6 {
		return protocol.Gap{}, fmt.Errorf("%d columns, want 6", len(f))
	}
	g := protocol.Gap{Camera: protocol.CameraID(f[0]), Stream: protocol.StreamID(f[1]), Cause: f[4], Detail: f[5]}
	if err := protocol.ValidID(g.Camera); err != nil {
		return g, err
	}
	if err := protocol.ValidID(g.Stream); err != nil {
		return g, err
	}
	if err := protocol.ValidID(g.Cause); err != nil {
		return g, fmt.Errorf("cause: %w", err)
	}
	var err error
	if g.From, err = protocol.ParseTime(f[2]); err != nil {
		return g, err
	}
	if f[3] != "-" {
		to, err := protocol.ParseTime(f[3])
		if err != nil {
			return g, err
		}
		if !g.From.Before(to.Time) {
			return g, fmt.Errorf("gap ends at %s, before it begins", to)
		}
		g.To = &to
	}
	if g.Detail == "-" {
		g.Detail = ""
	}
	if gapLine(g) != line {
		return g, fmt.Errorf("not in its one written form")
	}
	return g, nil
}

// tableLines takes off the line of column names.
func tableLines(text []byte, columns string) ([]string, error) {
	rest, ok := strings.CutPrefix(string(text), columns+"\n")
	if !ok {
		return nil, fmt.Errorf("line 1: want the column names %q", columns)
	}
	if rest == "" {
		return nil, nil
	}
	body, ok := strings.CutSuffix(rest, "\n")
	if !ok {
		return nil, fmt.Errorf("the last line is not ended")
	}
	return strings.Split(body, "\n"), nil
}

// manifestLine is a line of a BagIt manifest (RFC 8493 section 2.1.3).
func manifestLine(sum protocol.Hash, name string) string { return sum.String() + "  " + name + "\n" }

func parseManifest(text []byte) (map[string]protocol.Hash, error) {
	out := map[string]protocol.Hash{}
	body, ended := strings.CutSuffix(string(text), "\n")
	if !ended {
		return nil, fmt.Errorf("the last line is not ended")
	}
	for i, line := range strings.Split(body, "\n") {
		sum, name, ok := strings.Cut(line, "  ")
		h, err := protocol.ParseHash(sum)
		if !ok || err != nil {
			return nil, fmt.Errorf("line %d: want a SHA-256 in hex, two spaces and a file name", i+1)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("line %d: %s is listed twice", i+1, name)
		}
		out[name] = h
	}
	return out, nil
}

// info is bag-info.txt: what the bag says of itself. All of it is compared with what the journal and the orders prove.
type info struct {
	Made         protocol.Time
	Software     string
	Municipality string
	Recorder     protocol.RecorderID
	Camera       protocol.CameraID
	Request      protocol.RequestID
	Grant        protocol.GrantID
	Interval     protocol.Interval
	Files        int   // in data/
	Bytes        int64 // of them
	Sound        bool  // a run in it has a track of sound; a bag without says nothing of it
}

func (i info) String() string {
	text := fmt.Sprintf("Bag-Software-Agent: %s\nBagging-Date: %s\nPayload-Oxum: %d.%d\nBag-Group-Identifier: %s\nExternal-Identifier: %s\n"+
		"Beeldwacht-Made: %s\nBeeldwacht-Municipality: %s\nBeeldwacht-Recorder: %s\nBeeldwacht-Camera: %s\nBeeldwacht-Interval: %s\n",
		i.Software, i.Made.UTC().Format("2006-01-02"), i.Bytes, i.Files, i.Request, i.Grant, i.Made, i.Municipality, i.Recorder, i.Camera, i.Interval)
	if i.Sound {
		text += "Beeldwacht-Sound: recorded\n"
	}
	return text
}

func parseInfo(text []byte) (info, error) {
	values := map[string]string{}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		label, value, ok := strings.Cut(line, ": ")
		if _, twice := values[label]; twice || !ok {
			return info{}, fmt.Errorf("line %d: want \"Label: value\", each label once", i+1)
		}
		values[label] = value
	}
	i := info{Software: values["Bag-Software-Agent"], Municipality: values["Beeldwacht-Municipality"], Recorder: protocol.RecorderID(values["Beeldwacht-Recorder"]),
		Camera: protocol.CameraID(values["Beeldwacht-Camera"]), Request: protocol.RequestID(values["Bag-Group-Identifier"]), Grant: protocol.GrantID(values["External-Identifier"]), Sound: values["Beeldwacht-Sound"] != ""}
	var err error
	if i.Made, err = protocol.ParseTime(values["Beeldwacht-Made"]); err != nil {
		return i, fmt.Errorf("Beeldwacht-Made: %w", err)
	}
	if i.Interval, err = protocol.ParseInterval(values["Beeldwacht-Interval"]); err != nil {
		return i, fmt.Errorf("Beeldwacht-Interval: %w", err)
	}
	size, files, _ := strings.Cut(values["Payload-Oxum"], ".")
	if i.Bytes, err = strconv.ParseInt(size, 10, 64); err == nil {
		i.Files, err = strconv.Atoi(files)
	}
	if err != nil {
		return i, fmt.Errorf("Payload-Oxum: want bytes.files")
	}
	if i.String() != string(text) {
		return i, fmt.Errorf("not in its one written form")
	}
	return i, nil
}

// validName refuses every part of a path that could leave the folder it is unpacked in, or hide.
func validName(part string) bool {
	if part == "" || len(part) > 100 || part[0] == '.' || part[0] == '-' || strings.Contains(part, "..") {
		return false
	}
	return !strings.ContainsFunc(part, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	})
}

// belongs says whether a bag may have a file of this name.
func belongs(name string) bool {
	switch name {
	case fileBagIt, fileInfo, fileManifest, fileTagManifest, fileReadme, fileScript, fileCheckpoint, fileGrant, fileRoster, fileEnvelope:
		return true
	}
	parts := strings.Split(name, "/")
	for _, p := range parts {
		if !validName(p) {
			return false
		}
	}
	switch {
	case len(parts) == 2 && parts[0] == "proof":
		number, kind, _ := strings.Cut(parts[1], ".")
		seq, err := strconv.ParseUint(number, 10, 53)
		return err == nil && (kind == "header" || kind == "body" || kind == "tlog-proof") && entryFile(seq, kind) == name
	case len(parts) == 2 && parts[0] == "orders":
		number, ok := strings.CutPrefix(strings.TrimSuffix(parts[1], ".txt"), "mandate-")
		version, err := strconv.ParseUint(number, 10, 53)
		return ok && err == nil && mandateFile(version) == name
	case len(parts) == 3 && parts[0] == "data":
		return parts[2] == nameGaps
	case len(parts) == 4 && parts[0] == "data":
		return parts[3] == nameSegments || strings.HasSuffix(parts[3], ".mp4")
	}
	return false
}
