package edge

import (
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Where the second part of the generation key is (package footage, What deletion is worth): Config.KeysHolder.
const (
	HolderFile       = "file"       // there is none: the key is in the folder of the keys, whole
	HolderCredential = "credential" // a systemd credential, sealed to this machine's TPM where it has one
	HolderCentre     = "centre"     // at the centre, which gives it at each start to a recorder that is not stolen
)

// credentialName is what the unit calls the credential.
const credentialName = "beeldwacht-keys"

// credential reads the share that systemd gives this service.
func credential() (s protocol.Share, err error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return s, fmt.Errorf("keys_holder is credential, and systemd gave none ($CREDENTIALS_DIRECTORY is not set); by hand: systemd-run --pty --wait -p User=beeldwacht -p LoadCredentialEncrypted=%s:/etc/beeldwacht/%s.cred beeldwacht-edge check", credentialName, credentialName)
	}
	secret, err := os.ReadFile(filepath.Join(dir, credentialName))
	if err != nil {
		return s, fmt.Errorf("keys_holder is credential: %w; the unit names it in LoadCredentialEncrypted", err)
	}
	defer clear(secret)
	if len(secret) < 32 {
		return s, fmt.Errorf("credential %s has %d bytes: want at least 32 random ones", credentialName, len(secret))
	}
	s.Secret = sha256.Sum256(append([]byte("beeldwacht credential\n"), secret...))
	id := sha256.Sum256(append([]byte("beeldwacht credential id\n"), s.Secret[:]...))
	s.ID = protocol.ShareID(hex.EncodeToString(id[:16]))
	return s, nil
}

// shares are those that are known at the start.
func (a *Agent) shares() ([]protocol.Share, error) {
	if a.Config.KeysHolder != HolderCredential {
		return nil, nil
	}
	s, err := credential()
	return []protocol.Share{s}, err
}

// everyShare is how long a share of the centre is in use before the recorder asks for the next: what expired before then is erased once the centre has destroyed it.
const everyShare = 24 * time.Hour

// centreShare is the recorder's side of the share that the centre holds.
type centreShare struct {
	mu      sync.Mutex
	ask     hpke.PrivateKey // to seal the answer to; made anew after each that was used
	bound   time.Time       // when one was last taken into use; zero: not since the start
	refused string          // why the centre gives none; see protocol.ShareStolen
}

// shareAsk is what the status says of the centre's share; nil where there is none.
func (a *Agent) shareAsk() (*protocol.ShareAsk, error) {
	if a.Config.KeysHolder != HolderCentre {
		return nil, nil
	}
	keys := a.footage.KeyState()
	a.share.mu.Lock()
	defer a.share.mu.Unlock()
	if a.share.ask == nil {
		var err error
		if a.share.ask, err = hpke.DHKEM(ecdh.X25519()).GenerateKey(); err != nil {
			return nil, err
		}
	}
	ask := &protocol.ShareAsk{Key: a.share.ask.PublicKey().Bytes(), Open: !keys.Locked}
	ask.Next = a.share.bound.IsZero() || a.Now().Sub(a.share.bound) >= everyShare
	if keys.Under != "" {
		ask.Uses = []protocol.ShareID{keys.Under}
	}
	return ask, nil
}

// shareRoad is where answers about the share go; nil where nothing is asked.
func (a *Agent) shareRoad() func(context.Context, []byte) {
	if a.Config.KeysHolder != HolderCentre {
		return nil
	}
	return a.takeShare
}

// takeShare takes the centre's answer from the uplink. One to another ask, or that somebody else signed, changes nothing.
func (a *Agent) takeShare(ctx context.Context, raw []byte) {
	a.obeying.Lock()
	defer a.obeying.Unlock()
	if a.stopping.Load() {
		return
	}
	if err := a.bindShare(raw); err != nil {
		a.Log.Warn("an answer of the centre about its share was not used; the next status asks again", "error", err)
	}
	a.uplink.StatusChanged()
}

