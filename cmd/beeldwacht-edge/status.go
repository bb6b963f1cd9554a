package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/beeldwacht/beeldwacht/edge"
)

// refresh is how often -watch looks again.
const refresh = 2 * time.Second

func statusCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	g := flags("status", stderr)
	watch := g.Bool("watch", false, "look again every two seconds, until interrupted")
	asJSON := g.Bool("json", false, "for programs: one line of JSON each time")
	config, _, err := g.load(args)
	if err != nil {
		return err
	}
	for {
		page, err := look(ctx, config.Data, *asJSON)
		if ctx.Err() != nil && *watch { // interrupted: that is how watching ends
			return nil
		}
		if !*watch {
			if err != nil {
				return err
			}
			_, err = stdout.Write(page)
			return err
		}
		if err != nil { // it may be on its way back
			page = fmt.Appendf(nil, "%s\n", err)
		}
		if !*asJSON {
			page = append([]byte("\x1b[H\x1b[2J"), page...) // to the corner, and clear
		} else if err != nil {
			page = nil
			fmt.Fprintln(stderr, "beeldwacht-edge:", err)
		}
		if _, err := stdout.Write(page); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(refresh):
		}
	}
}

// look asks once.
func look(ctx context.Context, data string, asJSON bool) ([]byte, error) {
	s, raw, err := edge.Ask(ctx, data)
	switch {
	case errors.Is(err, edge.ErrNotRunning):
		return nil, fmt.Errorf("%w (or is still starting). Nothing is recorded. Look at: systemctl status beeldwacht-edge; start it with: systemctl start beeldwacht-edge", err)
	case err != nil:
		return nil, err
	case asJSON:
		return append(bytes.TrimSpace(raw), '\n'), nil
	}
	return []byte(s.Text(time.Local)), nil
}
