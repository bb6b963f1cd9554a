package edge

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/goccy/go-yaml"
)

// Config is a recorder's own configuration: where things are and which cameras hang on it. What may be recorded, how long and for whom it is kept
// is never configured here; that comes in orders, signed. deploy/edge.yaml explains every field and is loaded by a test.
type Config struct {
	Recorder     protocol.RecorderID `yaml:"recorder"`
	Municipality string              `yaml:"municipality"`
	Location     string              `yaml:"location"`
	Data         string              `yaml:"data"`
	Keys         string              `yaml:"keys"`
	KeysHolder   string              `yaml:"keys_holder"` // see HolderFile; empty is that
	Identity     string              `yaml:"identity"`
	Secrets      string              `yaml:"secrets"`
	Broker       BrokerConfig        `yaml:"broker"`
	Vault        VaultConfig         `yaml:"vault"`
	Viewer       ViewerConfig        `yaml:"viewer"`
	Metrics      MetricsConfig       `yaml:"metrics"`
	Footage      FootageConfig       `yaml:"footage"`
	Volumes      []VolumeConfig      `yaml:"volumes"`
	Cameras      []CameraConfig      `yaml:"cameras"`
}

type BrokerConfig struct {
	URL             string        `yaml:"url"`
	CheckpointEvery time.Duration `yaml:"checkpoint_every"`
}

type VaultConfig struct {
	Endpoint string `yaml:"endpoint"`
	Bucket   string `yaml:"bucket"`
}

type ViewerConfig struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url"`
	Desk   string `yaml:"desk"`
}

// MetricsConfig is where /metrics and /health are served, in plain HTTP without login: names of cameras and numbers, nothing of footage. Empty: nowhere.
type MetricsConfig struct {
	Listen string `yaml:"listen"`
}

type FootageConfig struct {
	Segment      time.Duration `yaml:"segment"`
	SealEvery    time.Duration `yaml:"seal_every"`
	SyncInterval time.Duration `yaml:"sync_interval"`
	MaxBytes     int64         `yaml:"max_bytes"`
	MinFree      int64         `yaml:"min_free"`
}

// VolumeConfig is a folder for footage on a disk of its own; see package footage for what goes where. None: all footage goes to the folder footage in data.
type VolumeConfig struct {
	Path     string              `yaml:"path"`
	MaxBytes int64               `yaml:"max_bytes"`
	Cameras  []protocol.CameraID `yaml:"cameras"` // at home there; the recorder gives the others a home itself
}

type CameraConfig struct {
	ID              protocol.CameraID `yaml:"id"`
	Stream          protocol.StreamID `yaml:"stream"`
	URL             string            `yaml:"url"`
	Transport       string            `yaml:"transport"`
	KeyFrameTimeout time.Duration     `yaml:"key_frame_timeout"`
}

// Secrets is the file beside the configuration that only the recorder may read.
type Secrets struct {
	Cameras map[protocol.CameraID]Login `yaml:"cameras"`
	Vault   struct {
		AccessKey string `yaml:"access_key"`
		SecretKey string `yaml:"secret_key"`
	} `yaml:"vault"`
}

type Login struct {
	User     string `yaml:"user"`
	Password string `yaml:"password"`
}

