package vault

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Country is the only place where evidence may be stored: ISO 3166-1 code, REQUIREMENTS R21 ("alleen op servers ... in Nederland").
const Country = "NL"

// MetaSHA256 is the user metadata that carries the SHA-256 of the object as stored, 64 lower-case hex digits. S3 keeps it as the
// header x-amz-meta-sha256.
const MetaSHA256 = "Sha256"

// Errors to tell apart with errors.Is; the error around them names endpoint, bucket and object.
var (
	ErrNotFound = errors.New("no such object")
	ErrLocked   = errors.New("object lock")
	ErrFull     = errors.New("the object store is full")
	ErrAbsent   = errors.New("the object store does not answer")
)

// Config says where the evidence is and who may read it.
type Config struct {
	Endpoint  string // host:port
	Secure    bool   // TLS; only a store on the loopback interface may do without
	CAs       *x509.CertPool
	Region    string // empty: us-east-1, what most stores that are not Amazon's answer to
	Bucket    string
	AccessKey string
	SecretKey string
	Location  string // country code where the store's disks are, as declared by who runs it; must be Country

	Identity *age.X25519Identity // opens the bags; see LoadIdentity
	Term     time.Duration       // of an object that was uploaded without a lock; zero: protocol.HandOverTerm
	Log      *slog.Logger
}

// Vault reads, extends and expires released bags. It keeps no state: any number of centres may use one bucket.
type Vault struct {
	Config
	client *minio.Client
	http   *http.Client // the same transport, for lockedUntil
}

// New connects and makes the bucket, with versioning and object lock, when it is not there. It refuses a bucket without object lock: S3
// can give a bucket its lock only when it is made. With the error ErrAbsent there is a Vault all the same, for when the store comes.
func New(ctx context.Context, c Config) (*Vault, error) {
	if c.Location != Country {
		return nil, fmt.Errorf("vault %s: declared location %q: evidence is stored in the Netherlands only (R21); use a store there and declare location %s", c.Endpoint, c.Location, Country)
	}
	if !c.Secure && !loopback(c.Endpoint) {
		return nil, fmt.Errorf("vault %s: without TLS only a store on the loopback interface is used; turn TLS on", c.Endpoint)
	}
	if c.Identity == nil {
		return nil, fmt.Errorf("vault %s: no age identity to open bags with; make one with vault.NewIdentity", c.Endpoint)
	}
	if c.Term == 0 {
		c.Term = protocol.HandOverTerm
	}
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	transport, err := minio.DefaultTransport(c.Secure)
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w", c.Endpoint, err)
	}
	if c.Secure {
		transport.TLSClientConfig = &tls.Config{RootCAs: c.CAs, MinVersion: tls.VersionTLS12}
	}
	client, err := minio.New(c.Endpoint, &minio.Options{
		Creds:           credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:          c.Secure,
		Transport:       transport,
		Region:          c.Region,
		TrailingHeaders: false, // multipart uploads then fail their checksum on some servers (DESIGN section 8)
		MaxRetries:      3,
	})
	if err != nil {
		return nil, fmt.Errorf("vault %s: %w; give the endpoint as host:port", c.Endpoint, err)
	}
	v := &Vault{Config: c, client: client, http: &http.Client{Transport: transport}}
	return v, v.Prepare(ctx)
}

