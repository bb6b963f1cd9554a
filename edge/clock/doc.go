// Package clock is the recorder's trusted now: what time it is, how sure that is, and how footage's age is measured when it is not (DESIGN section 6).
//
// A wrong clock does harm both ways. One that runs ahead would destroy footage too early, and a centre that lies about the time must not be able to; one that is
// behind would keep footage too long. So the recorder keeps a time of its own, and listens to others with care.
//
// # What there is to go by
//
//   - Running: the kernel's clock that nobody can set (CLOCK_BOOTTIME). Between two words from outside, trusted now advances by it and by nothing else.
//   - The machine's clock, which anybody may set, and which after a power cut is what a cheap part with a battery makes of it.
//   - NTP: the kernel says whether something keeps the machine's clock (adjtimex). Then what the machine says is NTP's word.
//   - A witness: each cosignature has a time (C2SP cosignature/v1). It counts when it covers an entry made since this start: it cannot be older than that.
//   - The floor: the file time in the data directory, in which trusted now is written whenever it is moved, each ten minutes, and at an orderly stop.
//
// # What moves it
//
//	both        NTP and a witness agree, within a minute      by all they say, back or forth
//	one         NTP, or a witness alone                       by at most 150 s, and 150 s more for each 24 h of running: never more than five minutes in any 24 h of it
//	steadfast   the machine's clock says so for 72 h of       by what it said without a break, and no witness contradicts: forth; and back where NTP or
//	            running                                       a witness says so too
//	start       the machine's clock, after a power cut        by at most 72 h in all until somebody confirms the time: a fuse that blows on Friday night and is
//	                                                          found on Monday. Within one boot Running tells how long the recorder was off, however long it was
//
// A witness that is less than a minute away moves nothing: its times are whole seconds, and they travelled. It withholds all the same.
//
// # What withholds
//
// Whatever says that it is later than trusted now may be right, and then footage is too old that does not seem so. [Reading.Latest] is the latest that any of them says. Footage due
// by Latest and not by Now exists and is shown to nobody; it comes back when its clock was wrong and is mended, and is destroyed when trusted now gets there. After a power cut nobody
// knows how long it was until NTP or a witness has said a word that is not before the floor: Latest is then beyond everything, and nothing is shown. (That costs little: without a
// cosignature of the last hour nothing is shown anyway, invariant 13.)
//
// A machine that wakes in 1970 so records at once, with times that follow on the floor: too early by as long as it was off, and so its footage goes too early by that, never late. Each
// run says with it how its clock was ([Reading.State]). Nothing old is shown. When NTP and a witness are there, trusted now is moved to what they agree on, and new runs begin.
//
// # Back
//
// Trusted now may be moved back, so that new footage bears right times. Age is never moved back: [Reading.Back] is how far now was moved back in all since the file began, and
// what was recorded when it was smaller is due so much sooner. Now + Back never goes back, and is what the floor guards.
//
// # An example
//
//	               running   machine   trusted now   Latest
//	floor found        0 s   Mon 8:00  Fri 18:00 → Mon 8:00 (62 h, believed)   beyond everything: nothing is shown
//	witness           20 s   8:00:20   8:00:20       8:00:20   shown again; of the next power cut 72 h are believed anew
//	set by hand      1 h     +1 day    Mon 9:00      Tue 9:00  what is due by Tuesday 9:00 is shown to nobody
//	set right        2 h     10:00     Mon 10:00     Mon 10:00 shown again
//	or left so      73 h     +1 day    Fri 9:00      Fri 9:00  destroyed; unless a witness contradicted it all along
package clock
