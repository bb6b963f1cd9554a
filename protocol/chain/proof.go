package chain

import (
	"bytes"
	"fmt"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Proof shows that one entry is in the log that a checkpoint describes (C2SP tlog-proof). It is kept beside the entry's header line.
type Proof struct {
	Seq        uint64
	Hashes     tlog.RecordProof
	Checkpoint []byte // the note, with its cosignatures
}

// NewProof proves entry seq under a checkpoint of a size, whose note the proof will carry.
func NewProof(seq, size uint64, checkpoint []byte, r HashReader) (Proof, error) {
	hashes, err := InclusionProof(seq, size, r)
	if err != nil {
		return Proof{}, err
	}
	return Proof{Seq: seq, Hashes: hashes, Checkpoint: checkpoint}, nil
}

// MarshalProof writes a proof as a tlog-proof file.
func MarshalProof(p Proof) []byte {
	t := proof.TLogProof{Index: p.Seq, Checkpoint: p.Checkpoint}
	for _, h := range p.Hashes {
		t.Hashes = append(t.Hashes, h)
	}
	return t.Marshal()
}

// ParseProof reads a tlog-proof file in the form [MarshalProof] writes. It verifies nothing.
func ParseProof(file []byte) (Proof, error) {
	var t proof.TLogProof
	if err := t.Unmarshal(file); err != nil {
		return Proof{}, fmt.Errorf("proof: %w", err)
	}
	p := Proof{Seq: t.Index, Checkpoint: t.Checkpoint}
	for _, h := range t.Hashes {
		p.Hashes = append(p.Hashes, h)
	}
	if p.Seq >= MaxInteger || len(p.Hashes) > 64 {
		return Proof{}, fmt.Errorf("proof: of entry %d with %d hashes: cannot be", p.Seq, len(p.Hashes))
	}
	if !bytes.Equal(MarshalProof(p), file) {
		return Proof{}, fmt.Errorf("proof: not in its one form (extra data, carriage returns, leading zeros or loose base64)")
	}
	return p, nil
}

// VerifyProof checks a tlog-proof file for a header line: the entry is in the log, and the log's key and v.Quorum witnesses say so. It returns
// the parsed header, the checkpoint and its cosignatures, whose times say by when the entry existed. The body, where there is one, still
// has to be compared with the header's Body.
func VerifyProof(file, header []byte, v Verifier) (Header, Checkpoint, []Cosignature, error) {
	fail := func(err error) (Header, Checkpoint, []Cosignature, error) { return Header{}, Checkpoint{}, nil, err }
	p, err := ParseProof(file)
	if err != nil {
		return fail(err)
	}
	c, cosigned, err := OpenSuccessor(p.Checkpoint, v.Origin, v.Log, v.Witnesses...)
	if err != nil {
		return fail(err)
	}
	if len(cosigned) < v.Quorum {
		return fail(fmt.Errorf("proof of entry %d: %d of the witnesses cosigned, %d are needed", p.Seq, len(cosigned), v.Quorum))
	}
	if err := CheckInclusion(p.Hashes, c.Size, c.Root, p.Seq, header); err != nil {
		return fail(err)
	}
	h, err := ParseHeader(header)
	if err != nil {
		return fail(fmt.Errorf("entry %d: %w", p.Seq, err))
	}
	if h.Seq != p.Seq {
		return fail(fmt.Errorf("proof of entry %d: the header says %d", p.Seq, h.Seq))
	}
	return h, c, cosigned, nil
}

// Holds reports whether a body line is the one this header was sealed with.
func (h Header) Holds(body []byte) bool { return protocol.HashOf(body) == h.Body }
