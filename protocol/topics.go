package protocol

import (
	"fmt"
	"strconv"
	"strings"
)

// MQTT topics (DESIGN section 4): beeldwacht/v1/<recorder>/up/… is written by the recorder, …/down/… by the centre.
const topicRoot = "beeldwacht/v1/"

// Channel is what stands behind the recorder in a topic.
type Channel string

const (
	UpJournal    Channel = "up/journal"    // a batch of entries and the checkpoint over them, in the log-file format of protocol/chain
	UpStatus     Channel = "up/status"     // the signed Status, retained, with a last will
	DownOrders   Channel = "down/orders"   // one envelope
	DownCosigned Channel = "down/cosigned" // the checkpoint note with its cosignature lines, nothing else
	DownLedger   Channel = "down/ledger"   // the ledger's checkpoint, as a submission of protocol/chain: with the proof that it extends what the recorder's status says it follows
	DownShare    Channel = "down/share"    // a [ShareAnswer]
)

// Topic is the MQTT topic of a recorder's channel.
func Topic(r RecorderID, c Channel) string { return topicRoot + string(r) + "/" + string(c) }

// TopicFilter subscribes to a channel of all recorders.
func TopicFilter(c Channel) string { return topicRoot + "+/" + string(c) }

// ParseTopic takes a topic apart and refuses any that Topic would not make.
func ParseTopic(topic string) (RecorderID, Channel, error) {
	rest, ok := strings.CutPrefix(topic, topicRoot)
	id, channel, found := strings.Cut(rest, "/")
	if !ok || !found {
		return "", "", fmt.Errorf("topic %q: not under %s<recorder>/", topic, topicRoot)
	}
	if err := ValidID(RecorderID(id)); err != nil {
		return "", "", fmt.Errorf("topic %q: recorder %w", topic, err)
	}
	switch c := Channel(channel); c {
	case UpJournal, UpStatus, DownOrders, DownCosigned, DownLedger, DownShare:
		return RecorderID(id), c, nil
	}
	return "", "", fmt.Errorf("topic %q: unknown channel %q", topic, channel)
}

// Origin names a recorder's log in its checkpoints.
func Origin(r RecorderID, municipality string) string {
	return string(r) + "." + municipality + "/beeldwacht"
}

// LogOrigin names the successor of a recorder's log that has this number, by the origin of the first: "rec-1.helmond/beeldwacht/2". The first has number 1, and 0 where no number was written.
func LogOrigin(first string, log uint64) string {
	if log < 2 {
		return first
	}
	return fmt.Sprintf("%s/%d", first, log)
}

// ParseLogOrigin is the inverse of [LogOrigin]: of what is no successor's name it gives the name itself, and 1.
func ParseLogOrigin(origin string) (first string, log uint64) {
	i := strings.LastIndexByte(origin, '/')
	if n, err := strconv.ParseUint(origin[i+1:], 10, 53); i >= 0 && err == nil && LogOrigin(origin[:i], n) == origin {
		return origin[:i], n
	}
	return origin, 1
}

// OwnWitness says whether a witness is the municipality's own by the name of its key, which then lies under the municipality's as the origins of its logs do: "witness.helmond/beeldwacht".
func OwnWitness(municipality, name string) bool {
	own := municipality + "/beeldwacht"
	return name == own || strings.HasSuffix(name, "."+own)
}

// LedgerOrigin names the centre's own log.
func LedgerOrigin(municipality string) string { return "ledger." + municipality + "/beeldwacht" }
