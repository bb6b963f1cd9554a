package evidence

import (
	"bytes"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	codecs "github.com/bluenviron/mediacommon/v2/pkg/formats/mp4/codecs"
)

// Beside pictures sound starts at the same moment, in its own time scale; what cannot be a recorder's is refused.
func TestEditListsOfBothTracks(t *testing.T) {
	var source fmp4.Init
	clipInit, _ := clip(t, "reordered.mp4")
	if err := source.Unmarshal(bytes.NewReader(clipInit)); err != nil {
		t.Fatal(err)
	}
	h264 := source.Tracks[0].Codec
	pictures := &fmp4.InitTrack{ID: 1, TimeScale: 90000, Codec: h264}
	opus := &fmp4.InitTrack{ID: 2, TimeScale: 48000, Codec: &codecs.Opus{ChannelCount: 1}}
	const decode = 50*60*90000 + 1 // rounded down: 144000000 and half a tick
	var part seekablebuffer.Buffer
	if err := (&fmp4.Part{Tracks: []*fmp4.PartTrack{{ID: 1, BaseTime: decode, Samples: []*fmp4.Sample{{Duration: 9000, Payload: []byte("key")}}},
		{ID: 2, BaseTime: 144000000 - 700, Samples: []*fmp4.Sample{{Duration: 960, Payload: []byte("sound")}}}}}).Marshal(&part); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		tracks []*fmp4.InitTrack
		want   []int64
	}{
		"pictures and sound": {[]*fmp4.InitTrack{pictures, opus}, []int64{decode, 144000000}},
		"sound first":        {[]*fmp4.InitTrack{opus, pictures}, nil},
		"sound alone":        {[]*fmp4.InitTrack{opus}, nil},
		"pictures twice":     {[]*fmp4.InitTrack{pictures, {ID: 2, TimeScale: 90000, Codec: h264}}, nil},
		"three":              {[]*fmp4.InitTrack{pictures, opus, {ID: 3, TimeScale: 48000, Codec: opus.Codec}}, nil},
	} {
		var init seekablebuffer.Buffer
		if err := (&fmp4.Init{Tracks: c.tracks}).Marshal(&init); err != nil {
			t.Fatal(name, err)
		}
		made, err := initAt(init.Bytes(), part.Bytes())
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil || c.want == nil {
			continue
		}
		f, err := mp4.DecodeFile(bytes.NewReader(append(bytes.Clone(made), part.Bytes()...)))
		if err != nil {
			t.Fatal(name, err)
		}
		for i, trak := range f.Init.Moov.Traks {
			if e := trak.Edts.Elst[0].Entries; len(e) != 1 || e[0].MediaTime != c.want[i] || trak.Edts.Elst[0].Entries[0].MediaRateInteger != 1 {
				t.Errorf("%s: track %d has edits %+v, want media time %d", name, i+1, e, c.want[i])
			}
		}
		if _, err := initAt(made, part.Bytes()); err == nil {
			t.Errorf("%s: an edit list beside an edit list", name)
		}
	}
}

// What the recorder writes gets an edit list that somebody else's parser reads as meant: the first picture's presentation time.
func TestEditListOfWhatRecordersWrite(t *testing.T) {
	var source fmp4.Init
	clipInit, _ := clip(t, "reordered.mp4")
	if err := source.Unmarshal(bytes.NewReader(clipInit)); err != nil {
		t.Fatal(err)
	}
	h264, ok := source.Tracks[0].Codec.(*codecs.H264)
	if !ok {
		t.Fatalf("codec %T", source.Tracks[0].Codec)
	}
	var init, part seekablebuffer.Buffer
	if err := (&fmp4.Init{Tracks: []*fmp4.InitTrack{{ID: 1, TimeScale: 90000, Codec: h264}}}).Marshal(&init); err != nil {
		t.Fatal(err)
	}
	const decode, composition = 40 * 60 * 90000, 18000
	if err := (&fmp4.Part{Tracks: []*fmp4.PartTrack{{ID: 1, BaseTime: decode, Samples: []*fmp4.Sample{
		{Duration: 9000, PTSOffset: composition, Payload: []byte("key")}, {Duration: 9000, PTSOffset: -9000, IsNonSyncSample: true, Payload: []byte("b")}}}}}).Marshal(&part); err != nil {
		t.Fatal(err)
	}
	made, err := initAt(init.Bytes(), part.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	f, err := mp4.DecodeFile(bytes.NewReader(append(bytes.Clone(made), part.Bytes()...)))
	if err != nil {
		t.Fatal(err)
	}
	trak := f.Init.Moov.Trak
	if trak.Edts == nil || len(trak.Edts.Elst) != 1 || len(trak.Edts.Elst[0].Entries) != 1 {
		t.Fatalf("edts %+v", trak.Edts)
	}
	e := trak.Edts.Elst[0].Entries[0]
	if e.MediaTime != decode+composition || e.SegmentDuration != 0 || e.MediaRateInteger != 1 || e.MediaRateFraction != 0 {
		t.Errorf("edit %+v, want media time %d", e, decode+composition)
	}
	trak.Edts = nil
	var without bytes.Buffer
	for i, c := range trak.Children {
		if c.Type() == "edts" {
			trak.Children = append(trak.Children[:i], trak.Children[i+1:]...)
			break
		}
	}
	if err := f.Init.Encode(&without); err != nil || !bytes.Equal(without.Bytes(), init.Bytes()) {
		t.Errorf("without its edit list the copy is not the original (%v)", err)
	}
}
