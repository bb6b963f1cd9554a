package ingest

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/beeldwacht/beeldwacht/edge/footage"
)

// described is what describe leaves out of a description or must be known of it besides.
type described struct {
	payloads []byte   // RTP payload types of the video
	beside   []string // the tracks that are not recorded, in words for people: "sound (G.711)"
	sound    *soundTrack
}

// describe makes of a description (SDP, RFC 8866) one with only what is needed, so that nothing else in it can be held against the video: its tracks, how they are
// coded, and parameter sets that can be read; and, where sound is wanted, the first track of it that can be recorded. Without video all tracks stay, so that it can be told what the camera
// offers.
func describe(sdp []byte, hear bool) ([]byte, described) {
	var blocks [][]string // the lines of the session, and of each medium
	blocks = append(blocks, nil)
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if strings.HasPrefix(line, "m=") {
			blocks = append(blocks, nil)
		}
		blocks[len(blocks)-1] = append(blocks[len(blocks)-1], line)
	}
	out := []string{"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "t=0 0"}
	for _, line := range blocks[0] {
		if control, ok := strings.CutPrefix(line, "a=control:"); ok {
			if u, err := url.Parse(control); err == nil && (control == "*" || u.Host != "") {
				out = append(out, line)
			}
		}
	}
	media := blocks[1:]
	whole := func(block []string) bool { return isVideo(block) && mapped(block) }
	var d described
	heard := -1 // of media
	if slices.ContainsFunc(media, whole) {
		for i, block := range media {
			if hear && d.sound == nil {
				if d.sound = soundIn(block); d.sound != nil {
					heard = i
				}
			}
			if !whole(block) && i != heard {
				d.beside = append(d.beside, name(block))
			}
		}
	} else {
		whole = func([]string) bool { return true }
	}
	for i, block := range media {
		if i == heard {
			out = append(out, d.sound.described(block)...)
			continue
		} else if !whole(block) {
			continue
		}
		if isVideo(block) && d.payloads == nil {
			for _, p := range payloads(block) {
				d.payloads = append(d.payloads, byte(p))
			}
		}
		out = append(out, medium(block))
		for _, line := range block[1:] {
			switch {
			case strings.HasPrefix(line, "a=control:"), strings.HasPrefix(line, "a=rtpmap:"), strings.HasPrefix(line, "a=key-mgmt:"):
				out = append(out, line)
			case strings.HasPrefix(line, "a=fmtp:"):
				out = append(out, parameters(line, codecs(block)))
			}
		}
	}
	return []byte(strings.Join(out, "\r\n") + "\r\n"), d
}

func printable(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// medium is the first line of a medium; that of video is said anew.
func medium(block []string) string {
	if !isVideo(block) || len(payloads(block)) == 0 {
		return block[0]
	}
	protocol := "RTP/AVP"
	if strings.Contains(strings.Fields(block[0])[2], "SAVP") {
		protocol = "RTP/SAVP"
	}
	line := "m=video 0 " + protocol
	for _, p := range payloads(block) {
		line += " " + strconv.Itoa(p)
	}
	return line
}

func isVideo(block []string) bool { return strings.HasPrefix(block[0], "m=video ") }

// payloads are the payload types of a medium; those that cannot be read are left out.
func payloads(block []string) (list []int) {
	fields := strings.Fields(block[0])
	for _, field := range fields[min(3, len(fields)):] {
		if n, err := strconv.Atoi(field); err == nil && n >= 0 && n < 128 {
			list = append(list, n)
		}
	}
	return list
}

// mapped tells whether each payload type of a medium says what it is.
func mapped(block []string) bool {
	list := payloads(block)
	for _, p := range list {
		if p >= 96 && !slices.ContainsFunc(block, func(line string) bool { return strings.HasPrefix(line, "a=rtpmap:"+strconv.Itoa(p)+" ") }) {
			return false
		}
	}
	return len(list) > 0
}

// codecs are the names of a medium's codings, in capitals.
func codecs(block []string) (names []string) {
	for _, line := range block {
		if rest, ok := strings.CutPrefix(line, "a=rtpmap:"); ok {
			_, coding, _ := strings.Cut(rest, " ")
			coding, _, _ = strings.Cut(strings.TrimSpace(coding), "/")
			names = append(names, strings.ToUpper(coding))
		}
	}
	if len(names) == 0 {
		for _, p := range payloads(block) {
			names = append(names, map[int]string{0: "PCMU", 8: "PCMA", 26: "JPEG"}[p])
		}
	}
	return names
}

// name says what a track is.
func name(block []string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(block[0], "m="), " ")
	list := codecs(block)
	for i, c := range list {
		if spoken, ok := map[string]string{"PCMU": "G.711", "PCMA": "G.711", "MPEG4-GENERIC": "AAC", "MP4A-LATM": "AAC", "OPUS": "Opus"}[c]; ok {
			list[i] = spoken
		}
	}
	if kind == "audio" {
		kind = "sound"
	}
	if coding := strings.Join(slices.Compact(list), ", "); coding != "" {
		return kind + " (" + coding + ")"
	}
	return kind
}

// parameters keeps of the fmtp line of H.264 or H.265 what must be known before the first packet. Parameter sets that cannot be read go: they come in band as well,
// or the camera cannot be recorded.
func parameters(line string, codecs []string) string {
	codec := footage.H264
	switch {
	case slices.Contains(codecs, "H265"):
		codec = footage.H265
	case !slices.Contains(codecs, "H264"):
		return line
	}
	payload, list, _ := strings.Cut(line, " ")
	var kept []string
	for field := range strings.SplitSeq(list, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name = strings.ToLower(name); name {
		case "packetization-mode", "sprop-max-don-diff":
			if _, err := strconv.Atoi(value); err == nil {
				kept = append(kept, name+"="+value)
			}
		case "sprop-parameter-sets":
			first, second := parameterSet(codec, sps, value), parameterSet(codec, pps, value)
			if first != "" && second != "" {
				kept = append(kept, name+"="+first+","+second)
			}
		case "sprop-vps", "sprop-sps", "sprop-pps":
			if set := parameterSet(codec, map[string]kind{"sprop-vps": vps, "sprop-sps": sps, "sprop-pps": pps}[name], value); set != "" {
				kept = append(kept, name+"="+set)
			}
		}
	}
	return payload + " " + strings.Join(kept, ";")
}

// parameterSet finds a parameter set in a list of them, in base64 with or without padding, with or without start codes. It is returned in base64 with padding and
// without start codes; empty is none.
func parameterSet(codec footage.Codec, of kind, list string) string {
	for text := range strings.SplitSeq(list, ",") {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(text), "="))
		if err != nil {
			continue
		}
		for _, nal := range unwrap(nil, codec, raw) {
			if kindOf(codec, nal) == of {
				return base64.StdEncoding.EncodeToString(nal)
			}
		}
	}
	return ""
}
