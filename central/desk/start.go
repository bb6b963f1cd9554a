package desk

import (
	"net/http"
	"slices"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/identity"
	"github.com/beeldwacht/beeldwacht/central/page"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// start is what waits for this person, and what their role begins with.
type start struct {
	Name     string
	Session  identity.Session
	Posts    []post
	Tasks    []central.Task // this page of them
	Waiting  int            // how many in all
	Find     finder
	News     []central.Task
	Mail     mailState
	Requests []*central.Request // of the own unit, the newest few
	Cameras  []seenCamera       // staff: theirs
	Grants   []*central.Grant
	Officer  *overview
	Roles    map[string]bool // active ones
}

type post struct {
	central.Post
	Active bool
}

// overview is what the privacy officer opens with.
type overview struct {
	Orphans []central.MatchedAccess
	Logs    []recorderLog // the first of them, those with trouble before others

	Recorders, Orderly int // how many there are, and of how many the log is in order
	Held               int
	Oral               central.OralCount // spoken in the last year
	Wpg                wpgCounts
}

func (d *desk) start(v *visit) {
	var accesses []central.Access
	if d.holdsAny(v, []central.Role{central.Officer}) {
		var err error
		if accesses, err = d.Recorders.Accesses(); err != nil {
			d.failed(v, "accesses", err)
			return
		}
	}
	d.show(v, http.StatusOK, "start.html", page.Both("Begin", "Start"), func(st *central.State) any {
		s := start{Name: v.in.Name, Session: v.in, News: st.News(v.me(), v.now), Roles: map[string]bool{}}
		tasks := st.Inbox(v.me(), v.now)
		s.Find = v.finder()
		s.Waiting, s.Tasks = len(tasks), cut(&s.Find, tasks)
		if p := st.Person(v.me()); p != nil {
			for _, held := range p.Posts {
				active := st.Holds(v.me(), held.Role, held.Regime, v.now)
				s.Posts = append(s.Posts, post{held, active})
				s.Roles[string(held.Role)] = s.Roles[string(held.Role)] || active
			}
		}
		s.Mail = d.mailState(v, s.Roles[string(central.Administrator)])
		if s.Roles[string(central.Requester)] {
			for r := range st.RequestsBefore(v.me(), "", v.now) {
				if s.Requests = append(s.Requests, r); len(s.Requests) == 5 {
					break
				}
			}
		}
		if s.Roles[string(central.Staff)] {
			s.Cameras = d.assigned(st, v)
			s.Grants = st.StandingGrants(v.me(), v.now)
		}
		if s.Roles[string(central.Officer)] {
			o := &overview{}
			for _, l := range d.recorderLogs(st, v.now) {
				if o.Recorders++; !l.Trouble() {
					o.Orderly++
				}
				if len(o.Logs) < onePage {
					o.Logs = append(o.Logs, l)
				}
			}
			list, counts := st.Overseen(st.Match(accesses))
			o.Wpg = busiest(counts)
			for _, m := range list {
				if m.Orphan() {
					o.Orphans = append(o.Orphans, m)
				}
			}
			for _, h := range st.Standing() {
				if r := st.Request(h.Request); r != nil && h.Confirmed != nil && st.MayRead(v.me(), r, v.now) {
					o.Held++
				}
			}
			o.Oral = st.OralDemands(v.now.AddDate(-1, 0, 0), v.now.Add(time.Millisecond), v.now)
			s.Officer = o
		}
		return s
	}, wide, fresh)
}

// seenCamera is a camera beside what its recorder says of it now.
type seenCamera struct {
	*central.Placement
	Status  central.Status
	Heard   bool // the recorder spoke lately
	Now     *protocol.CameraStatus
	LastSay protocol.Time // when the recorder spoke last; zero: never
	Viewer  string
}

// Dark says that the camera may record and does not, or that nobody knows.
func (c seenCamera) Dark() bool {
	return c.Status == central.Active && (!c.Heard || c.Now == nil || c.Now.State != "recording")
}

// heardWithin is how old a recorder's status may be to say something of now.
const heardWithin = 3 * 60e9 // three minutes

func (d *desk) seen(st *central.State, p *central.Placement, v *visit) seenCamera {
	c := seenCamera{Placement: p, Status: p.StatusAt(v.now)}
	if rec := st.Recorder(p.Recorder); rec != nil {
		c.Viewer = rec.Viewer
	}
	status, received, ok := d.Recorders.Status(p.Recorder)
	if !ok {
		return c
	}
	c.LastSay = protocol.T(received)
	c.Heard = status.State == "online" && v.now.Sub(received) < heardWithin
	if status.Viewer != "" {
		c.Viewer = status.Viewer
	}
	if i := slices.IndexFunc(status.Cameras, func(s protocol.CameraStatus) bool { return s.Camera == p.Camera }); i >= 0 {
		c.Now = &status.Cameras[i]
	}
	return c
}

// assigned are a staff member's own cameras, dark ones first.
func (d *desk) assigned(st *central.State, v *visit) []seenCamera {
	var list []seenCamera
	if p := st.Person(v.me()); p != nil {
		for _, id := range p.Cameras {
			if placement := st.Placement(id); placement != nil {
				list = append(list, d.seen(st, placement, v))
			}
		}
	}
	darkFirst(list)
	return list
}

func darkFirst(list []seenCamera) {
	slices.SortStableFunc(list, func(a, b seenCamera) int {
		switch {
		case a.Dark() && !b.Dark():
			return -1
		case b.Dark() && !a.Dark():
			return 1
		}
		return 0
	})
}