// Prepare makes the bucket when it is not there, and refuses one without object lock. New has done so; when the store did not answer then, it is to be
// done again.
func (v *Vault) Prepare(ctx context.Context) error {
	exists, err := v.client.BucketExists(ctx, v.Bucket)
	if err != nil {
		return v.fail("look for the bucket", "", err)
	}
	if !exists {
		err := v.client.MakeBucket(ctx, v.Bucket, minio.MakeBucketOptions{ObjectLocking: true, Region: v.Region})
		if code := minio.ToErrorResponse(err).Code; err != nil && code != "BucketAlreadyOwnedByYou" { // another centre may just have made it
			return v.fail("make the bucket", "", err)
		}
	}
	lock, _, _, _, err := v.client.GetObjectLockConfig(ctx, v.Bucket)
	if code := minio.ToErrorResponse(err).Code; err != nil && code != "ObjectLockConfigurationNotFoundError" {
		return v.fail("read the object lock of the bucket", "", err)
	}
	versioning, err := v.client.GetBucketVersioning(ctx, v.Bucket)
	if err != nil {
		return v.fail("read the versioning of the bucket", "", err)
	}
	if lock != "Enabled" || !versioning.Enabled() {
		return fmt.Errorf("vault %s: bucket %q has no object lock with versioning, and can only get it when it is made; give the name of a new bucket", v.Endpoint, v.Bucket)
	}
	return nil
}

// Recipient is the key that recorders encrypt bags to: "age1…".
func (v *Vault) Recipient() string { return v.Identity.Recipient().String() }

// Object is the first version of what was uploaded under a name.
type Object struct {
	Name    string
	Version string
	Size    int64         // of the encrypted object, bytes
	Stored  time.Time     // by the store's clock
	SHA256  protocol.Hash // as the recorder gave it; zero when it gave none
	Until   time.Time     // end of the COMPLIANCE lock; zero: it has none, as a recorder's upload always does
	Others  []string      // versions written after it, and delete markers: somebody touched what is written once
}

// Tampered says whether anything was written or deleted under the name after the first upload.
func (o Object) Tampered() bool { return len(o.Others) > 0 }

// Stat describes the first version of an object. The error is ErrNotFound when nothing was ever uploaded under the name, or when
// its term has passed.
func (v *Vault) Stat(ctx context.Context, object string) (Object, error) {
	var versions []minio.ObjectInfo
	for info := range v.client.ListObjectsIter(ctx, v.Bucket, minio.ListObjectsOptions{Prefix: object, Recursive: true, WithVersions: true}) {
		if info.Err != nil {
			return Object{}, v.fail("list the versions of", object, info.Err)
		}
		if info.Key == object {
			versions = append(versions, info)
		}
	}
	first, others := split(versions)
	if first == nil {
		return Object{}, v.fail("find", object, minio.ErrorResponse{Code: "NoSuchKey", Message: "not in the bucket"})
	}
	o := Object{Name: object, Version: first.VersionID, Size: first.Size, Stored: first.LastModified}
	for _, other := range others {
		o.Others = append(o.Others, other.VersionID)
	}
	if o.Tampered() {
		v.Log.Warn("a released bag was overwritten or deleted: the first version is used; find out who holds the keys to the store",
			"endpoint", v.Endpoint, "bucket", v.Bucket, "object", object, "first", o.Version, "others", o.Others)
	}
	info, err := v.client.StatObject(ctx, v.Bucket, object, minio.StatObjectOptions{VersionID: o.Version})
	if err != nil {
		return Object{}, v.fail("stat", object, err)
	}
	o.Size = info.Size
	for name, value := range info.UserMetadata {
		if strings.EqualFold(name, MetaSHA256) {
			if o.SHA256, err = protocol.ParseHash(value); err != nil {
				return Object{}, v.fail("read the SHA-256 of", object, err)
			}
		}
	}
	if o.Until, err = v.lockedUntil(ctx, object, o.Version); err != nil {
		return Object{}, v.fail("read the object lock of", object, err)
	}
	return o, nil
}

// split finds the first upload among the versions of one key, as the store lists them: newest first. A delete marker is never first.
func split(versions []minio.ObjectInfo) (first *minio.ObjectInfo, others []minio.ObjectInfo) {
	oldest := slices.Clone(versions)
	slices.Reverse(oldest)
	slices.SortStableFunc(oldest, func(a, b minio.ObjectInfo) int { return a.LastModified.Compare(b.LastModified) })
	for i := range oldest {
		if first == nil && !oldest[i].IsDeleteMarker {
			first = &oldest[i]
		} else {
			others = append(others, oldest[i])
		}
	}
	return first, others
}

