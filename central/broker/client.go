package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Handler takes what recorders send. What one recorder sends is handed over in its order, one call at a time, but of batches that wait one after the other the last alone: it begins where the
// recorder's journal is not cosigned, as the others did; calls for different recorders may run
// side by side, so that one sync of a disk serves many. The payload is the handler's to keep. The recorder is the one whose topic it came over: the
// broker's word, so the handler checks the signature inside.
type Handler interface {
	Journal(recorder protocol.RecorderID, payload []byte)
	Status(recorder protocol.RecorderID, payload []byte)
}

// ClientConfig says where the broker is and who we are.
type ClientConfig struct {
	Embedded *Embedded // the broker is this one, and there is no connection to it; nil: as the next four say

	URL      string      // ssl://host:port
	TLS      *tls.Config // our certificate (CN Centre), the CA of the broker
	ClientID string      // empty: Centre
	Share    string      // several centres: they take recorders by shared subscription under this name

	Log *slog.Logger

	Queue        int           // messages waiting for Handler; zero: 65,536
	PerRecorder  int           // of which one recorder may have so many; zero: 16
	QueueBytes   int           // and all together so many bytes; zero: 256 MiB
	MaxMessage   int           // larger ones are dropped; zero: MaxMessage
	TokenTimeout time.Duration // for every answer of the broker; zero: 10 s
	Retry        time.Duration // first pause before connecting again, doubled up to a minute, ±50 %; zero: 1 s
}

// Counts is what was received and why messages were dropped, since the start. Replaced are batches that a newer one of the same recorder took the place of.
type Counts struct {
	Received, Replaced, Oversized, UnknownTopic, QueueFull uint64
}

// Client is the centre's session to a broker. Run owns the connection and the goroutines that call the handler; Publish may be called from any
// goroutine.
type Client struct {
	ClientConfig
	handler Handler

	session atomic.Pointer[session] // nil while there is no subscribed connection

	mu      sync.Mutex // guards what follows; held for moments only, those of the sessions take it
	counts  Counts
	waiting map[protocol.RecorderID][]message // of each recorder in their order, the one that is being handled first
	queued  int                               // all of them
	bytes   int
	ready   chan protocol.RecorderID // each that has messages waiting and none being handled, once; has room for Queue

	logged   time.Time // when a dropped message was last logged
	unlogged int       // dropped since: a recorder gone bad must not fill our disk with its log lines
}

// session publishes at QoS 1, and returns when the broker has acknowledged it.
type session func(ctx context.Context, topic string, payload []byte, retained bool) error

type message struct {
	channel protocol.Channel
	payload []byte
	begun   bool // it is being handled
}

// sideBySide is how many calls of the handler there may be at a time.
const sideBySide = 128

// NewClient makes a session that is not connected yet; see Run.
func NewClient(c ClientConfig, h Handler) *Client {
	c.ClientID = orDefault(c.ClientID, Centre)
	c.Queue = orDefault(c.Queue, 1<<16)
	c.PerRecorder = orDefault(c.PerRecorder, 16)
	c.QueueBytes = orDefault(c.QueueBytes, 256<<20)
	c.MaxMessage = orDefault(c.MaxMessage, MaxMessage)
	c.TokenTimeout = orDefault(c.TokenTimeout, 10*time.Second)
	c.Retry = orDefault(c.Retry, time.Second)
	return &Client{ClientConfig: c, handler: h, waiting: map[protocol.RecorderID][]message{}, ready: make(chan protocol.RecorderID, c.Queue)}
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Run connects, and connects again whenever the session is lost, until ctx ends. It returns when the last handler call has returned.
func (c *Client) Run(ctx context.Context) {
	var handling sync.WaitGroup
	for range sideBySide {
		handling.Go(func() { c.handle(ctx) })
	}
	defer handling.Wait()
	if c.Embedded != nil {
		c.inside(ctx)
		return
	}
	for pause := c.Retry; ctx.Err() == nil; {
		began := time.Now()
		err := c.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = c.Retry
		}
		wait := pause/2 + rand.N(pause) // many centres and recorders lose the same broker at the same moment
		c.Log.Warn("MQTT session lost", "broker", c.URL, "error", err, "again in", wait)
		pause = min(2*pause, time.Minute)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// inside is the session with the broker in this process. What recorders publish is queued by their own goroutines: there is no socket between that may be full.
func (c *Client) inside(ctx context.Context) {
	if err := c.Embedded.join(c.enqueue); err != nil {
		c.Log.Error("the centre hears nothing from its own broker", "error", err)
		return
	}
	publish := session(func(_ context.Context, topic string, payload []byte, retained bool) error {
		return c.Embedded.publish(topic, payload, retained)
	})
	c.session.Store(&publish)
	c.Log.Info("MQTT session", "broker", "within this process, on "+c.Embedded.Addr())
	<-ctx.Done()
	c.session.Store(nil)
	if err := c.Embedded.leave(); err != nil {
		c.Log.Error("the centre still hears its own broker", "error", err)
	}
}

// once is one session from connecting to its loss. Each session has a paho client of its own and subscribes anew: nothing of the old
// one lives on, and paho's own reconnecting, which has no jitter, is off.
func (c *Client) once(ctx context.Context) error {
	lost := make(chan error, 1)
	opts := paho.NewClientOptions().AddBroker(c.URL).SetClientID(c.ClientID).SetTLSConfig(withTLS13(c.TLS)).
		SetProtocolVersion(protocolMQTT311).SetCleanSession(true).SetStore(paho.NewMemoryStore()).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(c.TokenTimeout).SetWriteTimeout(c.TokenTimeout).
		SetKeepAlive(30 * time.Second).SetPingTimeout(c.TokenTimeout).SetOrderMatters(true)
	opts.SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { c.enqueue(m.Topic(), m.Payload()) })
	opts.SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }) // once a connection, and lost has room
	client := paho.NewClient(opts)
	defer client.Disconnect(250)
	if err := wait(ctx, client.Connect(), c.TokenTimeout); err != nil {
		return fmt.Errorf("connect to %s: %w", c.URL, err)
	}
	if err := c.subscribe(ctx, client); err != nil {
		return err
	}
	publish := session(func(ctx context.Context, topic string, payload []byte, retained bool) error {
		return wait(ctx, client.Publish(topic, 1, retained, payload), c.TokenTimeout)
	})
	c.session.Store(&publish)
	defer c.session.Store(nil)
	c.Log.Info("MQTT session", "broker", c.URL, "client", c.ClientID)
	select {
	case <-ctx.Done():
		return nil
	case err := <-lost:
		return err
	}
}

