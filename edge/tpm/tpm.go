// Package tpm keeps a recorder's share of its generation key (package footage, What deletion is worth) in the machine's TPM 2.0, and can forget it: a share stands in an NV
// index, and is destroyed by writing over it. No command gives back what an index held before. It is the only package that speaks to a TPM.
//
// # What stands where
//
// Two ordinary NV indices of the owner, [First] and the one after it: the share in use, and for a moment the one that follows. 56 bytes each:
//
//	id (16) | secret (32) | when it was made, Unix time (8, big endian); all zeros: none
//
// Who reads or writes them needs an authorisation value that stands on the recorder's disk beside the key table; on the way between the processor and the TPM it
// encrypts what passes. So the chip alone gives nothing, and the disk alone gives nothing; the machine whole gives both.
//
// # Wear
//
// TPMs are made for some hundred thousand writes to one place. A share is replaced at most once an hour ([Every]), also over restarts, which is two writes: nine thousand a year to each
// index. A new generation of the key table, which may be made each minute, writes nothing here.
package tpm

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// First is the first of the two NV indices; the range is the owner's (TCG registry of reserved TPM 2.0 handles).
const First tpm2.TPMHandle = 0x01800BE1

// Every is how long a share is in use at least.
const Every = time.Hour

const size = 16 + protocol.ShareSize + 8

// Keeper is the two indices. Any goroutine may use it.
type Keeper struct {
	open func() (io.ReadWriteCloser, error)
	auth []byte

	mu sync.Mutex // one command after another
}

// Kept is a share and when it was made.
type Kept struct {
	protocol.Share
	Made time.Time
}

// New makes the indices, where they are not there. Open opens the TPM, as /dev/tpmrm0, for each piece of work; auth is what whoever reads the indices needs.
func New(open func() (io.ReadWriteCloser, error), auth []byte) (*Keeper, error) {
	k := &Keeper{open: open, auth: auth}
	return k, k.with(func(t transport.TPM) error {
		for i := range tpm2.TPMHandle(2) {
			_, err := k.public(t, First+i)
			if errors.Is(err, tpm2.TPMRCHandle) {
				err = k.define(t, First+i)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *Keeper) with(do func(transport.TPM) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	dev, err := k.open()
	if err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	if err := errors.Join(do(transport.FromReadWriter(dev)), dev.Close()); err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	return nil
}

// public names an index as it is now: its name changes when it is first written.
func (k *Keeper) public(t transport.TPM, index tpm2.TPMHandle) (tpm2.NamedHandle, error) {
	r, err := tpm2.NVReadPublic{NVIndex: index}.Execute(t)
	if err != nil {
		return tpm2.NamedHandle{}, err
	}
	return tpm2.NamedHandle{Handle: index, Name: r.NVName}, nil
}

func (k *Keeper) define(t transport.TPM, index tpm2.TPMHandle) error {
	_, err := tpm2.NVDefineSpace{AuthHandle: tpm2.TPMRHOwner, Auth: tpm2.TPM2BAuth{Buffer: k.auth},
		PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, DataSize: size,
			Attributes: tpm2.TPMANV{AuthWrite: true, AuthRead: true, NT: tpm2.TPMNTOrdinary, NoDA: true}})}.Execute(t)
	if err != nil {
		return fmt.Errorf("NV index %#x cannot be made: %w; has the owner's hierarchy a password?", uint32(index), err)
	}
	return k.write(t, index, make([]byte, size))
}

func (k *Keeper) write(t transport.TPM, index tpm2.TPMHandle, b []byte) error {
	named, err := k.public(t, index)
	if err == nil {
		_, err = tpm2.NVWrite{AuthHandle: tpm2.AuthHandle{Handle: index, Name: named.Name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Auth(k.auth), tpm2.AESEncryption(128, tpm2.EncryptIn))},
			NVIndex: named, Data: tpm2.TPM2BMaxNVBuffer{Buffer: b}}.Execute(t)
	}
	if err != nil {
		return fmt.Errorf("NV index %#x cannot be written: %w", uint32(index), err)
	}
	return nil
}

func (k *Keeper) read(t transport.TPM) (kept [2]Kept, err error) {
	for i := range kept {
		index := First + tpm2.TPMHandle(i)
		named, err := k.public(t, index)
		if err != nil {
			return kept, fmt.Errorf("NV index %#x: %w", uint32(index), err)
		}
		r, err := tpm2.NVRead{AuthHandle: tpm2.AuthHandle{Handle: index, Name: named.Name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Auth(k.auth), tpm2.AESEncryption(128, tpm2.EncryptOut))},
			NVIndex: named, Size: size}.Execute(t)
		if err != nil {
			return kept, fmt.Errorf("NV index %#x: %w; it is of another recorder, or of other keys than are in this folder: put those back, or remove it for good with tpm2_nvundefine", uint32(index), err)
		}
		b := r.Data.Buffer
		if len(b) != size {
			return kept, fmt.Errorf("NV index %#x has %d bytes, want %d", uint32(index), len(b), size)
		}
		if !bytes.Equal(b, make([]byte, size)) {
			kept[i].ID = protocol.ShareID(hex.EncodeToString(b[:16]))
			copy(kept[i].Secret[:], b[16:])
			kept[i].Made = time.Unix(int64(binary.BigEndian.Uint64(b[16+protocol.ShareSize:])), 0)
		}
		clear(b)
	}
	return kept, nil
}

// Shares are those that the TPM has, at most two.
func (k *Keeper) Shares() (list []Kept, err error) {
	err = k.with(func(t transport.TPM) error {
		kept, err := k.read(t)
		for _, s := range kept {
			if s.ID != "" {
				list = append(list, s)
			}
		}
		return err
	})
	return list, err
}

// Next is the share that follows the one in use: one that was made and never used, or a new one, which is in the TPM when Next returns.
func (k *Keeper) Next(using protocol.ShareID, now time.Time) (next Kept, err error) {
	err = k.with(func(t transport.TPM) error {
		kept, err := k.read(t)
		if err != nil {
			return err
		}
		into := 0
		for i, s := range kept {
			switch s.ID {
			case using:
				into = 1 - i
			case "":
			default:
				if kept[1-i].ID == using {
					next = s
					return nil
				}
			}
		}
		b := make([]byte, size)
		defer clear(b)
		if _, err := rand.Read(b[:16+protocol.ShareSize]); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(b[16+protocol.ShareSize:], uint64(now.Unix()))
		next = Kept{protocol.Share{ID: protocol.ShareID(hex.EncodeToString(b[:16])), Secret: [protocol.ShareSize]byte(b[16:])}, now}
		return k.write(t, First+tpm2.TPMHandle(into), b)
	})
	return next, err
}

// Only destroys every share but one.
func (k *Keeper) Only(using protocol.ShareID) error {
	return k.with(func(t transport.TPM) error {
		kept, err := k.read(t)
		if err != nil {
			return err
		}
		for i, s := range kept {
			if s.ID == "" || s.ID == using {
				continue
			}
			if err := k.write(t, First+tpm2.TPMHandle(i), make([]byte, size)); err != nil {
				return err
			}
		}
		return nil
	})
}