func (a *Agent) bindShare(raw []byte) error {
	order, err := protocol.NewVerifier(a.orders.Roster().OrderKey)
	if err != nil {
		return err
	}
	a.share.mu.Lock()
	ask := a.share.ask
	a.share.mu.Unlock()
	if ask == nil {
		return errors.New("nothing was asked")
	}
	answer, err := protocol.OpenShare(raw, a.Config.Recorder, ask, order)
	if err != nil {
		return err
	}
	a.share.mu.Lock()
	a.share.refused = answer.Refused
	a.share.mu.Unlock()
	if answer.Refused != "" {
		return fmt.Errorf("the centre refuses: %s", answer.Refused)
	}
	keys := a.footage.KeyState()
	if i := slices.IndexFunc(answer.Shares, func(s protocol.Share) bool { return s.ID == keys.Under }); keys.Locked && i >= 0 {
		if err := a.footage.Bind(answer.Shares[i]); err != nil {
			return err
		}
		a.Log.Info("the centre's share is here: footage can be read again", "sealed write-only", keys.Blind)
		a.granted.tell() // releases waited
	}
	if answer.Next == nil {
		return nil
	}
	if err := a.footage.Bind(*answer.Next); err != nil {
		return err
	}
	a.share.mu.Lock()
	defer a.share.mu.Unlock()
	a.share.ask, a.share.bound = nil, a.Now()
	return nil
}

// KeysSituation is where the keys of the footage are, and what that is worth.
type KeysSituation struct {
	Holder  string `json:"holder"`            // "file", "credential", "tpm" or "centre"
	Share   string `json:"share,omitempty"`   // the id of the second part that the table is under; absent: none
	Locked  bool   `json:"locked"`            // the centre's share is not here: recording is write-only, nothing is shown or released
	Blind   int    `json:"blind,omitempty"`   // pieces of footage that were recorded so
	Refused string `json:"refused,omitempty"` // why the centre gives no share: "stolen", "withdrawn" or "lost"
}

func (a *Agent) keysSituation() KeysSituation {
	st := a.footage.KeyState()
	k := KeysSituation{Holder: a.Config.KeysHolder, Share: string(st.Under), Locked: st.Locked, Blind: st.Blind}
	if k.Holder == "" {
		k.Holder = HolderFile
	}
	a.share.mu.Lock()
	defer a.share.mu.Unlock()
	k.Refused = a.share.refused
	return k
}

// text says what the holder earns, in the words of package footage.
func (k KeysSituation) text() string {
	switch {
	case k.Locked:
		return "WRITE-ONLY until the centre's share arrives; nothing can be read here"
	case k.Holder == HolderCentre && k.Share == "":
		return "in a file, until the centre gives its first share"
	case k.Holder == HolderCentre:
		return "with a share of the centre: what expires is deleted, and erased within a day; a stolen recorder cannot be read"
	case k.Holder == HolderCredential:
		return "with a credential of this machine: what expires is deleted (not erased); a disk without this machine cannot be read"
	}
	return "in a file: what expires is deleted (not erased); who takes the recorder whole can read it"
}

func (s *Situation) judgeKeys(add func(failing bool, what, do string)) {
	k := &s.Keys
	switch {
	case k.Refused == protocol.ShareLost:
		add(false, "The centre does not have this recorder's share of its key: what was recorded before the last start cannot be read again, ever.",
			"Tell the privacy officer. What is recorded now cannot be read either, until the folders of keys and footage are replaced by new ones; everything in them still goes on time.")
	case k.Refused != "":
		add(false, fmt.Sprintf("The centre gives this recorder no share of its key: it is recorded there as %s.", k.Refused),
			"Is that wrong? An administrator puts it right at the desk, under Recorders.")
	case k.Locked && s.Time.Sub(s.Started.Time) > 5*time.Minute:
		add(false, fmt.Sprintf("Recording is write-only until the centre's share arrives (%d pieces so far): nothing can be shown or released here.", k.Blind), strings.Replace(noSignature, "; nothing else", "; recording and deleting go on, and nothing else", 1))
	}
}

// lockedWhy is what the status to the centre says.
var lockedWhy = "write-only until the centre's share arrives: " + footage.ErrLocked.Error()
