package journal

import "context"

// Ping goes through the writer and back, and has it do what is due: seal an epoch, destroy bodies whose term is over. It returns nil when the next entry can be written as far as is known, [ErrBroken]
// when it cannot, [ErrClosed] after Close, and ctx's error when the writer does not answer: it hangs in a write or a sync.
func (j *Journal) Ping(ctx context.Context) error {
	answer := make(chan error, 1) // buffered: nobody may be waiting any more
	select {
	case j.pings <- answer:
		return <-answer
	case <-j.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}
