// Package uplink is the recorder's MQTT session: it pushes the journal's tail and the status to the centre, and takes orders and
// cosignatures.
//
// # The rule
//
// The journal is the outbox and the witness's cosignature is the acknowledgement. Nothing is delivered until a cosigned checkpoint covers
// it, whatever a broker says; until then it is sent again. The broker may drop, delay, repeat and reorder everything. There is no queue
// here that would have to be kept in step with the journal: what is to be sent is whatever follows [Journal.Delivered].
//
// # What is sent
//
// Both packed (protocol.Pack): what is said each minute is much the same. A centre takes what is not packed as well, from recorders of before that; one of before that takes no packed batch,
// and says so in its log: a centre is brought up to date before its recorders.
//
// up/journal: a batch, in the stream format of protocol/chain: the entries from the last cosigned size on, at most 500 and 512 KiB of
// them, an empty line, and a checkpoint signed over exactly the entries so far, the batch included:
//
//	{"v":1,"seq":41,…}
//	{"salt":"…",…}
//	{"v":1,"seq":42,…}
//	{"salt":"…",…}
//
//	rec-1.helmond/beeldwacht
//	43
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— rec-1.helmond/beeldwacht Az3grl…
//
// One batch is under way at a time. It is answered by a cosigned checkpoint that covers it; without one in twenty seconds (±50 %) the tail is sent again, more
// slowly each time, up to once a minute: a centre that comes back has much to do at once. An idle journal sends its checkpoint alone, so that the cosignature in hand stays young (invariant 13).
//
// up/status: the signed status, retained, on every change (at most once a second), every minute, and after each order and checkpoint of the ledger: the centre reads
// from it which orders to send again, and from where to prove its ledger. A last will, signed when the session began, says "offline".
//
// # What is taken
//
// down/orders, down/cosigned and down/ledger are only queued here, in bounded queues, and given to callbacks that verify them. An order that
// does not fit is dropped: it will be sent again. So is down/share, where the recorder's keys need the centre's share.
package uplink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/beeldwacht/beeldwacht/protocol"
	"github.com/beeldwacht/beeldwacht/protocol/chain"
)

// Journal is what the uplink reads of the recorder's journal (edge/journal).
type Journal interface {
	// Entries returns at most max entries from number from on; none when there are no more.
	Entries(from uint64, max int) ([]chain.Entry, error)
	// CheckpointAt is a checkpoint over the first size entries, signed now. A batch of a long tail ends before the journal does.
	CheckpointAt(size uint64) ([]byte, error)
	// Delivered is how many entries the newest checkpoint covers that a witness has cosigned, and when it did.
	Delivered() (size uint64, at time.Time)
	// Changed returns a channel that is closed at the next entry or cosigned checkpoint.
	Changed() <-chan struct{}
}

// Limits of one batch, and of what is taken from the broker. Bytes.
const (
	batchEntries = 500
	batchBytes   = 512 << 10
	maxOrder     = 256 << 10
	maxLedger    = 64 << 10
	maxShare     = 4 << 10
)

// Uplink is one recorder's session. Fill in its fields, then call Run once; StatusChanged may be called from any goroutine, before Run too.
type Uplink struct {
	Recorder    protocol.RecorderID
	Broker      string          // ssl://host:port
	Certificate tls.Certificate // its common name is the recorder id
	CAs         *x509.CertPool  // who signs the broker's certificate

	Now func() time.Time // by which the broker's certificate is valid; nil: the machine's clock. One that woke in 1970 must still reach its witness

	Journal  Journal
	Cosigned func(note []byte) error                    // verifies a cosigned checkpoint and remembers it
	Order    func(ctx context.Context, envelope []byte) // verifies one envelope and carries it out; one at a time, in the order of arrival
	Ledger   func(ctx context.Context, note []byte)     // the ledger's checkpoint and its proof; nil: not subscribed to
	Share    func(ctx context.Context, note []byte)     // the centre's answer about its share; nil: not subscribed to
	Status   func() ([]byte, error)                     // the signed status, now
	Will     func() ([]byte, error)                     // the signed status that says "offline"; nil: no last will
	Session  func(lost error)                           // told that a session began (nil), or was lost or not reached, and why; nil: nobody asks

	CheckpointEvery time.Duration // how often an idle journal's checkpoint is sent; zero: a minute
	Debounce        time.Duration // entries that come this close together travel together; zero: 200 ms
	AnswerTimeout   time.Duration // without a cosignature by then, ±50 %, the tail is sent again; zero: 20 s
	TokenTimeout    time.Duration // for every answer of the broker; zero: 10 s
	Retry           time.Duration // first pause before connecting again, doubled up to a minute, ±50 %; zero: 1 s

	Log *slog.Logger

	once    sync.Once
	changed chan struct{} // status; holds one
}