// lockedUntil is when the COMPLIANCE lock of a version ends; zero when it has none. GOVERNANCE does not count: who holds the
// keys can lift it.
//
// It asks by itself: versitygw names the root element of its answer ObjectLockRetention, which minio-go's GetObjectRetention refuses,
// and leaves the lock out of a HEAD on any version but the newest.
func (v *Vault) lockedUntil(ctx context.Context, object, version string) (time.Time, error) {
	ask, err := v.client.Presign(ctx, http.MethodGet, v.Bucket, object, time.Minute, url.Values{"retention": {""}, "versionId": {version}})
	if err != nil {
		return time.Time{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ask.String(), nil)
	if err != nil {
		return time.Time{}, err
	}
	resp, err := v.http.Do(req)
	var leaks *url.Error // would put the signed URL into the error, and so into logs
	if errors.As(err, &leaks) {
		err = leaks.Err
	}
	if err != nil {
		return time.Time{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return time.Time{}, err
	}
	var answer struct { // no XMLName: any root element
		Code, Message   string // of an error
		Mode            minio.RetentionMode
		RetainUntilDate time.Time
	}
	if err := xml.Unmarshal(body, &answer); err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", resp.Status, err)
	}
	switch {
	case resp.StatusCode == http.StatusOK && answer.Mode == minio.Compliance:
		return answer.RetainUntilDate.UTC(), nil
	case resp.StatusCode == http.StatusOK, answer.Code == "NoSuchObjectLockConfiguration":
		return time.Time{}, nil
	}
	return time.Time{}, minio.ErrorResponse{Code: answer.Code, Message: answer.Message, StatusCode: resp.StatusCode}
}

// Open streams the bag: the first version, decrypted with the vault's identity. Reading checks every chunk (age) and, at the end, the
// SHA-256 that the recorder gave: only a reader that ended in io.EOF handed out the bag. Whoever calls has journalled the
// access in the ledger first. A bag that was encrypted to the recipient's own key cannot be opened here; see Raw.
func (v *Vault) Open(ctx context.Context, object string) (io.ReadCloser, error) {
	raw, err := v.Raw(ctx, object)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(raw, v.Identity)
	if err != nil {
		var other *age.NoIdentityMatchError
		if errors.As(err, &other) {
			err = fmt.Errorf("it is encrypted to another key than %s: %w", v.Recipient(), err)
		}
		return nil, errors.Join(v.fail("decrypt", object, err), raw.Close())
	}
	return &bag{Reader: plain, rest: raw, wrap: func(err error) error { return v.fail("decrypt", object, err) }}, nil
}

// bag is the decrypted stream. At its end the ciphertext must be at its end too, so that its hash has been compared.
type bag struct {
	io.Reader
	rest io.ReadCloser
	wrap func(error) error
}

func (b *bag) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		if _, err := io.Copy(io.Discard, b.rest); err != nil {
			return n, err
		}
		return n, io.EOF
	}
	if err != nil {
		err = b.wrap(err)
	}
	return n, err
}

func (b *bag) Close() error { return b.rest.Close() }

// Raw streams the first version as it is stored, still encrypted, and checks its SHA-256 at the end.
func (v *Vault) Raw(ctx context.Context, object string) (io.ReadCloser, error) {
	o, err := v.Stat(ctx, object)
	if err != nil {
		return nil, err
	}
	if o.SHA256.IsZero() {
		return nil, v.fail("read", object, errors.New("it carries no SHA-256: no recorder uploaded it"))
	}
	body, err := v.client.GetObject(ctx, v.Bucket, object, minio.GetObjectOptions{VersionID: o.Version})
	if err != nil {
		return nil, v.fail("read", object, err)
	}
	return &checked{body: body, sum: sha256.New(), want: o.SHA256, wrap: func(err error) error { return v.fail("read", object, err) }}, nil
}

