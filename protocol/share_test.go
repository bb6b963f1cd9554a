package protocol_test

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

func askKey(t *testing.T) hpke.PrivateKey {
	t.Helper()
	k, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// An answer opens for the recorder and the ask it was made for, once signed by the centre's order key, and for nobody else; its secrets are not in it to read.
func TestShareAnswerIsForOneAsk(t *testing.T) {
	signer, vkey := protocoltest.Key(t, "orders.stad/beeldwacht")
	order, err := protocol.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := protocoltest.Key(t, "orders.stad/beeldwacht")
	share := func(b byte) protocol.Share {
		return protocol.Share{ID: protocol.ShareID(strings.Repeat(hex.EncodeToString([]byte{b}), 16)), Secret: [32]byte{1, b}}
	}
	next := share(3)
	mine, answer := askKey(t), protocol.ShareAnswer{Shares: []protocol.Share{share(1), share(2)}, Next: &next}
	raw, err := protocol.SealShare(answer, "rec-1", mine.PublicKey().Bytes(), signer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := protocol.OpenShare(raw, "rec-1", mine, order)
	if err != nil || len(got.Shares) != 2 || got.Shares[1] != share(2) || got.Next == nil || *got.Next != next {
		t.Fatal(got, err)
	}
	if text := string(raw); strings.Contains(text, hex.EncodeToString(next.Secret[:])) || strings.Contains(text, string(next.ID)) {
		t.Error("the answer can be read on its way")
	}
	for name, open := range map[string]func() (protocol.ShareAnswer, error){
		"another recorder": func() (protocol.ShareAnswer, error) { return protocol.OpenShare(raw, "rec-2", mine, order) },
		"another start":    func() (protocol.ShareAnswer, error) { return protocol.OpenShare(raw, "rec-1", askKey(t), order) },
		"another signer": func() (protocol.ShareAnswer, error) {
			forged, err := protocol.SealShare(answer, "rec-1", mine.PublicKey().Bytes(), other)
			if err != nil {
				t.Fatal(err)
			}
			return protocol.OpenShare(forged, "rec-1", mine, order)
		},
		"changed": func() (protocol.ShareAnswer, error) {
			return protocol.OpenShare([]byte(strings.Replace(string(raw), "sealed ", "sealed A", 1)), "rec-1", mine, order)
		},
	} {
		if a, err := open(); err == nil {
			t.Errorf("%s: opened: %v", name, a)
		} else if strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(next.Secret[:])) {
			t.Errorf("%s: the error tells the secret", name)
		}
	}
	refused, err := protocol.SealShare(protocol.ShareAnswer{Refused: protocol.ShareStolen}, "rec-1", mine.PublicKey().Bytes(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := protocol.OpenShare(refused, "rec-1", mine, order); err != nil || a.Refused != protocol.ShareStolen || a.Next != nil {
		t.Error(a, err)
	}
}

// A status of a recorder without a share is as it always was: an older centre reads it.
func TestStatusWithoutAShareIsAsBefore(t *testing.T) {
	signer, vkey := protocoltest.Key(t, "rec-1.stad/beeldwacht")
	v, err := protocol.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := protocol.SignStatus(protocol.Status{Recorder: "rec-1"}, signer)
	if err != nil || strings.Contains(string(raw), "share") {
		t.Fatal(string(raw), err)
	}
	ask := &protocol.ShareAsk{Key: []byte{1, 2}, Uses: []protocol.ShareID{"00"}, Next: true}
	if raw, err = protocol.SignStatus(protocol.Status{Recorder: "rec-1", Share: ask}, signer); err != nil {
		t.Fatal(err)
	}
	s, err := protocol.OpenStatus(raw, v)
	if err != nil || s.Share == nil || string(s.Share.Key) != "\x01\x02" || len(s.Share.Uses) != 1 || !s.Share.Next || s.Share.Open {
		t.Error(s.Share, err)
	}
}
