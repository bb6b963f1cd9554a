package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Removal is one version, delete marker or unfinished upload whose term has passed.
type Removal struct {
	Object  string
	Version string // the store's id of the version; of an upload: its upload id
	Upload  bool   // an upload that was begun and never finished
	Err     error  // nil: deleted. errors.Is(Err, ErrLocked): the store still refuses, its lock ends later than the object's term
}

// Expiry is what one round of Expire found.
type Expiry struct {
	Deleted  []Removal
	Failed   []Removal // must be reported: footage is kept longer than its term
	Tampered []string  // names with more than one version or with a delete marker, whether their term has passed or not
}

// Expire deletes every version of each object whose term has passed at now. An object's term ends with the lock of its first version; without
// a lock, Config.Term after it was stored. What cannot be deleted is in Failed with its reason and is tried again next time;
// it never keeps the others. The error says that the bucket could not be read to its end; the rest of the Expiry still holds.
//
// Later versions go first and the first version last, so that a crash halfway leaves the version that tells the object's term.
func (v *Vault) Expire(ctx context.Context, now time.Time) (Expiry, error) {
	var done Expiry
	var unread error
	var key []minio.ObjectInfo // the versions of one key; the listing is sorted by key
	flush := func() {
		if len(key) > 0 {
			v.expireObject(ctx, now, key, &done)
		}
		key = key[:0]
	}
	for info := range v.client.ListObjectsIter(ctx, v.Bucket, minio.ListObjectsOptions{Recursive: true, WithVersions: true}) {
		if info.Err != nil {
			unread = v.fail("list", "", info.Err)
			key = key[:0] // perhaps not all its versions were seen: leave it for the next round
			break
		}
		if len(key) > 0 && key[0].Key != info.Key {
			flush()
		}
		key = append(key, info)
	}
	flush()
	for upload := range v.client.ListIncompleteUploads(ctx, v.Bucket, "", true) {
		if upload.Err != nil {
			return done, errors.Join(unread, v.fail("list unfinished uploads in", "", upload.Err))
		}
		// A release grant is valid for a day: no upload older than that can still be going on.
		if now.Before(upload.Initiated.Add(min(protocol.ReleaseGrantTerm, v.Term))) {
			continue
		}
		core := minio.Core{Client: v.client}
		done.add(Removal{Object: upload.Key, Version: upload.UploadID, Upload: true}, v.failed("abort the upload of", upload.Key,
			core.AbortMultipartUpload(ctx, v.Bucket, upload.Key, upload.UploadID)))
	}
	return done, unread
}

func (v *Vault) expireObject(ctx context.Context, now time.Time, versions []minio.ObjectInfo, done *Expiry) {
	first, others := split(versions)
	if len(others) > 0 {
		done.Tampered = append(done.Tampered, versions[0].Key)
		v.Log.Warn("a released bag was overwritten or deleted; find out who holds the keys to the store",
			"endpoint", v.Endpoint, "bucket", v.Bucket, "object", versions[0].Key, "versions", len(versions))
	}
	if first != nil {
		until, err := v.lockedUntil(ctx, first.Key, first.VersionID)
		if err != nil {
			done.add(Removal{Object: first.Key, Version: first.VersionID}, v.fail("read the object lock of", first.Key, err))
			return
		}
		if until.IsZero() {
			until = first.LastModified.Add(v.Term)
		}
		if now.Before(until) {
			return
		}
		others = append(others, *first)
	} // else only delete markers are left: nothing lies under them
	for _, version := range others {
		err := v.client.RemoveObject(ctx, v.Bucket, version.Key, minio.RemoveObjectOptions{VersionID: version.VersionID})
		if err != nil {
			if until, readErr := v.lockedUntil(ctx, version.Key, version.VersionID); readErr == nil && now.Before(until) {
				err = fmt.Errorf("%w of version %s ends %s: %w", ErrLocked, version.VersionID, until.Format(time.RFC3339), err)
			}
		}
		done.add(Removal{Object: version.Key, Version: version.VersionID}, v.failed("delete", version.Key, err))
	}
}

func (v *Vault) failed(doing, object string, err error) error {
	if err == nil {
		return nil
	}
	return v.fail(doing, object, err)
}

func (e *Expiry) add(r Removal, err error) {
	if r.Err = err; err != nil {
		e.Failed = append(e.Failed, r)
	} else {
		e.Deleted = append(e.Deleted, r)
	}
}
