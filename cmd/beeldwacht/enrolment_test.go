package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts in testdata/enrol hold what roots, centre and enrol make, what they say, and that they leave nothing half made.
func TestEnrolScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/enrol", Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"code": codeCommand}})
}
