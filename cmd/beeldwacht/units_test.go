package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/beeldwacht/beeldwacht/central/office"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/outside"
	"github.com/beeldwacht/beeldwacht/edge"
)

// unit is a systemd unit, by section and name. What stands twice has two values.
type unit map[string][]string

func readUnit(t *testing.T, file string) unit {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	u, section, explained := unit{}, "", false
	for i, line := range strings.Split(string(b), "\n") {
		switch name, value, ok := strings.Cut(line, "="); {
		case line == "":
			explained = false
		case strings.HasPrefix(line, "#"):
			explained = true
		case strings.HasPrefix(line, "["):
			section, explained = strings.Trim(line, "[]"), true
		case !ok || strings.HasSuffix(line, `\`):
			t.Errorf("%s:%d: %q: want name=value on one line", file, i+1, line)
		default:
			if !explained {
				t.Errorf("%s:%d: %s is not explained", file, i+1, name)
			}
			u[section+"."+name] = append(u[section+"."+name], value)
		}
	}
	return u
}

// TestUnits holds the shipped systemd units against the programs they start and the configurations they ship with.
func TestUnits(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-race", "-o", bin+"/", "../beeldwacht", "../beeldwacht-edge", "../beeldwacht-central").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, want := range map[string]map[string]string{
		"beeldwacht-edge":    {"Service.Type": "notify", "Service.WatchdogSec": "120s", "Service.SystemCallFilter": "@system-service adjtimex"},
		"beeldwacht-central": {"Service.Type": "exec"},
		"beeldwacht-witness": {"Service.Type": "exec"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("..", "..", "deploy", name+".service")
			u := readUnit(t, file)
			for key, value := range map[string]string{"Service.NoNewPrivileges": "yes", "Service.ProtectSystem": "strict", "Service.Restart": "always", "Service.LimitCORE": "0",
				"Service.RestartPreventExitStatus": "2", "Unit.StartLimitIntervalSec": "0", "Install.WantedBy": "multi-user.target"} {
				want[key] = value
			}
			for key, value := range want {
				if got := strings.Join(u[key], "|"); got != value {
					t.Errorf("%s is %q, want %q", key, got, value)
				}
			}
			if u["Service.Type"][0] == "exec" && u["Service.WatchdogSec"] != nil {
				t.Error("a watchdog without notifications kills what works")
			}

			command := strings.Fields(u["Service.ExecStart"][0])
			help := exec.Command(filepath.Join(bin, filepath.Base(command[0])), append(command[1:], "-h")...)
			out, err := help.CombinedOutput()
			if help.ProcessState.ExitCode() != 2 || strings.Contains(string(out), "not defined") {
				t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, out)
			}
			for _, arg := range command[1:] {
				if strings.HasPrefix(arg, "-") && !regexp.MustCompile(`(?m)^  `+arg+` `).Match(out) {
					t.Errorf("%s has no flag %s:\n%s", name, arg, out)
				}
			}

			// What the shipped configuration writes to is what the unit makes.
			if state, data := "/var/lib/"+u["Service.StateDirectory"][0], shippedData(t, name); state != data {
				t.Errorf("the unit makes %s, the configuration writes to %s", state, data)
			} else if u["Unit.RequiresMountsFor"][0] != data {
				t.Errorf("waits for the mount of %s, not of %s", u["Unit.RequiresMountsFor"][0], data)
			}
			verifyUnit(t, file, command[0], filepath.Join(bin, filepath.Base(command[0])))
		})
	}
}

func shippedData(t *testing.T, name string) string {
	t.Helper()
	if name == "beeldwacht-central" {
		c, err := office.LoadConfig("../../deploy/central.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return c.Data
	}
	if name == "beeldwacht-witness" {
		c, err := outside.LoadConfig("../../deploy/witness.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return c.Data
	}
	dir := t.TempDir() // a checkout does not keep mode 600
	for _, file := range []string{"edge.yaml", "edge-secrets.yaml"} {
		b, err := os.ReadFile(filepath.Join("../../deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := edge.LoadConfig(filepath.Join(dir, "edge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c.Data
}

// verifyUnit asks systemd itself, where it is installed. The program stands elsewhere here.
func verifyUnit(t *testing.T, file, from, to string) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not here: systemd's own reading is not tested")
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(b), from, to)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", copied).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=20", copied).CombinedOutput(); err != nil { // of 100: what it could reach if it were taken over
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
