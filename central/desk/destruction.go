package desk

import (
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/destruction"
)

// The certificate of destruction, for the privacy officer: per camera and day what was deleted, under which protocol, when due and when done.

// destruction lists the cameras that a certificate can be of, also those that are withdrawn.
func (d *desk) destruction(v *visit) {
	d.show(v, http.StatusOK, "destruction.html", page.Both("Vernietiging", "Destruction"), func(st *central.State) any {
		return slices.DeleteFunc(st.Placements(), func(p *central.Placement) bool { return p.Recorder == "" })
	})
}

// camera of a path, and its recorder. It answers itself when there is none.
func (d *desk) recorderOf(v *visit) (camera protocol.CameraID, name string, recorder protocol.RecorderID, ok bool) {
	camera = protocol.CameraID(v.r.PathValue("camera"))
	d.Book.View(func(st *central.State) {
		if p := st.Placement(camera); p != nil && p.Recorder != "" {
			name, recorder, ok = p.Name, p.Recorder, true
		}
	})
	if !ok {
		d.nothing(v)
	}
	return camera, name, recorder, ok
}

func (d *desk) destroyedDays(v *visit) {
	camera, name, recorder, ok := d.recorderOf(v)
	if !ok {
		return
	}
	days, err := d.Recorders.Destruction(v.r.Context(), recorder, camera)
	if err != nil {
		d.failed(v, "destruction of "+string(camera), err)
		return
	}
	d.show(v, http.StatusOK, "destroyed.html", page.Both("Vernietiging: "+name, "Destruction: "+name), func(*central.State) any {
		return struct {
			Camera   protocol.CameraID
			Name     string
			Recorder protocol.RecorderID
			Days     []destruction.Day
		}{camera, name, recorder, days}
	}, wide)
}

func (d *desk) certificate(v *visit) {
	camera, name, recorder, ok := d.recorderOf(v)
	if !ok {
		return
	}
	date, asText := strings.CutSuffix(v.r.PathValue("day"), ".txt")
	if _, err := parseDay(date); err != nil || date == "" {
		d.nothing(v)
		return
	}
	c, err := d.Recorders.Certificate(v.r.Context(), recorder, camera, date)
	if err != nil {
		d.failed(v, "certificate of "+string(camera)+" "+date, err)
		return
	}
	if asText {
		v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		v.w.Header().Set("Content-Disposition", `attachment; filename="vernietiging-`+string(camera)+`-`+date+`.txt"`)
		if _, err := io.WriteString(v.w, c.Text(v.lang == page.EN)); err != nil {
			d.Log.Debug("a certificate was not read to its end", "camera", camera, "err", err)
		}
		return
	}
	d.show(v, http.StatusOK, "certificate.html", page.Both("Verklaring van vernietiging: "+name, "Certificate of destruction: "+name), func(*central.State) any {
		return struct {
			destruction.Certificate
			Name string
		}{c, name}
	}, wide)
}
