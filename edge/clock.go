package edge

import "golang.org/x/sys/unix"

// systemClock is what the kernel says of its clock: "synced" when something (chrony, timesyncd) keeps it, "unsynced" when nothing does. Each run's
// start bears it, so that a bag can say how far its times are to be believed.
func systemClock() string {
	const unsynchronised = 0x40 // STA_UNSYNC, adjtimex(2)
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return "unknown"
	}
	if t.Status&unsynchronised != 0 {
		return "unsynced"
	}
	return "synced"
}
