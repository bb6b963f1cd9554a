// Package footage keeps what cameras saw for exactly as long as it may be kept: segments on disk, their index, expiry and holds.
//
// # What it may not do
//
//   - Keep footage late. A segment expires when its first frame reaches its window, unless it is held; from that moment it cannot be read, and
//     [Store.Run] destroys it by a timer, without network and also when the journal cannot be written.
//   - Show footage without trace. [Store.Read] wants a grant and a receipt, and refuses their zero values.
//   - Lose footage silently. What goes before its window, what is missing and what was never recorded is an entry with a reason.
//   - Mistake a missing disk for deleted footage. A volume has an identity; [Open] refuses one that is absent, swapped or half there.
//
// # A volume
//
//	volume.json                       {"v":1,"volume":"5e0c…","recorder":"rec-1"}: written once
//	index.db                          bbolt: the index, and the only truth about what exists
//	footage/<camera>/<run>/init.mp4   the run's fMP4 init
//	footage/<camera>/<run>/000003.seg a sealed segment: fMP4 fragments from a key frame on; 000004.open is being written
//
// A run is named after its start and four random digits, 20261121t020000.000z-7f3a, so that no id returns (invariant 6). A run ends at the first key frame of a
// new clock hour; no run takes up a segment of another clock hour than its own. Decode times go on over the run, so
//
//	cat init.mp4 000000.seg 000001.seg > plays.mp4
//
// A segment's wall time is its run's start plus decode time: its start lies up to a frame or two (B-frames) before its first picture is shown, never after.
//
// # The index
//
// Rows are JSON with a version. Keys are <camera>/<stream>/<run>[/<n>].
//
//	runs        codec, hash of the init, start, window; count, bytes and first moment of what is left of it
//	segments    the SegmentLine, the window at sealing, offset and decode time of each fragment, the minute it is listed in
//	unlisted    segments in no minute yet (not journalled)
//	minutes     leaf hashes and entry number of a footage.sealed entry, until all its segments are gone
//	tombstones  segments on their way out; nothing in here is ever shown
//	holds       what is held, asked and confirmed
//	streams     which gap a stream is in, if any; gaps: those that ended
//	owed        entries that the journal must still take, in order
//
// The window stands in the run's row and only ever gets shorter: a shorter mandate shortens it at once, a longer one starts a new run.
//
// # Order of things
//
// Sealing: write, sync file, rename, sync directory, index row (invariant 1). Expiry: tombstone, unlink, sync directory, entry footage.expired,
// drop the tombstone (invariant 2). Both leave off anywhere and are taken up again by the same code after a start.
//
// What happened and what the journal must say of it enter the index in one transaction (bucket owed); the entry follows at once, or when the journal works
// again (invariant 10). A crash in the instant between the journal's sync and the index's may write an entry twice.
//
// # Who owns what
//
// One goroutine for each [Writer] owns that stream's open run and segment. Run's goroutine is the clock; it and the callers of SetMandates, Place and Lift
// take turns at expiry (lock sweeping). The index and its picture in memory (runs, holds, tombstones, streams) belong to whoever has lock mu. Locks are taken
// in the order sweeping, settling, mu, mandateMu; no entry is appended and no footage file is touched under mu.
package footage
