package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"text/tabwriter"
)

// packages runs the benchmarks named Cost of the packages, and prints what each reports. A metric's unit says what it is compared with.
func packages(ctx context.Context, segments int, out io.Writer) error {
	list := []string{"./edge/footage", "./edge/journal", "./protocol/chain"}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-run", "^$", "-bench", "^BenchmarkCost", "-benchtime", "1x", "-timeout", "20m"}, list...)...)
	cmd.Env = append(os.Environ(), fmt.Sprint("BEELDWACHT_SEGMENTS=", segments))
	b, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test: %w\n%s", err, b)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nbenchmark\tmeasured")
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		name, ok := strings.CutPrefix(line, "BenchmarkCost")
		if !ok || len(fields) < 4 {
			continue
		}
		name, _, _ = strings.Cut(strings.Fields(name)[0], "-")
		var figures []string
		for i := 2; i+1 < len(fields); i += 2 {
			if fields[i+1] != "ns/op" {
				figures = append(figures, fields[i]+" "+strings.ReplaceAll(fields[i+1], "_", " "))
			}
		}
		fmt.Fprintf(t, "%s\t%s\n", strings.ReplaceAll(name, "_", " "), strings.Join(figures, "; "))
	}
	return t.Flush()
}