func withTLS13(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS13)
	return c
}

func (c *Client) subscribe(ctx context.Context, client paho.Client) error {
	filters := map[string]byte{}
	for _, channel := range []protocol.Channel{protocol.UpJournal, protocol.UpStatus} {
		filter := protocol.TopicFilter(channel)
		if c.Share != "" {
			filter = "$share/" + c.Share + "/" + filter
		}
		filters[filter] = 1
	}
	token := client.SubscribeMultiple(filters, nil)
	if err := wait(ctx, token, c.TokenTimeout); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	// paho takes a refusal for a success: it stands in the result only.
	for filter, granted := range token.(*paho.SubscribeToken).Result() {
		if granted > 2 {
			return fmt.Errorf("subscribe to %s: the broker refuses; does its access list know client %s, and our certificate the name %s?", filter, c.ClientID, Centre)
		}
	}
	return nil
}

// wait waits for the broker's answer, but not for ever: paho's own Wait would, when a session ends at the wrong moment.
func wait(ctx context.Context, t paho.Token, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("no answer in %s", limit)
	}
}

// ErrNotConnected: there is no session now. What was to be sent is sent again by whoever wants it delivered.
var ErrNotConnected = errors.New("no MQTT session")

// Publish hands a message to the broker and waits for its acknowledgement, which says nothing of delivery. It fails when ctx ends,
// after TokenTimeout, and at once without a session.
func (c *Client) Publish(ctx context.Context, topic string, payload []byte, retained bool) error {
	if len(payload) > c.MaxMessage {
		return fmt.Errorf("publish to %s: %d bytes is over the limit of %d", topic, len(payload), c.MaxMessage)
	}
	publish := c.session.Load()
	if publish == nil {
		return fmt.Errorf("publish to %s: %w to %s", topic, ErrNotConnected, c.URL)
	}
	if err := (*publish)(ctx, topic, payload, retained); err != nil {
		return fmt.Errorf("publish to %s over %s: %w", topic, c.URL, err)
	}
	return nil
}

// Connected says whether there is a session with its subscriptions.
func (c *Client) Connected() bool { return c.session.Load() != nil }

// Counts says what came in so far.
func (c *Client) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// enqueue runs in paho's goroutine, or in that of a recorder's session, and must never wait. What does not fit is dropped: the recorder sends it again.
func (c *Client) enqueue(topic string, payload []byte) {
	recorder, channel, err := protocol.ParseTopic(topic)
	if err == nil && channel != protocol.UpJournal && channel != protocol.UpStatus {
		err = fmt.Errorf("topic %q: not for the centre", topic)
	}
	c.mu.Lock()
	var why string
	last := len(c.waiting[recorder]) - 1
	switch {
	case err != nil:
		c.counts.UnknownTopic++
		why = err.Error()
	case len(payload) > c.MaxMessage:
		c.counts.Oversized++
		why = "over the size limit"
	case last >= 0 && channel == protocol.UpJournal && c.waiting[recorder][last].channel == channel && !c.waiting[recorder][last].begun && c.bytes+len(payload) <= c.QueueBytes:
		c.counts.Replaced++
		c.bytes += len(payload) - len(c.waiting[recorder][last].payload)
		c.waiting[recorder][last].payload = payload
	case len(c.waiting[recorder]) >= c.PerRecorder, c.bytes+len(payload) > c.QueueBytes, c.queued == c.Queue:
		c.counts.QueueFull++
		why = "the queue is full"
	default:
		c.counts.Received++
		c.queued++
		c.bytes += len(payload)
		if c.waiting[recorder] == nil {
			c.ready <- recorder // has room: whoever is in it has a message in the queue
		}
		c.waiting[recorder] = append(c.waiting[recorder], message{channel: channel, payload: payload})
	}
	unlogged := c.unlogged
	log := why != "" && time.Since(c.logged) > time.Second
	if log {
		c.logged, c.unlogged = time.Now(), 0
	} else if why != "" {
		c.unlogged++
	}
	c.mu.Unlock()
	if log {
		c.Log.Warn("MQTT message dropped", "topic", topic, "bytes", len(payload), "why", why, "dropped unlogged before it", unlogged)
	}
}

func (c *Client) handle(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case recorder := <-c.ready:
			c.mu.Lock()
			c.waiting[recorder][0].begun = true
			m := c.waiting[recorder][0]
			c.mu.Unlock()
			if m.channel == protocol.UpJournal {
				c.handler.Journal(recorder, m.payload)
			} else {
				c.handler.Status(recorder, m.payload)
			}
			c.mu.Lock()
			c.queued--
			c.bytes -= len(m.payload)
			if rest := c.waiting[recorder][1:]; len(rest) > 0 {
				c.waiting[recorder] = rest
				c.ready <- recorder
			} else {
				delete(c.waiting, recorder)
			}
			c.mu.Unlock()
		}
	}
}