func (u *Uplink) init() {
	u.once.Do(func() {
		u.changed = make(chan struct{}, 1)
		for _, d := range []struct {
			field *time.Duration
			value time.Duration
		}{{&u.CheckpointEvery, time.Minute}, {&u.Debounce, 200 * time.Millisecond}, {&u.AnswerTimeout, 20 * time.Second}, {&u.TokenTimeout, 10 * time.Second}, {&u.Retry, time.Second}} {
			if *d.field == 0 {
				*d.field = d.value
			}
		}
	})
}

// StatusChanged asks for the status to be sent soon. It never waits.
func (u *Uplink) StatusChanged() {
	u.init()
	select {
	case u.changed <- struct{}{}:
	default: // it is already asked for
	}
}

func (u *Uplink) told(lost error) {
	if u.Session != nil {
		u.Session(lost)
	}
}

// Run connects, and connects again whenever the session is lost, until ctx ends; then it says "offline" and returns nil. It returns
// when the callbacks have returned. Without the centre the recorder does all its work: an error here only ever ends a session.
func (u *Uplink) Run(ctx context.Context) error {
	u.init()
	if err := protocol.ValidID(u.Recorder); err != nil {
		return fmt.Errorf("uplink: recorder %w", err)
	}
	in := u.newInbox()
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { in.handle(ctx) })
	work.Go(func() { in.handleCosigned(ctx) })
	for pause := u.Retry; ctx.Err() == nil; {
		began := time.Now()
		err := u.session(ctx, in)
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			err = errors.New("the session ended")
		}
		u.told(err)
		if time.Since(began) > time.Minute {
			pause = u.Retry
		}
		again := jitter(pause)
		u.Log.Warn("MQTT session lost; the recorder goes on, its journal waits", "broker", u.Broker, "error", err, "again in", again)
		pause = min(2*pause, time.Minute)
		sleep(ctx, again)
	}
	return nil
}

// jitter is d ±50 %: many recorders lose the same broker at the same moment.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// session is one connection from its start to its loss. Each has a paho client of its own and subscribes anew: nothing of the old one
// lives on, and paho's own reconnecting, which has no jitter, is off.
func (u *Uplink) session(ctx context.Context, in *inbox) error {
	lost := make(chan error, 1)
	opts := paho.NewClientOptions().AddBroker(u.Broker).SetClientID(string(u.Recorder)).
		SetTLSConfig(&tls.Config{Certificates: []tls.Certificate{u.Certificate}, RootCAs: u.CAs, Time: u.Now, MinVersion: tls.VersionTLS13}).
		SetProtocolVersion(4).SetCleanSession(true).SetStore(paho.NewMemoryStore()).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(u.TokenTimeout).SetWriteTimeout(u.TokenTimeout).
		SetKeepAlive(30 * time.Second).SetPingTimeout(u.TokenTimeout).SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { in.enqueue(m.Topic(), m.Payload()) }).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }) // once a connection, and lost has room
	statusTopic := protocol.Topic(u.Recorder, protocol.UpStatus)
	var will []byte
	if u.Will != nil {
		var err error
		if will, err = u.Will(); err != nil {
			return fmt.Errorf("last will: %w", err)
		}
		will = protocol.Pack(will)
		opts.SetBinaryWill(statusTopic, will, 1, true)
	}
	client := paho.NewClient(opts)
	defer client.Disconnect(250)
	if err := u.wait(ctx, client.Connect()); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if err := u.subscribe(ctx, client); err != nil {
		return err
	}
	u.Log.Info("MQTT session", "broker", u.Broker)
	u.told(nil)

	up, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	work.Go(func() { u.push(up, client) })
	work.Go(func() { u.tell(up, client) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-lost:
	}
	stop()
	work.Wait()
	if ctx.Err() != nil && will != nil { // an orderly goodbye makes the broker forget the last will
		if err := u.publish(context.WithoutCancel(ctx), client, statusTopic, will, true); err != nil {
			u.Log.Warn("could not say goodbye", "broker", u.Broker, "error", err)
		}
	}
	return err
}

