package ingest

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
)

// mp4Clip reads the frames of a plain MP4 file with H.264, to be sent a hundred a second.
func mp4Clip(t testing.TB, name string, raw []byte) cameratest.Clip {
	t.Helper()
	file, err := mp4.DecodeFile(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	table := file.Moov.Trak.Mdia.Minf.Stbl
	avc := table.Stsd.AvcX.AvcC
	c := cameratest.Clip{Name: name, Codec: "h264", SPS: avc.SPSnalus[0], PPS: avc.PPSnalus[0]}
	for i := range int(table.Stsz.SampleNumber) {
		chunk, first, err := table.Stsc.ChunkNrFromSampleNr(i + 1)
		if err != nil {
			t.Fatal(err)
		}
		at, err := table.Stco.GetOffset(chunk)
		if err != nil {
			t.Fatal(err)
		}
		for n := first; n <= i; n++ {
			at += uint64(table.Stsz.GetSampleSize(n))
		}
		sample := raw[at : at+uint64(table.Stsz.GetSampleSize(i+1))]
		f := cameratest.Frame{DTS: int64(i) * 900, PTS: int64(i) * 900}
		for len(sample) >= 4 {
			n := int(binary.BigEndian.Uint32(sample))
			f.NALs = append(f.NALs, sample[4:4+n])
			f.Key = f.Key || sample[4]&31 == 5
			sample = sample[4+n:]
		}
		c.Frames = append(c.Frames, f)
	}
	if shift := table.Ctts; shift != nil { // B-frames: shown later than sent
		for i := range c.Frames {
			offset := int64(shift.GetCompositionTimeOffset(uint32(i+1))) - int64(shift.GetCompositionTimeOffset(1))
			_, length := table.Stts.GetDecodeTime(uint32(i + 1))
			c.Frames[i].PTS += offset / int64(length) * 900
		}
	}
	c.Length = int64(len(c.Frames)) * 900
	return c
}
