package central

import "time"

// InBeeld is one line of the list for Camera in Beeld, the register in which the police keep which cameras hang where, so that they know whom to ask. The register is voluntary
// and holds no footage; its own number for a camera comes back into the placement (CameraInBeeld).
type InBeeld struct {
	*Placement
	Holder Words  // who answers for the camera
	Number string // Camera in Beeld's own; empty: not yet entered there
}

// CamerasInBeeld are the cameras in use at a moment, by id, and how many of them Camera in Beeld has no number of.
func (s *State) CamerasInBeeld(now time.Time) (list []InBeeld, without int) {
	for _, p := range s.Placements() {
		if p.StatusAt(now) != Active {
			continue
		}
		b := InBeeld{Placement: p, Holder: Words{"gemeente " + s.Municipality, "municipality of " + s.Municipality}, Number: p.CameraInBeeld}
		if b.Number == "" {
			without++
		}
		list = append(list, b)
	}
	return list, without
}
