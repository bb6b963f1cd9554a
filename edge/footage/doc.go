// Package footage keeps what cameras saw for exactly as long as it may be kept: segments on disk, their index, expiry and holds.
//
// # What it may not do
//
//   - Keep footage late. A segment expires when its first frame reaches its window, unless it is held; from that moment it cannot be read, and
//     [Store.Run] destroys it by a timer, without network and also when the journal cannot be written.
//   - Show footage without trace. [Store.Read] wants a grant and a receipt, and refuses their zero values.
//   - Lose footage silently. What goes before its window, what is missing and what was never recorded is an entry with a reason.
//   - Mistake a missing disk for deleted footage. A volume has an identity; one that is absent, swapped or half there is not used, and what it holds is said to be missing.
//
// # A volume
//
//	volume.json                       {"v":3,"volume":"5e0c…","recorder":"rec-1"}: written once
//	index.db                          bbolt: the index, and the only truth about what exists
//	reserve                           1 MiB of nothing; when others have filled the disk the index gets its space, so that footage goes on expiring
//	footage/<camera>/<run>/init.mp4   the run's fMP4 init: no picture, in the clear
//	footage/<camera>/<run>/000003.seg a sealed segment: fMP4 fragments from a key frame on, encrypted; 000004.open is being written
//
// That is the volume in Config.Dir. A recorder may have more of them, on other disks (Config.Volumes), which have a mark in place of the index:
//
//	volume.json                       as above, with an identity of its own
//	mark                              random, written anew each minute in which something changed; the index has it too
//	footage/                          as above
//
// Index and keys are one, for all volumes, and stand on none of the other disks: what becomes of a disk, all that it holds is known to the segment, its keys go when it is due and
// stay while it is held, and none of its files is mapped into this process (a disk that dies under a mapped index kills who reads it). So only Config.Dir and Config.Keys are
// needed for all the rest: put them on the disk that you trust most. An index on each disk would make each of them readable by itself, but for keys and journal, which are one
// anyway; and what it knows would die with its disk, or come back old with a copy of it.
//
// # Where footage goes
//
// Each camera has a home: the volume whose Cameras name it, else the one where fewest cameras are at home when it first records, of those the one with most free space, remembered
// from then on. Each run goes home. Where that cannot be (the disk is away, a run failed on it in the last half minute, or only held footage is left on it), the run goes to the next
// volume in the order of the configuration, and so round. A run never changes volume, so a camera goes home at its next run: within the hour. Space is made on each volume from its
// own footage. An example, of volumes a, b (Cameras: plein) and c, with 1, 2 and 3 TB free:
//
//	plein begins         home b, as configured
//	hal, kade begin      home c, then a: nobody is at home on either, and c has more free
//	b is pulled out      plein goes on, on c, with its next key frame; the segment that was being written is cut to what is whole when b is back
//	c is full, all held  hal and plein go to a, where the oldest that is not held makes room
//	b is back            plein goes home at its next run, within the hour
//
// The death of a disk costs what was on it, and of each camera that was recorded on it the frames up to its next key frame. What was on it is a gap of cause missing in
// [Store.Gaps] (not in the journal: the disk may come back), in no [Reading], and in a hold's first entry it is left out: another follows when all of it can be seen. When it is due
// its keys go, as those of all footage do; its files follow when the disk is back, and only then the entry. A disk that is put back from a copy finds no other keys and no other
// index than before: what expired since opens with nothing, and is deleted; what it lacks is counted and told.
//
// A volume that is taken out of the configuration takes no new footage and ages out where it is; one that is missing besides counts as gone segment by segment, with their keys.
// A new disk in place of a dead one gets a folder of its own, by a path that was not used before: an empty folder where a volume was is a disk that is not mounted.
//
// A run is named after its start and four random digits, 20261121t020000.000z-7f3a, so that no id returns (invariant 6). A run ends at the first key frame of a
// new clock hour; no run takes up a segment of another clock hour than its own. Decode times go on over the run, so that of what is read out of it
//
//	cat init.mp4 000000 000001 > plays.mp4
//
// Where roster and mandate both allow sound, a run may have a second track of it, bit for bit as the camera coded it, in a clock of its own. A fragment then has the sound that
// begins within its span. Pictures wait half a second at most for theirs, and with them what a crash may lose; sound that comes later goes with the next fragment of its segment or is
// lost, and never costs a picture. When a mandate narrows to no sound not one frame of it is written from that moment, and the next key frame begins a run without.
//
// A segment's wall time is its run's start plus decode time: its start lies up to a frame or two (B-frames) before its first picture is shown, never after.
//
// # A segment's file
//
//	"BWSEG" 0 0 3 (8) | chain (8) | place in it (4, big endian) | zero (4) | Tink streaming AEAD, AES256_GCM_HKDF_4KB, of the fMP4
//
// so that Tink itself reads a file from byte 24 on. The associated data are the lines "beeldwacht segment 3", recorder, camera, stream, run, place in the run and
// chain/place, each with its newline: a file that is moved does not open. Sizes, hashes and offsets in the index and in the journal are those of the plaintext; what
// counts against the disk is the file, 16 bytes more for each 4 KiB. Files of version 2, with chunks of 64 KiB, are read, and expire as they are.
//
// Fragments go to the disk in chunks of 4 KiB as they come. Config.SyncInterval bounds what a power cut costs, at any bit rate: four fifths of it after the last time the chunk that is not
// full is filled up with an MP4 box that says nothing (free; 2 KiB on average), and the file and its name are synced. So a cut costs at most that interval of each open segment and one
// fragment, on a disk that syncs all of them within the fifth that is left. A crash without a power cut costs a chunk and a fragment. What is left is decrypted up to
// the last authentic chunk and cut to its last whole fragment. It is encrypted anew under its own key with a new salt (000004.cut, renamed over
// 000004.open): closing the old stream would use a nonce twice, and after a sync that failed only what is written again is sure to be there. That key goes with the segment, so it takes both with it.
//
// A volume of format 1 holds plaintext. It opens, and becomes one of this format: what is there is read and expires as it is, what comes is encrypted. One of format 2 differs in its index
// alone, of which runs and tombstones are written anew when it is opened, a thousand rows at a time.
//
// # Keys
//
//	keys.tbl         the key table, AES-256-GCM under the generation key
//	generation.key   the generation key, or its part here: two slots, rewritten in place
//	writeonly.keys   where a share comes later: the keys of what was recorded before it came
//
// They stand in a folder of their own, apart from the volume (Config.Keys), never in the index: bbolt keeps old pages. Each camera has a chain for each clock hour, begun anew
// when the recorder starts; the keys of its segments hang from its states:
//
//	key of n     = HKDF-SHA256(state n, info "beeldwacht segment")
//	state of n+1 = HKDF-SHA256(state n, info "beeldwacht chain")
//
// The table holds, of each chain, the state of the oldest place that is needed in order: it gives the segments from there on, and none before. When a segment goes before an older
// one, which a hold keeps or another window, the state moves on past it, and the key of each segment that stays behind is written down by itself.
// So the keys of what is held are kept, and nothing beside them. The row of a segment says which key it has (5e0c40ab99d1f00c/17), and so does its file.
//
// Destroying keys makes a new generation: keep a new generation key beside the old; write the table without those keys under it, sync, rename, sync the directory; overwrite the
// old generation key. From then on no table that was ever on the disk opens, but this one. A new generation is made at most once each SealEvery or minute, whichever is less, sooner only when
// thousands of segments wait; a start and an orderly stop make one for what waits. A new chain is added under the generation there is, and stands on the disk before a frame is
// written under it. When a step fails, the next try uses the same new key: nobody knows which table a failed rename left; and then one more generation follows, since that table may have had more.
//
// # What deletion is worth
//
// The generation key may take a second part beside the slot, a share, which does not stand on this disk:
//
//	generation key = HKDF-SHA256(slot, salt share, info "beeldwacht generation\n" and the share's id)
//
// The table's head names the share that it is under, in the clear. A table goes under another share with a new generation, and what was under the one before is worth nothing
// once that share is destroyed where it is kept ([Store.Bind]). Who does what to read footage that has expired, having a segment's ciphertext from before:
//
//	share           needs                                                                                  so we say
//	none            an old block of generation.key, and an old key table                                   deleted
//	a credential    those, and this machine's credential (its TPM, where systemd sealed it to one)         deleted; the disk alone gives nothing at all
//	of a TPM        those, and this machine's TPM; after another hour of running nothing helps             deleted; erased within the hour
//	of the centre   those, and the share of that day, which the centre destroys when the next is in use:   deleted; erased within the day
//	                an old block of the centre's disk, too
//
// A file is overwritten where the file system lets it: flash memory, a file system that copies on write (btrfs, ZFS), a snapshot or a backup may keep the old block; that is why a
// slot alone earns *deleted* and never *erased*. A credential is read-only and stays the same for ever: it wraps the slots, and what is destroyed is the slot.
// Keys left out of backups and on another disk than the volume make a stolen disk unreadable in any case; a recorder that is stolen whole reads its own disk, but where the centre has
// the share and keeps it.
//
// # Write-only
//
// Where the share comes later (Config.AwaitShare: from the centre, or from a TPM that does not answer), the table is locked after a start, and the recorder does all that needs no key: it records, expires, unlinks, holds
// and lifts. It reads nothing: [Store.Read] gives [ErrLocked]. The key of each new segment is made at random and sealed (HPKE) to a public key in writeonly.keys, before a frame is
// written; the private half is in the locked table. Who takes the recorder in this state reads nothing either, but for the segments being written, whose ciphers are in memory.
//
//   - What expires goes on time: unlinked, its directory synced. The key of what was recorded write-only is overwritten at once. A key in the locked table cannot be
//     taken out of it: the tombstone stays, and so the entry footage.expired waits, which is written after the key is gone; half a kilobyte of memory each. Nobody here can reach
//     that key, and it is destroyed with the first generation after the share comes, before anything is served.
//   - What a crash left open cannot be cut and sealed. It waits; when its window is over it is deleted unread, which is an incident, and its key is doomed in writeonly.keys.
//   - A hold keeps what is sealed. One that touches what a crash left open is confirmed when that is sealed.
//
// When the share comes the sealed keys move into the table, but for those of which the footage is gone; a new pair of keys is made, in the table first and then in
// writeonly.keys, so that at each moment the table has the private half of what that file is sealed to; the old private half goes with the next generation. Old blocks of
// writeonly.keys are worth nothing from then on. A public key that somebody put in its place shows when the share comes: those segments have no key (Check: "missing key").
// A share that is lost for good costs all that was recorded until then; a table under it is to be given up with its volume.
//
// Keys are wiped from memory after use where Go lets us; the ciphers of open segments and the chains' states are there while the recorder runs, so it must not be swapped out
// or dump core.
//
// # The index
//
// Rows are JSON with a version. Keys are <camera>/<stream>/<run>[/<n>]; a run's name is its start, so they are in the order of time.
//
//	runs        codecs, hash of the init, start; count, bytes and first moment of what is left of it; its volume, its queue, and its place there
//	segments    the SegmentLine, which key opens it, the minute it is listed in; on a second line offset and decode time of each fragment
//	unlisted    segments in no minute yet (not journalled)
//	minutes     number of a footage.sealed entry, and how many of its segments are not gone; on a second line the leaf hashes of all; of one volume each
//	queues      <camera>/<number>: a window, on a volume
//	waiting     <queue>/<start>/<stream>/<run>: the runs of a queue, in the order in which they come due
//	kept        runs of which something is due and held
//	open        runs that have not ended; over: those that have, and of which only the directory is left
//	tombstones  segments on their way out, those of one step together; nothing in here is ever shown
//	spent       clock hours of a camera without footage, whose keys go with the next generation
//	holds       what is held, asked and confirmed
//	erases      orders to erase that the journal has no footage.erased entry of yet
//	streams     which gap a stream is in, if any; gaps: those that ended
//	owed        entries that the journal must still take, in order
//	volumes     those beside that of the index: where each was last, its mark
//	homes       of the cameras for which the configuration names none
//	meta        the volume's identity, the index's version, totals
//
// The window stands in the row of a queue and only ever gets shorter: a shorter mandate shortens it at once for all that waits there, a longer one starts a new run in another queue.
// What is due is the front of a queue. So a start, a look at what is due or oldest and the answer to where an interval is cost the same however much footage there is, and memory
// holds none of its rows; the key table alone grows, with the clock hours. What is due and held stands in no queue until a hold of its camera ends.
//
// A start looks over the directories and the rows of runs in the background, some hundreds at a time, for what no crash leaves: rows that cannot be read, directories without one.
//
// # Order of things
//
// Sealing: write, sync file, rename, sync directory, index row (invariant 1). Expiry: tombstone, unlink, sync directory, destroy the key, entry footage.expired,
// drop it (invariant 2); from when key and file are gone the entry that is owed stands for the tombstone. Both leave off anywhere and are taken up again by the same code after a start.
// The entry names the moment at which the file went, and is not written before its key is gone. Where a file cannot be unlinked its key is destroyed all the same; the entry waits for both.
// All of it is done for some hundreds of segments at a time. What came due last goes first, so that a camera's footage is on time while there is much of another's to catch up with.
//
// What happened and what the journal must say of it enter the index in one transaction (bucket owed); the entry follows at once, or when the journal works
// again (invariant 10). A crash in the instant between the journal's sync and the index's may write an entry twice, and of an expiry up to sixteen.
//
// # Erasing
//
// An order of two approvers destroys unlawful footage before its window ([Store.Erase]). It takes each segment that touches its interval, whole, and goes the way of expiry: tombstones, all that
// is written with them in one transaction being the gap that they leave (cause erased, a gap.ended entry), unlink, sync, key, footage.expired entries with the order's id, and at last one
// footage.erased entry, which closes it. order.accepted was the intent (invariant 9). An example, segments of a minute:
//
//	erase 02:00:30/02:01:10     order.accepted; from here on nobody reads 02:00:00 to 02:02:00, and no hold keeps it
//	                            gap.ended     cause erased, 02:00:00/02:02:00
//	                            footage.expired reason erase, two segments, their minute and SHA-256
//	                            footage.erased  asked …, interval 02:00:00/02:02:00, 2 segments
//	a hold on 02:01:50          refused: a hold stands on it, though not on its interval
//
// What is being written is waited for, a segment long: to break it off would cost lawful footage its run. What is on a disk that is away loses its keys now and its files when the disk is back;
// until then the order stays open, and an incident says so. Afterwards a reader is told that footage was erased ([ErrErased], [CauseErased]); "expired" and "never recorded" are other words (invariant 6).
//
// # Time
//
// Config.Clock says what time it is and how sure that is (package clock). What is due by its Now goes. What is due only by the latest that it may be is withheld: it stays, and Read, Round
// and Coverage do not know it; unless a hold keeps it. A clock that is set back makes nothing younger: a run's row says how far back it had been set when the run was recorded, and the
// run is due so much sooner as it was set back since. A hold that has ended does not stand again.
//
// # When the disk fails
//
// All that is done to files goes through [disk.Disk]; every error that means a failing disk is an incident, also where it does no harm. What a step answers is not all there is to it: an index
// transaction that is reported as failed may stand, and then memory follows it; what a sync failed on is written again, for the kernel does not write it again by itself; a name that
// was not synced is synced by whoever finds it. A gap that the index cannot take waits in memory. TestFaultAtEveryStep has each step fail in each of these ways, and the power go at each.
//
// # Who owns what
//
// One goroutine for each [Writer] owns that stream's open run and segment. Run's goroutine is the clock; it and the callers of SetMandates, Place and Lift
// take turns at unlinking what is due (lock sweeping). Its clerk destroys keys, writes what is owed and clears away (lock tidying): none of that holds up the clock. The index and its
// picture in memory (open runs, queues, totals, volumes, holds, tombstones, streams) belong to whoever has lock mu. Locks are taken in the order sweeping, tidying, settling, the key table's, mu,
// mandateMu, placesMu; no entry is appended and no footage file is touched under mu.
package footage
