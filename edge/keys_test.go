package edge

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/tpm"
	"github.com/beeldwacht/beeldwacht/edge/tpm/tpmtest"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/protocoltest"
)

// tell sends an answer down, as the centre does.
func (s *street) tell(raw []byte, err error) []byte {
	s.Helper()
	s.check(err)
	s.check(s.broker.Publish(protocol.Topic(s.town.Recorder, protocol.DownShare), raw, false, 1))
	return raw
}

// A recorder takes a share only from the centre's own key, in answer to what it asked last. Without it, it records, says why it serves nothing, and gives nothing; an answer to
// an earlier start does not open it.
func TestShareIsTakenFromTheCentreOnly(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.config.KeysHolder = HolderCentre
	s.connect()
	a, stop := s.start()
	s.order(s.mandate(1, func(*protocol.Mandate) {}))
	asks := func(what string, is func(*protocol.ShareAsk) bool) (ask protocol.ShareAsk) {
		t.Helper()
		s.eventually(what, func() bool {
			got := s.now().Share
			if got == nil || !is(got) {
				return false
			}
			ask = *got
			return true
		})
		return ask
	}
	share := func(b string) protocol.Share {
		return protocol.Share{ID: protocol.ShareID(strings.Repeat(b, 16)), Secret: [protocol.ShareSize]byte([]byte(strings.Repeat(b, 16)))}
	}
	one, two := share("a1"), share("b2")
	ask := asks("the first ask", func(k *protocol.ShareAsk) bool { return k.Next && k.Open && len(k.Uses) == 0 })
	stranger, _ := protocoltest.Key(t, s.town.Order.Name())
	other, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	s.check(err)
	s.tell(protocol.SealShare(protocol.ShareAnswer{Next: &two}, s.town.Recorder, ask.Key, stranger))
	s.tell(protocol.SealShare(protocol.ShareAnswer{Next: &two}, s.town.Recorder, other.PublicKey().Bytes(), s.town.Order))
	old := s.tell(protocol.SealShare(protocol.ShareAnswer{Next: &one}, s.town.Recorder, ask.Key, s.town.Order))
	again := asks("the first share in use", func(k *protocol.ShareAsk) bool { return len(k.Uses) == 1 && !k.Next })
	if again.Uses[0] != one.ID || bytes.Equal(again.Key, ask.Key) {
		t.Fatalf("in use: %v; the key to seal to is new: %t", again.Uses, !bytes.Equal(again.Key, ask.Key))
	}
	s.eventually("it records", s.records)
	stop()

	a, stop = s.start()
	ask = asks("locked", func(k *protocol.ShareAsk) bool { return !k.Open && k.Next })
	s.eventually("it records write-only, and says so", func() bool {
		return s.records() && strings.Contains(s.now().Why, "write-only until the centre's share arrives")
	})
	s.tell(old, nil)
	if st := a.footage.KeyState(); !st.Locked {
		t.Error("an answer to an earlier start opened it")
	}
	s.eventually("pieces are sealed", func() bool { return a.footage.KeyState().Blind > 1 })
	if page := s.text(a); !strings.Contains(page, "WRITE-ONLY") {
		t.Error(page)
	}
	s.tell(protocol.SealShare(protocol.ShareAnswer{Refused: protocol.ShareLost}, s.town.Recorder, ask.Key, s.town.Order))
	s.eventually("the refusal is told", func() bool { return strings.Contains(s.text(a), "does not have this recorder's share") })
	s.tell(protocol.SealShare(protocol.ShareAnswer{Shares: []protocol.Share{one}, Next: &two}, s.town.Recorder, ask.Key, s.town.Order))
	s.eventually("open, under the next", func() bool { st := a.footage.KeyState(); return !st.Locked && st.Under == two.ID })
	s.eventually("nothing is wrong any more", func() bool { return s.now().Why == "" && !strings.Contains(s.text(a), "WRITE-ONLY") })
	found, err := a.footage.Check(t.Context())
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	stop()
	var out bytes.Buffer
	if err := (&Agent{Config: s.config, Log: slog.New(slog.DiscardHandler)}).Check(t.Context(), &out); err != nil || !strings.Contains(out.String(), "NOTE") {
		t.Errorf("check of a stopped recorder: %v\n%s", err, &out)
	}
}