func (u *Uplink) subscribe(ctx context.Context, client paho.Client) error {
	filters := map[string]byte{protocol.Topic(u.Recorder, protocol.DownOrders): 1, protocol.Topic(u.Recorder, protocol.DownCosigned): 1}
	if u.Ledger != nil {
		filters[protocol.Topic(u.Recorder, protocol.DownLedger)] = 1
	}
	if u.Share != nil {
		filters[protocol.Topic(u.Recorder, protocol.DownShare)] = 1
	}
	token := client.SubscribeMultiple(filters, nil)
	if err := u.wait(ctx, token); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	// paho takes a refusal for a success: it stands in the result only.
	for filter, granted := range token.(*paho.SubscribeToken).Result() {
		if granted > 2 {
			return fmt.Errorf("subscribe to %s: the broker refuses; is our certificate in the name %s, and does its access list have the lines of deploy/mosquitto/acl?", filter, u.Recorder)
		}
	}
	return nil
}

// wait waits for the broker's answer, but not for ever: paho's own Wait would, when a session ends at the wrong moment.
func (u *Uplink) wait(ctx context.Context, t paho.Token) error {
	timer := time.NewTimer(u.TokenTimeout)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("no answer from the broker in %s", u.TokenTimeout)
	}
}

func (u *Uplink) publish(ctx context.Context, client paho.Client, topic string, payload []byte, retained bool) error {
	if err := u.wait(ctx, client.Publish(topic, 1, retained, payload)); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// tell sends the status: now, on every change but at most once a second, and every minute.
func (u *Uplink) tell(ctx context.Context, client paho.Client) {
	topic := protocol.Topic(u.Recorder, protocol.UpStatus)
	for ctx.Err() == nil {
		status, err := u.Status()
		if err == nil {
			err = u.publish(ctx, client, topic, protocol.Pack(status), true)
		}
		if err != nil && ctx.Err() == nil {
			u.Log.Warn("status not sent", "error", err)
		}
		sleep(ctx, time.Second)
		select {
		case <-ctx.Done():
		case <-u.changed:
		case <-time.After(time.Minute):
		}
	}
}

// push sends the journal's tail for as long as the session lasts.
func (u *Uplink) push(ctx context.Context, client paho.Client) {
	topic := protocol.Topic(u.Recorder, protocol.UpJournal)
	patience := u.AnswerTimeout // grows with each unanswered batch
	due := time.Now()           // when the checkpoint must be sent even if there is nothing new; at once on a new session
	for ctx.Err() == nil {
		changed := u.Journal.Changed() // taken before looking, so that nothing slips between
		b, err := u.batch()
		if err != nil {
			u.Log.Error("the journal's tail cannot be sent", "error", err)
			sleep(ctx, jitter(u.AnswerTimeout))
			continue
		}
		if b.end == b.from && time.Now().Before(due) {
			select {
			case <-ctx.Done():
			case <-changed:
				sleep(ctx, u.Debounce)
			case <-time.After(time.Until(due)):
			}
			continue
		}
		if err := u.publish(ctx, client, topic, protocol.Pack(b.stream), false); err != nil && ctx.Err() == nil {
			u.Log.Warn("batch not sent", "from", b.from, "to", b.end, "error", err)
		}
		if u.answered(ctx, b, jitter(patience)) {
			patience = u.AnswerTimeout
			due = time.Now().Add(u.CheckpointEvery)
			if !b.full { // what came while this one was under way may still have company coming
				sleep(ctx, u.Debounce)
			}
		} else if ctx.Err() == nil {
			u.Log.Info("no cosignature yet; sending the tail again", "from", b.from, "to", b.end)
			patience = min(2*patience, max(u.AnswerTimeout, u.CheckpointEvery))
			due = time.Now()
		}
	}
}

// batch is a piece of the journal: entries from up to but not including end, and the checkpoint at end.
type batch struct {
	from, end uint64
	full      bool      // at a limit: there may be more
	cosigned  time.Time // when the checkpoint at from was cosigned
	stream    []byte
}

// batch reads what follows the last cosigned checkpoint, as much as fits in one message.
func (u *Uplink) batch() (batch, error) {
	var b batch
	b.from, b.cosigned = u.Journal.Delivered()
	entries, err := u.Journal.Entries(b.from, batchEntries)
	if err != nil {
		return b, err
	}
	var stream bytes.Buffer
	b.end, b.full = b.from, len(entries) == batchEntries
	for i, e := range entries {
		// Two newlines, and "-" for a body that is gone.
		if i > 0 && (i == batchEntries || stream.Len()+len(e.Header)+max(len(e.Body), 1)+2 > batchBytes) {
			b.full = true
			break
		}
		if err := chain.WriteEntry(&stream, e); err != nil {
			return b, err
		}
		b.end++
	}
	checkpoint, err := u.Journal.CheckpointAt(b.end)
	if err != nil {
		return b, err
	}
	err = chain.WriteCheckpoint(&stream, checkpoint)
	b.stream = stream.Bytes()
	return b, err
}

// answered waits until a cosigned checkpoint covers the batch; for a batch without entries, until there is a younger one.
func (u *Uplink) answered(ctx context.Context, b batch, patience time.Duration) bool {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		changed := u.Journal.Changed()
		if size, at := u.Journal.Delivered(); size >= b.end && (size > b.from || at.After(b.cosigned)) {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// inbox is what came down and waits for its callback. paho's goroutine fills it and must never wait.
type inbox struct {
	*Uplink
	orders   chan message
	cosigned chan []byte
}

type message struct {
	channel protocol.Channel
	payload []byte
}

func (u *Uplink) newInbox() *inbox {
	return &inbox{Uplink: u, orders: make(chan message, 64), cosigned: make(chan []byte, 16)}
}

func (in *inbox) enqueue(topic string, payload []byte) {
	if err := in.sort(topic, payload); err != nil {
		in.Log.Warn("MQTT message dropped", "topic", topic, "bytes", len(payload), "why", err)
	}
}

var errFull = errors.New("the queue is full; it will be sent again")

func (in *inbox) sort(topic string, payload []byte) error {
	recorder, channel, err := protocol.ParseTopic(topic)
	if err != nil {
		return err
	}
	limit := map[protocol.Channel]int{protocol.DownOrders: maxOrder, protocol.DownCosigned: chain.MaxCheckpoint, protocol.DownLedger: maxLedger, protocol.DownShare: maxShare}[channel]
	switch {
	case recorder != in.Recorder || limit == 0 || channel == protocol.DownLedger && in.Ledger == nil || channel == protocol.DownShare && in.Share == nil:
		return errors.New("not for this recorder")
	case len(payload) > limit:
		return fmt.Errorf("over the limit of %d bytes", limit)
	case channel == protocol.DownCosigned:
		select {
		case in.cosigned <- payload:
			return nil
		default:
			return errFull
		}
	}
	select {
	case in.orders <- message{channel, payload}:
		return nil
	default:
		return errFull
	}
}

func (in *inbox) handle(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-in.orders:
			switch m.channel {
			case protocol.DownLedger:
				in.Ledger(ctx, m.payload)
				in.StatusChanged() // it says how far the ledger is followed
				continue
			case protocol.DownShare:
				in.Share(ctx, m.payload)
				continue
			}
			in.Order(ctx, m.payload)
			in.StatusChanged()
		}
	}
}

// handleCosigned is apart from the orders: an order may wait for a cosignature.
func (in *inbox) handleCosigned(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case note := <-in.cosigned:
			if err := in.Cosigned(note); err != nil {
				in.Log.Warn("cosigned checkpoint refused", "error", err)
			}
		}
	}
}
