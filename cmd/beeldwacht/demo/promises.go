package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// report prints one line a promise, as it is kept or broken.
type report struct {
	out          io.Writer
	kept, broken int
}

// errBroken ends a check in which a promise was broken; the lines above say which.
var errBroken = errors.New("not every promise was kept")

// promise runs one and prints its line: the figure it saw, or what went wrong. Later promises that need this one's result are told by ok.
func (r *report) promise(code string, see func() (figure string, err error)) (ok bool) {
	figure, err := see()
	if err != nil {
		r.broken++
		fmt.Fprintf(r.out, "FAIL %-4s %v\n", code, err)
		return false
	}
	r.kept++
	fmt.Fprintf(r.out, "ok   %-4s %s\n", code, figure)
	return true
}

// wait polls until seen gives a figure, and fails after a time with what it was waiting for.
func wait(ctx context.Context, within time.Duration, what string, seen func() (figure string, done bool, err error)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not seen within %s: %s", within, what))
	defer cancel()
	for {
		figure, done, err := seen()
		if err != nil || done {
			return figure, err
		}
		if err := pause(ctx, 300*time.Millisecond); err != nil {
			return "", err
		}
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
