// Package protocol holds the words that recorder and centre share: ids, intervals, windows, the orders that the centre sends down
// with their signatures, the bodies of log entries, the recorder's status and the MQTT topics. It parses and validates; it does no
// I/O and reads no clock.
//
// # Who trusts whom
//
// The recorder does not trust the centre, nor the broker; the centre does not trust the recorder. Everything here that crosses the
// network is therefore a signed note (C2SP signed-note): text, a blank line, signature lines. The receiver verifies the
// signature over the bytes it received and then parses those same bytes. Nothing is ever re-encoded before it is checked.
//
// # Documents
//
// A document is text: its first line names kind and version, then one "field value" a line. Unknown fields, fields given twice and
// missing fields are errors. A document may carry signature lines after a blank line; a document that only the envelope vouches for
// ends after the blank line:
//
//	beeldwacht/hold v1
//	id h-7f3a
//	recorder rec-1
//	camera plein-noord
//	request z-12
//	asked 2026-11-21T01:55:00.000Z/2026-11-21T02:05:00.000Z
//	ground request
//	end 2026-12-05T02:00:00.000Z
//	not-before 2026-11-21T02:00:00.000Z
//	not-after 2026-12-21T02:00:00.000Z
//
// # Envelopes
//
// What the centre sends down is an envelope: a note signed with the centre's order key, whose text is a header, a blank line and
// one document with its own signature lines:
//
//	beeldwacht/envelope v1
//	recorder rec-1
//	order 17
//	not-before 2026-11-21T02:00:00.000Z
//	not-after 2026-12-21T02:00:00.000Z
//
//	beeldwacht/hold v1
//	…
//
//	— orders.helmond/beeldwacht 5mY2…
//
// A note's signatures follow its last blank line, so the document's own lines stay part of what the envelope signs.
//
// # Signature lines
//
// Orders and rosters are signed with Ed25519 (signature type 1). Persons sign with a passkey: a WebAuthn ES256 assertion whose
// challenge is the SHA-256 of the document's text, see [PasskeyVerifier]. The level of a document ([LevelPersons] or [LevelCentre])
// is derived from the signatures found on it and never read from a field.
package protocol
