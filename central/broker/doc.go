// Package broker is the MQTT side of the centre: its session to a broker ([Client]) and, for the one-machine default, a broker of its
// own ([Embedded]). It carries bytes and knows nothing of what they say.
//
// # The rule
//
// A recorder speaks for itself only. The common name of its client certificate is its recorder id; under that name it may publish to
// its own up/ topics and subscribe to its own down/ topics, and to nothing else. The centre's certificate has the name [Centre] and
// may do the reverse. Whoever hands out certificates therefore never gives a recorder that name.
//
//	CN rec-1    publishes   beeldwacht/v1/rec-1/up/journal     beeldwacht/v1/rec-1/up/status (retained, last will)
//	            subscribes  beeldwacht/v1/rec-1/down/orders    …/down/cosigned    …/down/ledger    …/down/share
//	CN centre   subscribes  beeldwacht/v1/+/up/journal         beeldwacht/v1/+/up/status
//	            publishes   beeldwacht/v1/<any>/down/…
//
// The centre makes no connection to its own embedded broker: what a recorder publishes there is queued by the recorder's own session. That broker keeps nothing, not even a retained status; a
// recorder says all of it when it connects.
//
// That rule keeps recorders from disturbing one another; it is not what the evidence rests on. Everything that passes is signed and
// checked where it is used, because the broker is trusted with nothing: it may drop, delay, repeat and reorder, and an MQTT 3.1.1
// broker acknowledges a publish that it denies. Nothing here waits for the broker's word that something arrived: the journal is the
// outbox and the witness's cosignature is the acknowledgement.
//
// deploy/mosquitto has the same rule for Mosquitto; a test holds the two against the same attacks.
package broker
