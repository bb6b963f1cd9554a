package edge

import (
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/disk"
	"github.com/beeldwacht/beeldwacht/edge/tpm"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// Where the second part of the generation key is (package footage, What deletion is worth): Config.KeysHolder.
const (
	HolderFile       = "file"       // there is none: the key is in the folder of the keys, whole
	HolderCredential = "credential" // a systemd credential, sealed to this machine's TPM where it has one
	HolderTPM        = "tpm"        // in an NV index of this machine's TPM, which forgets it each hour
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
func (a *Agent) shares() (list []protocol.Share, err error) {
	switch a.Config.KeysHolder {
	case HolderCredential:
		s, err := credential()
		return []protocol.Share{s}, err
	case HolderTPM:
		kept, err := a.keptByTPM()
		if err != nil { // recording does not wait for it
			a.Log.Error("the TPM does not answer: recording is write-only until it does", "error", err)
			return nil, nil
		}
		for _, k := range kept {
			list = append(list, k.Share)
		}
	}
	return list, nil
}

// keptByTPM are the shares in the TPM; a first one is made.
func (a *Agent) keptByTPM() (kept []tpm.Kept, err error) {
	if a.tpm == nil {
		if a.tpm, err = a.openTPM(); err != nil {
			return nil, err
		}
	}
	if kept, err = a.tpm.Shares(); err != nil || len(kept) > 0 {
		return kept, err
	}
	first, err := a.tpm.Next("", a.Now())
	return []tpm.Kept{first}, err
}

// openTPM takes the TPM's indices into use, or makes them. What reads them stands beside the key table, and is made with it: a table without it is of another holder.
func (a *Agent) openTPM() (*tpm.Keeper, error) {
	name := filepath.Join(a.Config.keysDir(), "tpm.auth")
	d := a.files()
	auth, err := disk.ReadFile(d, name)
	if errors.Is(err, fs.ErrNotExist) {
		auth = make([]byte, 32)
		if _, err := rand.Read(auth); err != nil {
			return nil, err
		}
		if err := disk.MkdirAll(d, filepath.Dir(name)); err != nil {
			return nil, err
		}
		err = disk.Replace(d, name, auth)
	}
	if err == nil && len(auth) != 32 {
		err = fmt.Errorf("%s has %d bytes, want 32", name, len(auth))
	}
	if err != nil {
		return nil, err
	}
	open := a.TPM
	if open == nil {
		open = func() (io.ReadWriteCloser, error) { return os.OpenFile("/dev/tpmrm0", os.O_RDWR, 0) }
	}
	return tpm.New(open, auth)
}

// turnTPM replaces the share in the TPM each hour: the keys that were destroyed before then are erased.
func (a *Agent) turnTPM(ctx context.Context) error {
	const look = time.Minute
	for {
		err := a.turnShare()
		if a.watch.fault("The TPM cannot be used", err); err != nil {
			a.Log.Error("the share in the TPM could not be replaced: what expires meanwhile is deleted and not yet erased; tried again in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(look):
		}
	}
}

func (a *Agent) turnShare() error {
	kept, err := a.keptByTPM()
	if err != nil {
		return err
	}
	keys, now := a.footage.KeyState(), a.Now()
	i := slices.IndexFunc(kept, func(k tpm.Kept) bool { return k.ID == keys.Under })
	switch {
	case keys.Locked && i < 0:
		return fmt.Errorf("the TPM does not have the share %s that the key table is under: is it the TPM of another machine, or was it cleared?", keys.Under)
	case keys.Locked:
		if err := a.footage.Bind(kept[i].Share); err != nil {
			return err
		}
		a.granted.tell() // releases waited
	}
	if i >= 0 && now.Sub(kept[i].Made) < tpm.Every && !now.Before(kept[i].Made) {
		return a.tpm.Only(keys.Under) // of what a crash left
	}
	next, err := a.tpm.Next(keys.Under, now)
	if err != nil {
		return err
	}
	if err := a.footage.Bind(next.Share); err != nil {
		return err
	}
	return a.tpm.Only(next.ID)
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
	Locked  bool   `json:"locked"`            // the share is not here: recording is write-only, nothing is shown or released
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
	case k.Locked && k.Holder == HolderTPM:
		return "WRITE-ONLY until the TPM answers; nothing can be read here"
	case k.Locked:
		return "WRITE-ONLY until the centre's share arrives; nothing can be read here"
	case k.Holder == HolderCentre && k.Share == "":
		return "in a file, until the centre gives its first share"
	case k.Holder == HolderCentre:
		return "with a share of the centre: what expires is deleted, and erased within a day; a stolen recorder cannot be read"
	case k.Holder == HolderTPM:
		return "with a share in this machine's TPM: what expires is deleted, and erased within the hour; a disk without this machine cannot be read"
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
	case k.Locked && k.Holder == HolderTPM:
		add(false, fmt.Sprintf("The TPM of this machine does not give the share of the key: recording is write-only (%d pieces so far), nothing can be shown or released here.", k.Blind),
			"Look at `journalctl -u beeldwacht-edge` and `ls -l /dev/tpmrm0`; was the main board replaced, or the TPM cleared in the firmware? Then what was recorded before is lost: tell the privacy officer.")
	case k.Locked && s.Time.Sub(s.Started.Time) > 5*time.Minute:
		add(false, fmt.Sprintf("Recording is write-only until the centre's share arrives (%d pieces so far): nothing can be shown or released here.", k.Blind), strings.Replace(noSignature, "; nothing else", "; recording and deleting go on, and nothing else", 1))
	}
}

// lockedWhy is what the status to the centre says.
func (a *Agent) lockedWhy() string {
	if a.Config.KeysHolder == HolderTPM {
		return "write-only until the TPM answers: nothing can be shown or released"
	}
	return "write-only until the centre's share arrives: nothing can be shown or released"
}