// checked compares what was read with the SHA-256 promised.
type checked struct {
	body io.ReadCloser
	sum  hash.Hash
	want protocol.Hash
	wrap func(error) error
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.body.Read(p)
	c.sum.Write(p[:n])
	switch {
	case err == io.EOF:
		if got := protocol.Hash(c.sum.Sum(nil)); got != c.want {
			return n, c.wrap(fmt.Errorf("its SHA-256 is %s and the recorder gave %s: the object was changed; do not use it", got, c.want))
		}
		return n, io.EOF
	case err != nil:
		return n, c.wrap(err)
	}
	return n, nil
}

func (c *checked) Close() error { return c.body.Close() }

// Extend moves the end of an object's term: at hand-over to fourteen days after it (protocol.HandOverTerm). A term never gets shorter;
// the store refuses that. The new term is read back, because some stores accept a lock and forget it.
func (v *Vault) Extend(ctx context.Context, object string, until time.Time) error {
	o, err := v.Stat(ctx, object)
	if err != nil {
		return err
	}
	until = until.UTC().Truncate(time.Second) // S3 keeps whole seconds
	if until.Before(o.Until) {
		return v.fail("extend", object, fmt.Errorf("%w stands until %s and never gets shorter; asked %s", ErrLocked, o.Until.Format(time.RFC3339), until.Format(time.RFC3339)))
	}
	mode := minio.Compliance
	if err := v.client.PutObjectRetention(ctx, v.Bucket, object, minio.PutObjectRetentionOptions{Mode: &mode, RetainUntilDate: &until, VersionID: o.Version}); err != nil {
		return v.fail("extend", object, err)
	}
	got, err := v.lockedUntil(ctx, object, o.Version)
	if err != nil {
		return v.fail("read back the term of", object, err)
	}
	if got.Before(until) {
		return v.fail("extend", object, fmt.Errorf("the store said yes and its lock ends %s instead of %s; it does not keep object locks, use another", got.Format(time.RFC3339), until.Format(time.RFC3339)))
	}
	return nil
}

// fail names endpoint, bucket and object, and says what to do about the usual causes.
func (v *Vault) fail(doing, object string, err error) error {
	where := fmt.Sprintf("bucket %q", v.Bucket)
	if object != "" {
		where = fmt.Sprintf("%q in %s", object, where)
	}
	kind, advice := explain(err)
	if kind != nil && !errors.Is(err, kind) {
		err = fmt.Errorf("%w: %w", kind, err)
	}
	if advice != "" {
		advice = "; " + advice
	}
	return fmt.Errorf("vault %s: %s %s: %w%s", v.Endpoint, doing, where, err, advice)
}

// explain sorts an error of the store into what a person can do about it.
func explain(err error) (kind error, advice string) {
	if errors.Is(err, context.Canceled) {
		return nil, ""
	}
	var answer minio.ErrorResponse
	if !errors.As(err, &answer) {
		var certificate *tls.CertificateVerificationError
		if errors.As(err, &certificate) {
			return ErrAbsent, "its certificate is not of a CA in ca.crt, names another host, or has expired"
		}
		var netErr interface{ Timeout() bool }
		if errors.As(err, &netErr) {
			return ErrAbsent, "is the object store running, and can this machine reach it?"
		}
		return nil, ""
	}
	text := strings.ToLower(answer.Message)
	switch {
	case answer.StatusCode == http.StatusInsufficientStorage, answer.Code == "XMinioStorageFull", strings.Contains(answer.Code, "Quota"):
		return ErrFull, "give it more space or a larger quota; nothing was changed"
	case answer.Code == "NoSuchKey", answer.Code == "NoSuchVersion":
		return ErrNotFound, "it was never uploaded, or its term has passed and it was deleted"
	case strings.Contains(text, "object lock"), strings.Contains(text, "worm"), answer.Code == "ObjectLocked":
		return ErrLocked, "the store keeps it until its lock ends"
	case answer.Code == "AccessDenied", answer.Code == "InvalidAccessKeyId", answer.Code == "SignatureDoesNotMatch":
		return nil, "check the access key, the secret key and what the store allows them"
	}
	return nil, ""
}
