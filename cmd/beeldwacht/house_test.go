package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/beeldwacht/beeldwacht/"

// bans is the shape of the house (DESIGN section 2): who may not see whom, and why.
var bans = []struct{ of, on, why string }{
	{"protocol", "edge", "the shared words know neither side"},
	{"protocol", "central", "the shared words know neither side"},
	{"edge", "central", "the recorder does not trust the centre; what passes between them is in protocol"},
	{"central", "edge", "the centre does not trust the recorder; what passes between them is in protocol"},
	{"protocol", "cmd", "commands are the outermost room"},
	{"edge", "cmd", "commands are the outermost room"},
	{"central", "cmd", "commands are the outermost room"},
	{"central/public", "central/desk", "the public pages know no desk: a citizen's page cannot show what it cannot reach"},
	{"central/public", "central/identity", "the public pages ask nobody who they are"},
	{"central/public", "central/vault", "the public pages cannot reach footage"},
	{"central/api", "central/desk", "the API and the desk give the same commands, and neither decides for the other"},
	{"central/api", "central/identity", "a system is not a person: it has no account and no session"},
	{"central/witness", "central/broker", "the witness knows no transport"},
	{"edge/footage", "edge/ingest", "footage knows no cameras; frames come to it"},
	{"edge/disk", "edge/footage", "the disk lies under everything and knows nobody"},
	{"edge/disk", "edge/journal", "the disk lies under everything and knows nobody"},
	{"edge/journal", "edge/footage", "the journal serves all and depends on none"},
	{"edge/journal", "edge/orders", "the journal serves all and depends on none"},
	{"edge/orders", "edge/footage", "a verified order is carried out elsewhere"},
	{"edge/tpm", "edge/footage", "the TPM keeps a share and does not know what it opens"},
	{"edge/clock", "edge/footage", "what time it is depends on nobody who asks"},
	{"edge/clock", "edge/journal", "what time it is depends on nobody who asks"},
}

func TestHouseImportsPointOneWay(t *testing.T) {
	for pkg, imports := range dependencies(t, false) {
		for _, ban := range bans {
			for _, dep := range imports {
				if under(pkg, ban.of) && under(dep, ban.on) {
					t.Errorf("%s imports %s: %s", pkg, dep, ban.why)
				}
			}
		}
	}
}

// The wall between the two sides holds for tests too. Within a side a test may borrow, as footage's borrow clips of cameratest.
func TestHouseTestsKeepTheSidesApart(t *testing.T) {
	for pkg, imports := range dependencies(t, true) {
		for _, dep := range imports {
			if under(pkg, "edge") && under(dep, "central") || under(pkg, "central") && under(dep, "edge") {
				t.Errorf("%s or its tests import %s", pkg, dep)
			}
		}
	}
}

// Only one package meets gortsplib, so that a move to its next version is one package (DESIGN section 8).
func TestHouseOnlyIngestMeetsGortsplib(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}} {{join .TestImports \" \"}} {{join .XTestImports \" \"}}", "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		pkg, imports, _ := strings.Cut(line, " ")
		pkg = strings.TrimPrefix(pkg, module)
		if strings.Contains(imports, "bluenviron/gortsplib") && !under(pkg, "edge/ingest") {
			t.Errorf("%s imports gortsplib; only edge/ingest and its cameratest may", pkg)
		}
	}
}

// What footage and journal do to files goes through edge/disk, where a test can make any step of it fail; and the disk that fails stays out of the programs.
func TestHouseFilesGoThroughTheSeam(t *testing.T) {
	bare := regexp.MustCompile(`\b(os\.(Chmod|Chtimes|CopyFS|Create|CreateTemp|DirFS|Link|Lstat|Mkdir|MkdirAll|MkdirTemp|Open|OpenFile|OpenRoot|ReadDir|ReadFile|Remove|RemoveAll|Rename|Stat|Symlink|Truncate|WriteFile)|filepath\.(Glob|Walk|WalkDir)|(syscall|unix)\.(Fdatasync|Flock|Fsync|Statfs|Sync|Syncfs))\(`)
	for _, dir := range []string{"footage", "journal"} {
		files, err := filepath.Glob("../../edge/" + dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for n, line := range strings.Split(string(b), "\n") {
				if found := bare.FindString(line); found != "" {
					t.Errorf("%s:%d calls %s…): use edge/disk, so that a test can make it fail", name, n+1, found)
				}
			}
		}
	}
	for pkg, imports := range dependencies(t, false) {
		for _, test := range []string{"edge/disk/disktest", "central/identity/dextest"} {
			if slices.Contains(imports, test) {
				t.Errorf("%s imports %s, which is for tests", pkg, test)
			}
		}
	}
}

func TestHouseTopLevel(t *testing.T) {
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Skip("not a git checkout, so the top level cannot be listed; run it in a clone")
	}
	allowed := map[string]bool{"cmd": true, "edge": true, "central": true, "protocol": true, "deploy": true, "go.mod": true, "go.sum": true,
		"Makefile": true, "README.md": true, "LICENSE": true, "publiccode.yml": true}
	for _, file := range strings.Fields(string(out)) {
		top, _, _ := strings.Cut(file, "/")
		if !allowed[top] && !strings.HasPrefix(top, ".") {
			t.Errorf("%s: the top level holds only what DESIGN section 2 names", file)
		}
	}
}

// dependencies maps each of our packages to every package of ours it depends on, with or without its tests.
func dependencies(t *testing.T, tests bool) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", fmt.Sprintf("-test=%v", tests), "-f", "{{if not .Standard}}{{.ImportPath}}\t{{join .Deps \" \"}}{{end}}", "../../...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	deps := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		path, list, _ := strings.Cut(line, "\t")
		path, _, _ = strings.Cut(path, " ") // "pkg [pkg.test]"
		pkg, ours := strings.CutPrefix(path, module)
		if !ours {
			continue
		}
		for _, dep := range strings.Fields(list) {
			if d, ok := strings.CutPrefix(dep, module); ok {
				deps[pkg] = append(deps[pkg], d)
			}
		}
	}
	return deps
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

// Each row of the requirements has a test that is named after it (REQUIREMENTS section 2): R1 to R32.
func TestHouseEveryRowHasATest(t *testing.T) {
	named := regexp.MustCompile(`(?m)^func Test((?:R\d\d_)+)`)
	rows := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, found := range named.FindAllStringSubmatch(string(b), -1) {
			for _, row := range strings.Split(strings.TrimSuffix(found[1], "_"), "_") {
				rows[row] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 32; n++ {
		if row := fmt.Sprintf("R%02d", n); !rows[row] {
			t.Errorf("no test is named after %s", row)
		}
	}
}