// LoadConfig reads a configuration strictly: an unknown field, a wrong type or a missing value is an error that names file, line and field.
// Relative paths are taken from the configuration's own folder.
func LoadConfig(file string) (Config, Secrets, error) {
	var c Config
	if err := strictYAML(file, &c); err != nil {
		return c, Secrets{}, err
	}
	dir := filepath.Dir(file)
	for _, p := range []*string{&c.Data, &c.Keys, &c.Identity, &c.Secrets} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	for i := range c.Volumes {
		if p := &c.Volumes[i].Path; *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	if c.Footage.Segment == 0 {
		c.Footage.Segment = time.Minute
	}
	if c.Footage.SealEvery == 0 {
		c.Footage.SealEvery = time.Minute
	}
	if c.Footage.SyncInterval == 0 {
		c.Footage.SyncInterval = 5 * time.Second
	}
	if c.Broker.CheckpointEvery == 0 {
		c.Broker.CheckpointEvery = time.Minute
	}
	for i := range c.Cameras {
		if c.Cameras[i].Stream == "" {
			c.Cameras[i].Stream = "main"
		}
	}
	if err := c.check(); err != nil {
		return c, Secrets{}, fmt.Errorf("%s: %w", file, err)
	}
	var s Secrets
	info, err := os.Stat(c.Secrets)
	if err != nil {
		return c, s, fmt.Errorf("%s: secrets: %w", file, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return c, s, fmt.Errorf("%s: mode %o: others can read the camera passwords; use chmod 600", c.Secrets, info.Mode().Perm())
	}
	if err := strictYAML(c.Secrets, &s); err != nil {
		return c, s, err
	}
	for id := range s.Cameras {
		if !c.hasCamera(id) {
			return c, s, fmt.Errorf("%s: cameras.%s: no such camera in %s", c.Secrets, id, file)
		}
	}
	return c, s, nil
}

func (c *Config) hasCamera(id protocol.CameraID) bool {
	for _, camera := range c.Cameras {
		if camera.ID == id {
			return true
		}
	}
	return false
}

// footageDir is where the index of the footage is, and the footage where there are no Volumes; keysDir is where its keys are.
func (c *Config) footageDir() string { return filepath.Join(c.Data, "footage") }
func (c *Config) keysDir() string    { return cmp.Or(c.Keys, filepath.Join(c.Data, "keys")) }

// volumes is Volumes as package footage takes them.
func (c *Config) volumes() (out []footage.Volume) {
	for _, v := range c.Volumes {
		out = append(out, footage.Volume{Dir: v.Path, MaxBytes: v.MaxBytes, Cameras: v.Cameras})
	}
	return out
}

// checkVolumes looks that each disk is one by itself, and holds none of what must be elsewhere.
func (c *Config) checkVolumes() (err error) {
	within := func(dir, other string) bool {
		rel, err := filepath.Rel(dir, other)
		return err == nil && filepath.IsLocal(rel)
	}
	if len(c.Volumes) > 0 && c.Footage.MaxBytes > 0 {
		err = errors.New("footage.max_bytes: there are volumes; say max_bytes of each of them")
	}
	home := map[protocol.CameraID]bool{}
	for i, v := range c.Volumes {
		where := fmt.Sprintf("volumes[%d]", i)
		switch {
		case v.Path == "":
			err = errors.Join(err, fmt.Errorf("%s.path: missing", where))
			continue
		case within(v.Path, c.Data):
			err = errors.Join(err, fmt.Errorf("%s.path: %s holds data (%s); take a folder of its own", where, v.Path, c.Data))
		case within(v.Path, c.keysDir()):
			err = errors.Join(err, fmt.Errorf("%s.path: %s holds the keys (%s): who takes the disk would have both", where, v.Path, c.keysDir()))
		case v.Path != c.footageDir() && within(c.footageDir(), v.Path):
			err = errors.Join(err, fmt.Errorf("%s.path: %s lies in %s", where, v.Path, c.footageDir()))
		}
		if v.MaxBytes < 0 {
			err = errors.Join(err, fmt.Errorf("%s.max_bytes: %d: not negative; leave it out to use the disk up to its reserve", where, v.MaxBytes))
		}
		for j, other := range c.Volumes[:i] {
			if within(v.Path, other.Path) || within(other.Path, v.Path) {
				err = errors.Join(err, fmt.Errorf("%s.path: %s and volumes[%d] (%s) overlap", where, v.Path, j, other.Path))
			}
		}
		for _, camera := range v.Cameras {
			switch {
			case !c.hasCamera(camera):
				err = errors.Join(err, fmt.Errorf("%s.cameras: %s: no such camera", where, camera))
			case home[camera]:
				err = errors.Join(err, fmt.Errorf("%s.cameras: %s has a home already", where, camera))
			}
			home[camera] = true
		}
	}
	return err
}

func (c *Config) check() error {
	need := func(field, value string) error {
		if value == "" {
			return fmt.Errorf("%s: missing", field)
		}
		return nil
	}
	err := errors.Join(protocol.ValidID(c.Recorder), need("municipality", c.Municipality), need("data", c.Data), need("identity", c.Identity),
		need("secrets", c.Secrets), need("broker.url", c.Broker.URL), need("vault.endpoint", c.Vault.Endpoint), need("vault.bucket", c.Vault.Bucket),
		need("viewer.listen", c.Viewer.Listen), need("viewer.url", c.Viewer.URL))
	if c.Location != "NL" {
		err = errors.Join(err, fmt.Errorf("location: %q: footage is kept only on servers in the Netherlands (privacyverklaring, R21); say NL", c.Location))
	}
	if !slices.Contains([]string{"", HolderFile, HolderCredential, HolderTPM, HolderCentre}, c.KeysHolder) {
		err = errors.Join(err, fmt.Errorf("keys_holder: %q: want file, credential, tpm or centre, or leave it out", c.KeysHolder))
	}
	if c.Metrics.Listen != "" {
		if _, _, e := net.SplitHostPort(c.Metrics.Listen); e != nil {
			err = errors.Join(err, fmt.Errorf("metrics.listen: %q: want host:port, such as 127.0.0.1:9480, or leave it out", c.Metrics.Listen))
		}
	}
	if c.Footage.Segment < time.Second || c.Footage.Segment > 10*time.Minute {
		err = errors.Join(err, fmt.Errorf("footage.segment: %s: from 1s to 10m", c.Footage.Segment))
	}
	if c.Footage.SyncInterval < time.Second || c.Footage.SyncInterval > time.Minute {
		err = errors.Join(err, fmt.Errorf("footage.sync_interval: %s: from 1s to 1m", c.Footage.SyncInterval))
	}
	if c.Footage.MaxBytes < 0 {
		err = errors.Join(err, fmt.Errorf("footage.max_bytes: %d: not negative; leave it out to use the disk up to its reserve", c.Footage.MaxBytes))
	}
	if c.Footage.MinFree < 0 {
		err = errors.Join(err, fmt.Errorf("footage.min_free: %d: not negative; leave it out for 512 MiB", c.Footage.MinFree))
	}
	err = errors.Join(err, c.checkVolumes())
	seen := map[string]bool{}
	for i, camera := range c.Cameras {
		where := fmt.Sprintf("cameras[%d]", i)
		if e := protocol.ValidID(camera.ID); e != nil {
			err = errors.Join(err, fmt.Errorf("%s.id: %w", where, e))
		}
		if e := protocol.ValidID(camera.Stream); e != nil {
			err = errors.Join(err, fmt.Errorf("%s.stream: %w", where, e))
		}
		if key := string(camera.ID) + "/" + string(camera.Stream); seen[key] {
			err = errors.Join(err, fmt.Errorf("%s: %s is configured twice", where, key))
		} else {
			seen[key] = true
		}
		u, e := url.Parse(camera.URL)
		switch {
		case e != nil || (u.Scheme != "rtsp" && u.Scheme != "rtsps") || u.Host == "":
			err = errors.Join(err, fmt.Errorf("%s.url: want rtsp://host/path", where))
		case u.User != nil:
			err = errors.Join(err, fmt.Errorf("%s.url: holds a password; put user and password in the secrets file", where))
		}
		switch camera.Transport {
		case "", "tcp", "udp":
		default:
			err = errors.Join(err, fmt.Errorf("%s.transport: %q: want tcp or udp, or leave it out", where, camera.Transport))
		}
	}
	return err
}

// strictYAML shows the lines around a mistake, but never those of a file of secrets.
func strictYAML(file string, into any) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, secret := into.(*Secrets)
	if err := yaml.UnmarshalWithOptions(b, into, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %s", file, yaml.FormatError(err, false, !secret))
	}
	return nil
}
