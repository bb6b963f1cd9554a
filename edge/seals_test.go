package edge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// A recorder begins its first epoch at its first start, and goes on with it at the next. One whose key was lost says so to who minds the machine and, in its log, to everybody.
func TestI11_LostEpochKeyIsSaid(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	s.connect()
	begun := func(what string, entries int, lost string) {
		t.Helper()
		s.eventually(what, func() bool {
			list := told[protocol.EpochBegun](s, protocol.KindEpochBegun)
			return len(list) == entries && strings.Contains(list[entries-1].Lost, lost)
		})
	}
	_, stop := s.start()
	begun("the first epoch", 1, "")
	stop()
	_, stop = s.start()
	begun("the same epoch goes on", 1, "")
	s.eventually("all is well", func() bool {
		at, _, err := Ask(t.Context(), s.config.Data)
		return err == nil && at.Journal.Breaks == 0
	})
	stop()
	s.check(os.Remove(filepath.Join(s.config.keysDir(), "epoch.key")))
	_, stop = s.start()
	begun("the break", 2, "epoch.key")
	s.eventually("the operator is told", func() bool {
		at, _, err := Ask(t.Context(), s.config.Data)
		return err == nil && at.Journal.Breaks == 1 && strings.Contains(at.Text(time.UTC), "The key that seals this journal was lost")
	})
	stop()
}
