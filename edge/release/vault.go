package release

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Vault is where bags go: a bucket with versions and object lock in an S3 store.
type Vault struct {
	Endpoint  string // host:port, spoken to with TLS; http://host:port only for a store on this machine
	Region    string // zero: us-east-1
	Bucket    string
	AccessKey string
	SecretKey string
	CAs       *x509.CertPool // nil: those of the system
}

// metaSHA256 is the user metadata that the vault compares with what it stored (x-amz-meta-sha256).
const metaSHA256 = "Sha256"

const partSize = 16 << 20

// put uploads a prepared bag, once: what lies under its name already, with its SHA-256, is taken for uploaded, so that an answer that was lost
// does not make a second version. The lock is in COMPLIANCE mode: nobody, this recorder included, can take it away or shorten it.
func (v Vault) put(ctx context.Context, p *prepared, file string, locked time.Time) error {
	client, hangUp, err := v.client()
	if err != nil {
		return err
	}
	defer hangUp()
	fail := func(err error) error {
		return fmt.Errorf("vault %s, bucket %s, object %s: %w", v.Endpoint, v.Bucket, p.Object, err) // a final one stays final
	}
	there, err := v.stat(ctx, client, p)
	if there {
		return nil
	}
	if err != nil && code(err) != "AccessDenied" { // keys that may only write are better keys
		return fail(err)
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("work directory: %w", err)
	}
	defer f.Close()
	info, err := client.PutObject(ctx, v.Bucket, p.Object, f, p.Size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", UserMetadata: map[string]string{metaSHA256: p.SHA256.String()},
		Mode: minio.Compliance, RetainUntilDate: locked.UTC().Truncate(time.Second), SendContentMd5: true, PartSize: partSize,
	})
	if err != nil {
		return fail(err)
	}
	if info.Size != p.Size {
		return fail(fmt.Errorf("%d bytes arrived of %d", info.Size, p.Size))
	}
	return nil
}

// has says whether a prepared bag lies in the vault.
func (v Vault) has(ctx context.Context, p *prepared) (bool, error) {
	client, hangUp, err := v.client()
	if err != nil {
		return false, err
	}
	defer hangUp()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return v.stat(ctx, client, p)
}

func (v Vault) stat(ctx context.Context, client *minio.Client, p *prepared) (there bool, err error) {
	switch info, err := client.StatObject(ctx, v.Bucket, p.Object, minio.StatObjectOptions{}); {
	case err == nil && metadata(info) == p.SHA256.String() && info.Size == p.Size:
		return true, nil
	case err == nil:
		return false, final{errors.New("another object lies under this name already; somebody else has the keys of the store")}
	case code(err) == "NoSuchKey":
		return false, nil
	default:
		return false, err
	}
}

// client is for one upload; hangUp ends its connections, which would otherwise stay open for every try.
func (v Vault) client() (client *minio.Client, hangUp func(), err error) {
	host, plain := strings.CutPrefix(v.Endpoint, "http://")
	host = strings.TrimPrefix(host, "https://")
	if plain && !loopback(host) {
		return nil, nil, finally("vault %s: without TLS only a store on this machine is used", v.Endpoint)
	}
	transport, err := minio.DefaultTransport(!plain)
	if err != nil {
		return nil, nil, fmt.Errorf("vault %s: %w", v.Endpoint, err)
	}
	if !plain {
		transport.TLSClientConfig = &tls.Config{RootCAs: v.CAs, MinVersion: tls.VersionTLS12}
	}
	region := v.Region
	if region == "" {
		region = "us-east-1"
	}
	client, err = minio.New(host, &minio.Options{
		Creds: credentials.NewStaticV4(v.AccessKey, v.SecretKey, ""), Secure: !plain, Transport: http.RoundTripper(transport), Region: region,
		TrailingHeaders: false, // multipart uploads then fail their checksum on some servers (DESIGN section 8)
		MaxRetries:      1,     // Release tries again, and writes that down
	})
	if err != nil {
		return nil, nil, fmt.Errorf("vault %s: %w; give the endpoint as host:port", v.Endpoint, err)
	}
	return client, transport.CloseIdleConnections, nil
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func code(err error) string { return minio.ToErrorResponse(err).Code }

func metadata(info minio.ObjectInfo) string {
	for name, value := range info.UserMetadata {
		if strings.EqualFold(name, metaSHA256) {
			return value
		}
	}
	return ""
}
