// Package viewer shows footage over HTTPS to people near the recorder: it looks back at most fifteen minutes under a standing grant, or at exactly the
// interval of a view grant.
//
// # What it guards
//
//   - Nothing is shown that is not in the journal first. A look is asked for with a reason; [journal.Journal.Access] writes and syncs it, and only its
//     Receipt opens [footage.Store.Read] (invariant 9). What is shown is no more than the interval in that entry: whole segments that lie within it.
//   - A login at the centre counts for nothing here. The browser proves that it has the key that the grant names as its recipient (DESIGN section 4).
//   - A grant serves only its camera, its interval, its recipient and its term (invariant 12). Each of them is looked at again for every file.
//   - With a journal that cannot be written or is behind its witnesses, or a cosignature older than an hour, nothing is shown, also not of what was
//     opened before (invariants 10 and 13).
//   - What was opened ends after fifteen minutes, and only the session that opened it can fetch it.
//   - Refusals say why, on the page and in the journal; there, as many an hour as an entry of their own may have and then a count, so that nobody floods it.
//
// # Proof of possession
//
// The browser makes an ECDSA P-256 key that it cannot export and keeps it in IndexedDB at this viewer's origin. The grant names it as
//
//	p256:<base64url, no padding, of the compressed point>
//
// A session begins with a challenge: random, good for one minute and one session. The browser signs (SHA-256; r and s of 32 bytes each, base64url)
//
//	beeldwacht/viewer v1
//	rec-1
//	viewer.stad.example:8443
//	9f2c…
//
// each line with its newline: the recorder, the origin's host as the browser sees it, the challenge. A signature made for one viewer so serves no other. The session is
// a cookie (HttpOnly, Secure, SameSite=Strict) that ends after 30 minutes without use and after 12 hours in any case.
//
// # Addresses
//
// Each also stands under /en/, in English.
//
//	GET  /                       the key, and how to get a grant; with a session: what the key permits
//	GET  /challenge              text
//	POST /session                {"key","challenge","signature"}; sets the cookie
//	POST /end                    ends the session and what it opened
//	GET  /look/<grant>           where there is footage, where not and why; choose a moment and give a reason
//	POST /look/<grant>           journals the look and opens it
//	GET  /watch/<id>             the player; list.m3u8, <run>/init.mp4 and <n>.m4s below it
//
// The player is hls.js, light build, bundled; nothing comes from another host, and no script stands in a page.
package viewer
