// Package postgrestest starts a PostgreSQL of its own for a test, as httptest starts a server: a real one, from Debian's postgresql-15, in a folder of its own and on a
// Unix socket there. The cluster that the Debian package makes is not touched.
package postgrestest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// programs is where Debian's postgresql-15 puts them.
const programs = "/usr/lib/postgresql/15/bin"

// Server is a running one, which ends with the test.
type Server struct {
	t         testing.TB
	dir       string
	as        *syscall.Credential // PostgreSQL refuses root
	owner     string
	databases atomic.Int64
}

// Start makes a cluster and starts it.
func Start(t testing.TB) *Server {
	t.Helper()
	if _, err := os.Stat(programs); err != nil {
		t.Fatalf("%v; `make packages` installs what the tests need, postgresql-15 among it", err)
	}
	dir, err := os.MkdirTemp("", "beeldwacht-postgres-") // not t.TempDir: others may not enter it, and its path is long for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if s.owner = me.Username; me.Uid == "0" {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		s.owner = nobody.Username
		uid, err1 := strconv.ParseUint(nobody.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(nobody.Gid, 10, 32)
		if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid)), os.Chmod(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}
	}
	t.Cleanup(func() {
		_ = s.control("stop", "-m", "immediate") // a test may have stopped it
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := s.run("initdb", "-D", s.data(), "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Restart starts it again after Crash.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.control("start", "-l", filepath.Join(s.dir, "log"), "-o", "-k "+s.dir+" -c listen_addresses= -c max_connections=200"); err != nil {
		s.t.Fatal(err)
	}
}

// Crash stops it as a power cut would, but for the disk: every process of it at once, and no checkpoint.
func (s *Server) Crash() {
	s.t.Helper()
	if err := s.control("stop", "-m", "immediate"); err != nil {
		s.t.Fatal(err)
	}
}

// Database makes an empty database and says how to connect to it.
func (s *Server) Database() (dsn string) {
	s.t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	if err := s.run("createdb", "-h", s.dir, name); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("host=%s user=%s dbname=%s", s.dir, s.owner, name)
}

// SQL runs statements beside the program under test, and gives what they print.
func (s *Server) SQL(dsn, statements string) string {
	s.t.Helper()
	out, err := s.command("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", dsn, "-c", statements).CombinedOutput()
	if err != nil {
		s.t.Fatalf("psql: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func (s *Server) control(args ...string) error {
	return s.run("pg_ctl", append([]string{"-D", s.data(), "-w", "-s"}, args...)...)
}

func (s *Server) run(program string, args ...string) error {
	cmd := s.command(program, args...)
	said, err := os.CreateTemp(s.dir, "said-") // a file: a pipe would stay open as long as the server that pg_ctl starts
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	cmd.Stdout, cmd.Stderr = said, said
	err = errors.Join(cmd.Run(), said.Close())
	if err != nil {
		text, _ := os.ReadFile(said.Name())
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		err = fmt.Errorf("%s: %w: %s\n%s", program, err, text, log)
	}
	return err
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(programs, program), args...)
	cmd.Dir = s.dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "PGUSER=" + s.owner}
	if s.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	}
	return cmd
}