func (s *street) text(a *Agent) string { now := a.Situation(); return now.Text(time.UTC) }

// The credential comes from systemd, and without it the recorder says where to put it, and does not begin anew.
func TestKeysUnderASystemdCredential(t *testing.T) {
	s := newStreet(t)
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	s.config.KeysHolder = HolderCredential
	open := func() error {
		a := &Agent{Config: s.config, Log: slog.New(slog.DiscardHandler)}
		return errors.Join(a.open(t.Context()), a.close())
	}
	refused := func(want string) {
		t.Helper()
		if err := open(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	give := func(secret string) {
		t.Helper()
		s.check(os.WriteFile(filepath.Join(dir, credentialName), []byte(secret), 0o600))
	}
	refused("LoadCredentialEncrypted")
	give("short")
	refused("at least 32")
	give(strings.Repeat("secret of this machine ", 3))
	s.check(open())
	s.check(open())
	give(strings.Repeat("of another machine ", 3))
	refused("another credential")
	s.config.KeysHolder = HolderFile
	refused("set keys_holder as it was")
	give(strings.Repeat("secret of this machine ", 3))
	s.config.KeysHolder = HolderCredential
	s.check(open())
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	refused("systemd-run")
}

// With its share in a TPM (swtpm here) a recorder replaces it each hour. On a machine whose TPM is another, or does not answer, it records write-only and reads nothing, and it goes
// on as it was when the TPM is there again.
func TestKeysWithATPM(t *testing.T) {
	t.Parallel()
	chip, other := tpmtest.Start(t), tpmtest.Start(t)
	s := newStreet(t)
	s.config.KeysHolder, s.config.Keys = HolderTPM, filepath.Join(s.dir, "keys")
	s.connect()
	auth := bytes.Repeat([]byte{7}, 32)
	s.check(os.Mkdir(s.config.Keys, 0o700))
	s.check(os.WriteFile(filepath.Join(s.config.Keys, "tpm.auth"), auth, 0o600))
	direct, err := tpm.New(chip.Open, auth)
	s.check(err)
	before, err := direct.Next("", time.Now().Add(-2*time.Hour))
	s.check(err)

	s.tpm = chip.Open
	a, stop := s.start()
	s.order(s.mandate(1, nil))
	s.eventually("it records", func() bool { return s.records() && !s.sealedUntil().IsZero() })
	s.eventually("a share of two hours old is replaced and destroyed", func() bool {
		kept, err := direct.Shares()
		s.check(err)
		return len(kept) == 1 && kept[0].ID != before.ID && kept[0].ID == a.footage.KeyState().Under
	})
	under := a.footage.KeyState().Under
	if page := s.text(a); !strings.Contains(page, "erased within the hour") {
		t.Error(page)
	}
	stop()
	s.sound()

	for what, open := range map[string]func() (io.ReadWriteCloser, error){"another machine": other.Open, "no answer": func() (io.ReadWriteCloser, error) { return nil, errors.New("no answer") }} {
		s.tpm = open
		a, stop = s.start()
		s.eventually("it records: "+what, func() bool { return s.records() && a.footage.KeyState().Blind > 1 })
		if page := s.text(a); !a.footage.KeyState().Locked || !strings.Contains(page, "WRITE-ONLY until the TPM answers") {
			t.Errorf("%s:\n%s", what, page)
		}
		stop()
	}

	chip.Restart(t)
	s.tpm = chip.Open
	a, stop = s.start()
	s.eventually("open again", func() bool { return !a.footage.KeyState().Locked })
	if st := a.footage.KeyState(); st.Under != under {
		t.Errorf("under %s, want what it was within the hour: %s", st.Under, under)
	}
	found, err := a.footage.Check(t.Context())
	if err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	stop()
}
