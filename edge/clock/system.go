package clock

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// System is the machine this runs on.
func System() Machine {
	m := Machine{Running: running, Wall: time.Now, NTP: ntp}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil { // without it each start counts as one after a power cut
		m.Boot = strings.TrimSpace(string(id))
	}
	return m
}

var started = time.Now()

func running() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil { // Linux has had it since 2.6.39
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}

// ntp is what the kernel says of its clock: Synced when something (chrony, timesyncd) keeps it.
func ntp() string {
	const unsynchronised = 0x40 // STA_UNSYNC, adjtimex(2)
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return Unknown
	}
	if t.Status&unsynchronised != 0 {
		return Unsynced
	}
	return Synced
}
