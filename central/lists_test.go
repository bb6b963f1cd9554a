package central

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/beeldwacht/beeldwacht/protocol"
)

func TestOrderedListsStayInOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	list, want := ordered[int]{compare: cmp.Compare[int]}, map[int]bool{}
	for range 40_000 {
		if n := random.IntN(9000); random.IntN(5) < 3 {
			list.put(n)
			want[n] = true
		} else {
			list.remove(n)
			delete(want, n)
		}
	}
	for n := range 2000 { // one after the other, as ids often come
		list.put(10_000 + n)
		want[10_000+n] = true
	}
	all := slices.Sorted(maps.Keys(want))
	if got := slices.Collect(list.all()); !slices.Equal(got, all) || list.size != len(all) {
		t.Fatalf("%d of %d", len(got), len(all))
	}
	for _, n := range []int{0, 1, 511, 512, 513, 3000, len(all) - 1, len(all), len(all) + 1} {
		if got := slices.Collect(list.from(n)); !slices.Equal(got, all[min(n, len(all)):]) {
			t.Errorf("from %d: %d", n, len(got))
		}
	}
	for range 1000 {
		n := random.IntN(13_000)
		if got, want := list.upTo(n), len(slices.DeleteFunc(slices.Clone(all), func(m int) bool { return m > n })); got != want {
			t.Fatalf("up to %d: %d, want %d", n, got, want)
		}
	}
}

// listsAreRight compares the lists of a state, which followed its events, with those that a walk through all of it makes, and what they are for with what everything says for itself. Every
// test with a history does so at its end, and with each of its dossiers erased.
func listsAreRight(t testing.TB, s *State) {
	t.Helper()
	walked := *s
	walked.lists, walked.order = newLists(), nil
	for _, p := range s.placements {
		walked.list(p, nil)
	}
	for _, r := range s.recorders {
		walked.lists.recorders.put(r)
		count(walked.witnessed, "", r.witnessing())
	}
	for n, id := range s.order {
		if s.requests[id].number != n {
			t.Errorf("request %s is number %d, not %d", id, s.requests[id].number, n)
		}
		walked.filed(s.requests[id])
	}
	for _, q := range s.subjects {
		walked.follow(nil, q.Holds)
	}
	for _, g := range s.grants {
		if g.Use == protocol.UseStanding {
			walked.viewing[g.Requester] = append(walked.viewing[g.Requester], g)
		}
	}
	for _, r := range s.requests {
		if r.HandedOver != nil {
			walked.handed = append(walked.handed, r)
		}
	}
	slices.SortFunc(walked.handed, func(a, b *Request) int { return cmp.Compare(a.HandedOver.Seq, b.HandedOver.Seq) })
	a, b := laidOut(&s.lists), laidOut(&walked.lists)
	for name := range b {
		if !reflect.DeepEqual(a[name], b[name]) {
			t.Errorf("the list %s:\n%v\nas a walk says:\n%v", name, a[name], b[name])
		}
	}

	now := time.Time{}
	if n := len(s.order); n > 0 {
		now = s.requests[s.order[n-1]].Filed.Add(time.Hour)
	}
	for person := range s.people {
		var all []*Request
		for _, id := range slices.Backward(s.order) {
			if r := s.requests[id]; s.MayRead(person, r, now) {
				all = append(all, r)
			}
		}
		if got := s.Requests(person, now); !slices.Equal(got, all) {
			t.Errorf("%s reads %d requests of %d", person, len(got), len(all))
		}
		if n := len(all); n > 1 {
			if got := slices.Collect(s.RequestsBefore(person, all[n/2].ID, now)); !slices.Equal(got, all[n/2+1:]) {
				t.Errorf("%s reads %d requests before %s", person, len(got), all[n/2].ID)
			}
		}
	}
	for _, now := range []time.Time{now, now.AddDate(1, 0, 0)} {
		for _, status := range []Status{Draft, Active, Suspended, Removed, Lapsed} {
			want := slices.DeleteFunc(s.Placements(), func(p *Placement) bool { return p.StatusAt(now) != status })
			list, n := s.WithStatus(status, 0, now)
			rest, _ := s.WithStatus(status, 1, now)
			if got := slices.Collect(list); !slices.Equal(got, want) || n != len(want) || !slices.Equal(slices.Collect(rest), want[min(1, n):]) {
				t.Errorf("%d placements are %s, not %d", len(want), status, n)
			}
		}
	}
}

// laidOut is each list as something to compare.
func laidOut(l *lists) map[string]any {
	out := map[string]any{"cameras": slices.Collect(l.cameras.all()), "recorders": slices.Collect(l.recorders.all()), "public": slices.Collect(l.public.all()), "ending": slices.Collect(l.ending.all()),
		"proposed": slices.Collect(l.proposed.all()), "doubted": slices.Collect(l.doubted.all()), "incomplete": slices.Collect(l.incomplete.all()), "under": l.under, "processing": l.processing,
		"witnessed": l.witnessed, "live": keysOf(l.live), "asked": keysOf(l.asked), "standing": keysOf(l.standing), "open": keysOf(l.open), "handed": numbers(l.handed)}
	for status, list := range l.byStatus {
		out["status "+string(status)] = slices.Collect(list.all())
	}
	for dpia, due := range l.confirming {
		if due.yearly.size+due.often.size > 0 {
			out["yearly "+dpia], out["often "+dpia] = slices.Collect(due.yearly.all()), slices.Collect(due.often.all())
		}
	}
	out["known"] = slices.Collect(l.known.all())
	out["police"] = slices.Collect(l.police.all())
	for at, list := range l.at {
		out[fmt.Sprint("at ", at)] = slices.Collect(list.all())
	}
	for regime, list := range l.ofRegime {
		out["regime "+string(regime)] = numbers(list)
	}
	for unit, list := range l.ofUnit {
		if len(list) > 0 {
			out["unit "+unit] = numbers(list)
		}
	}
	for person, list := range l.own {
		if len(list) > 0 {
			out["of "+string(person)] = numbers(list)
		}
	}
	for person, list := range l.viewing {
		ids := []string{}
		for _, g := range list {
			ids = append(ids, string(g.ID))
		}
		slices.Sort(ids)
		out["viewing "+string(person)] = ids
	}
	spoken := numbers(l.spoken)
	slices.Sort(spoken)
	out["spoken"] = spoken
	return out
}

func keysOf[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func numbers(list []*Request) []int {
	out := []int{}
	for _, r := range list {
		out = append(out, r.number)
	}
	return out
}
