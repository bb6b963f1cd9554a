package footage

// Progress asks [Store.Run] to go round now, and tells how often it has gone round, or got on with a long expiry, since the start. A number that stays the same
// from one call to the next, some time apart, means that Run hangs, on a disk that does not answer for one: footage then no longer expires.
func (s *Store) Progress() uint64 {
	s.wake()
	return s.rounds.Load()
}
