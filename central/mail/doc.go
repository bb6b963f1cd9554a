// Package mail sends people what waits for them: what central.State.DueMail says, and nothing else.
//
// # What is in a mail
//
// That something waits, its number, until when, and a link to the desk. No names, no places, no cameras, no free text: a mail lies on other people's servers and shows on
// a telephone's lock screen. Every word comes from a table in this package; of the State a mail takes numbers and times only. Dutch first, English below it. Plain text.
//
// # When
//
// Urgent things at once, the rest in one overview on the morning of each working day (central.WorkingDay). What was told is an event in the ledger, recorded when the mail
// server has taken the mail; nothing is told twice at the same stage, whichever centre or process sends it. One centre on a ledger sends at a time (central.TakeMail). A
// crash between the server's "250" and the ledger's entry sends that one mail again, with the same Message-ID.
//
// # When it does not work
//
// Nothing is lost, for nothing is queued: what has not been told stays due, and goes as it then is. A mail server that is down, hangs or refuses our log-in is tried again
// after one minute, two, four, up to an hour. One address that the server puts off (4xx, greylisting) or refuses (5xx) waits by itself, and the others get theirs.
// [Mailer.Status] says how it stands, for the desk to show.
//
// # Security
//
// TLS is required, its certificate checked, unless the server is on this machine; log-in prefers SCRAM, and a password never goes over a plain connection. Addresses are
// asked of central/identity for each mail and stand nowhere else: not in the ledger, not in the log.
package mail
