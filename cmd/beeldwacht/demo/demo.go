package demo

import (
	"context"
	"errors"
	"fmt"
)

// Run shows the town to a person until ctx ends.
func Run(ctx context.Context, o Options) error {
	fmt.Fprintln(o.Out, "Beeldwacht demo: a small town is being built …")
	t, err := start(ctx, o, scenes())
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(o.Out, "\nStopped before it was built; the next start goes on.")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, guide, t.pages(), t.viewer(), password, t.dir, o.Store.Exe)
	for _, s := range t.scenes {
		fmt.Fprintf(o.Out, "  %-10s %-18s footage stays %-8s %s\n", s.id, s.name, s.window.Duration(), s.url)
	}
	fmt.Fprintln(o.Out, "\nCtrl-C stops it in order; the next start goes on where this one stopped.")
	select {
	case <-ctx.Done():
	case <-t.ended.Done():
	}
	fmt.Fprintln(o.Out, "\nStopping: sealing footage, handing in the journal …")
	if err := t.close(); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "Stopped. Everything is in %s; remove that folder to begin anew.\n", t.dir)
	return nil
}

const guide = `
  Public map      %[1]s/
  Desk            %[1]s/bureau
  API             %[1]s/v1/openapi.json     (for systems; as agent see %[1]s/bureau/koppelen)
  Viewer          %[2]s/     (looking back, near the recorder; its certificate is the demo's own, so the browser warns once)

Log in at the desk with the password %[3]s as
  agent        police: asks for footage, downloads it, confirms receipt
  behandel     handler: checks a request
  besluit      approver: decides (besluit2 may check and decide, but not the same request)
  facilitair   facility staff: state of the cameras, looking back fifteen minutes
  fg           privacy officer: who saw what, and are the logs whole
  register     registrar: the camera register
  beheer       administrator: appoints people, decides on no footage

Try this: as agent ask for one minute of a camera, within the last minutes. Watch the hold being confirmed by the recorder. Check it as behandel,
grant it as besluit; then download and verify it as agent, and confirm receipt. What nobody held is gone after its window: the public page says so.

The recorder's whole log, verified offline, while it is being written:
  %[5]s verify -keys %[4]s/recorder/keys.txt %[4]s/recorder-data/journal

The three root keys lie together in %[4]s/roots. In a real town they are offline, with three people. Here they are not.

State is kept in %[4]s. Cameras:
`
