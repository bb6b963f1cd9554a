// Package evidence is the bag in which footage leaves a recorder: its layout, how it is written, and how anybody checks it later with
// nothing but the bag and the pinned root keys.
//
// # What it protects against
//
// Everything a bag says is judged from the offline roots: they sign the roster, the roster names the recorder's key and the witnesses, the
// recorder's key and the witnesses sign the checkpoint, the checkpoint covers the journal's entries, those hold the root of each
// minute's segments, and that holds the SHA-256 of each segment. Whoever has the bag in hands, the centre included, cannot change,
// swap, add or leave out a segment, nor put another grant with it, without [Verify] naming the place. Verify never believes a file
// because a manifest in the same bag lists it: manifests find accidents, the journal finds intent.
//
// Not covered are: a recorder that lies when it records (it has then lied on the record), what LEESMIJ.html and verify.py say (compare the
// bag's manifest hash with the release.done entry), and, at level centre, a hostile centre. The report says the last two in words.
//
// # Layout
//
// A bag is BagIt 1.0 (RFC 8493) in a zip. The zip has one written form (files stored and not compressed, in one folder named after the
// grant, nothing before, between or after), so that a flipped byte is found wherever it is:
//
//	g-41/bagit.txt
//	g-41/data/plein-noord/r-20261121t020000/20261121T020102.000Z.mp4   init + segments of a run, verbatim; plays as it is
//	g-41/data/plein-noord/r-20261121t020000/init.mp4                   the run's init as it was journalled
//	g-41/data/plein-noord/r-20261121t020000/segments.tsv
//	g-41/data/plein-noord/gaps.tsv
//	g-41/proof/checkpoint                                              the recorder's checkpoint with its cosignatures
//	g-41/proof/1204.header  1204.body  1204.tlog-proof                 a journal entry and its C2SP tlog-proof
//	g-41/orders/grant.txt  roster.txt  mandate-3.txt  grant-envelope.txt
//	g-41/LEESMIJ.html  verify.py  bag-info.txt  manifest-sha256.txt  tagmanifest-sha256.txt
//
// Where a release starts in the middle of a run (or goes on behind a hole in it), the mp4 does not begin with init.mp4 itself but with a copy that
// has one edit list more for each track, so that players start at the first picture and not at an empty hour; see [initAt]. The verifier makes that copy
// anew from init.mp4. A bag with a run that has a track of sound says so in bag-info.txt ("Beeldwacht-Sound: recorded") and LEESMIJ.html, and the verifier holds it to that.
//
// segments.tsv has one line a segment, under a line of column names, tab-separated:
//
//	file  offset  minute  index  count  path  camera  stream  run  n  start  end  size  sha256  init
//
// The segment is the size bytes at offset in file, and the last nine columns are its [protocol.SegmentLine]: the leaf of the tree whose root stands in
// the footage.sealed entry with seq minute. index and count are its place in that tree and the tree's size, path the hashes of the RFC 6962
// inclusion proof in hex with commas between, "-" when there are none. By hand:
//
//	tail -c +$((offset+1)) FILE | head -c $size | sha256sum
//
// gaps.tsv has, in the same manner, camera, stream, from, to, cause and detail of each time within the interval that has no footage ("-": no detail).
package evidence
