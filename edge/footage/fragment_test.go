package footage

import (
	"bytes"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
)

func TestFragmentsAreWhatMediacommonWrites(t *testing.T) {
	unit := func(key bool, back int64, nals ...string) AccessUnit {
		au := AccessUnit{Key: key, PTS: 1000 + back, DTS: 1000}
		for _, n := range nals {
			au.NALs = append(au.NALs, []byte(n))
		}
		return au
	}
	heard := []Sound{{[]byte("one"), 48000 + 7, 960}, {[]byte("three"), 48000 + 7 + 2*960, 960}, {[]byte("four"), 48000 + 7 + 3*960, 480}} // the second was lost
	for name, units := range map[string][]AccessUnit{
		"only key frames":   {unit(true, 0, "\x67sps", "\x68pps", "\x65slice"), unit(true, 0, "\x65slice")},
		"key and others":    {unit(true, 0, "\x65slice"), unit(false, 0, "\x06sei", "\x41slice"), unit(false, 0, "\x41slice")},
		"B-frames":          {unit(true, 3600, "\x65slice"), unit(false, 7200, "\x41slice"), unit(false, -3600, "\x01slice")},
		"an empty NAL unit": {unit(true, 0, "\x65slice", "", "\x65slice")},
		"sound beside":      {unit(true, 0, "\x65slice"), unit(false, 7200, "\x41slice")},
	} {
		part := fmp4.Part{SequenceNumber: 7, Tracks: []*fmp4.PartTrack{{ID: 1, BaseTime: 1 << 33}}}
		var samples []*sample
		for i, au := range units {
			s, err := sampleOf(au)
			if err != nil {
				t.Fatal(err)
			}
			s.duration = uint32(3600 + i)
			samples = append(samples, s)
			var whole h264.AVCC
			for _, n := range au.NALs {
				if len(n) > 0 {
					whole = append(whole, n)
				}
			}
			payload, err := whole.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			part.Tracks[0].Samples = append(part.Tracks[0].Samples, &fmp4.Sample{Duration: s.duration, PTSOffset: int32(au.PTS - au.DTS), IsNonSyncSample: !au.Key, Payload: payload})
		}
		var sound []Sound
		if name == "sound beside" {
			sound = heard
			part.Tracks = append(part.Tracks, &fmp4.PartTrack{ID: 2, BaseTime: 7, Samples: []*fmp4.Sample{
				{Duration: 1920, Payload: []byte("one")}, {Duration: 960, Payload: []byte("three")}, {Duration: 480, Payload: []byte("four")}}})
		}
		var want seekablebuffer.Buffer
		if err := part.Marshal(&want); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := writeFragment(&got, 7, 1<<33, samples, sound, 48000); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%s:\n%x\nmediacommon writes\n%x", name, got.Bytes(), want.Bytes())
		}
	}
}
