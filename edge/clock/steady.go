package clock

import "time"

// steady is what a clock has said without a break, and since when: each step is at least so much, from a moment of running on. Later steps are larger. One that says less, if
// only for an instant, takes back all that was more.
type steady []step

type step struct {
	Since span `json:"since"` // of Ran
	By    span `json:"by"`
}

// A clock that is moved on and on makes steps; more than these become one, from when the last of them was said.
const maxSteps = 32

// grain keeps a clock's trembling from starting its term anew.
const grain = span(100 * time.Millisecond)

// see takes what it says now, and tells whether that is news.
func (s *steady) see(ran, by time.Duration) bool {
	said, since, n := span(by)/grain*grain, span(ran), len(*s)
	before := n
	for ; n > 0 && (*s)[n-1].By > said; n-- {
		since = (*s)[n-1].Since // it said more than this from there on
	}
	*s = (*s)[:n]
	if said == 0 || n > 0 && (*s)[n-1].By == said {
		return n < before
	}
	if n == maxSteps {
		*s = append((*s)[:n-2], (*s)[n-1])
	}
	*s = append(*s, step{since, said})
	return true
}

// grown is how much it has said for as long as it takes to be believed.
func (s steady) grown(ran time.Duration) (by time.Duration) {
	for _, step := range s {
		if ran-time.Duration(step.Since) >= steadfast {
			by = time.Duration(step.By)
		}
	}
	return by
}

// shift takes off what now was moved by.
func (s *steady) shift(by time.Duration) {
	var left steady
	for _, step := range *s {
		if step.By -= span(by); step.By >= grain {
			left = append(left, step)
		}
	}
	*s = left
}

// span is a duration that stands in a file as 72h0m0s.
type span time.Duration

func (s span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

func (s *span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	*s = span(d)
	return err
}
