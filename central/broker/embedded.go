package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/beeldwacht/beeldwacht/protocol"
)

// Centre is the common name of the centre's client certificate. No recorder may be enrolled under it.
const Centre = "centre"

// MaxMessage is the largest message that passes, topic and header included, in bytes. A journal batch is at most half of it.
const MaxMessage = 1 << 20

// EmbeddedConfig is what the embedded broker needs.
type EmbeddedConfig struct {
	Addr        string          // host:port to listen on
	Certificate tls.Certificate // the broker's own
	Clients     *x509.CertPool  // who signs client certificates: the centre's own CA and no public one
	Log         *slog.Logger
}

// Embedded is a broker inside the centre's process. It keeps nothing for later, also not what asks to be kept: recorders and centre say it again when they meet.
type Embedded struct {
	server   *mqtt.Server
	listener net.Listener
}

// NewEmbedded listens and serves until Close. Only TLS 1.3 with a client certificate gets in.
func NewEmbedded(c EmbeddedConfig) (*Embedded, error) {
	if c.Clients == nil {
		return nil, fmt.Errorf("broker on %s: no CA for client certificates; without one anybody's certificate would do", c.Addr)
	}
	turns := make(chan struct{}, shakeAtOnce)
	listener, err := tls.Listen("tcp", c.Addr, &tls.Config{
		Certificates:       []tls.Certificate{c.Certificate},
		ClientAuth:         tls.RequireAndVerifyClientCert,
		ClientCAs:          c.Clients,
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return nil, turn(hello.Context(), turns) },
	})
	if err != nil {
		return nil, fmt.Errorf("broker: listen on %s: %w", c.Addr, err)
	}
	// Memory is bounded by these: what a slow client does not take is dropped and sent again later.
	limits := mqtt.NewDefaultServerCapabilities()
	limits.MaximumPacketSize = MaxMessage
	limits.MaximumClientWritesPending = 256
	limits.MaximumInflight = 256
	limits.ReceiveMaximum = 256
	limits.MaximumQos = 1
	limits.SharedSubAvailable = 0
	limits.MinimumProtocolVersion = protocolMQTT311
	server := mqtt.New(&mqtt.Options{Capabilities: limits, Logger: slog.New(slog.DiscardHandler), SysTopicResendInterval: 3600, InlineClient: true})
	if err := server.AddHook(&access{log: c.Log}, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("broker on %s: %w", c.Addr, err), listener.Close())
	}
	if err := server.AddListener(&tlsListener{Listener: listener, log: c.Log}); err != nil {
		return nil, errors.Join(fmt.Errorf("broker on %s: %w", c.Addr, err), listener.Close())
	}
	if err := server.Serve(); err != nil {
		return nil, errors.Join(fmt.Errorf("broker on %s: %w", c.Addr, err), listener.Close())
	}
	c.Log.Info("broker listens", "addr", listener.Addr().String())
	return &Embedded{server: server, listener: listener}, nil
}

// join has what recorders publish told from inside this process, by their own goroutines, until leave; what is kept is told first.
func (e *Embedded) join(told func(topic string, payload []byte)) error {
	for _, channel := range []protocol.Channel{protocol.UpJournal, protocol.UpStatus} {
		filter := protocol.TopicFilter(channel)
		if err := e.server.Subscribe(filter, inside, func(_ *mqtt.Client, _ packets.Subscription, pk packets.Packet) { told(pk.TopicName, pk.Payload) }); err != nil {
			return fmt.Errorf("broker on %s: subscribe to %s: %w", e.Addr(), filter, err)
		}
	}
	return nil
}

func (e *Embedded) leave() error {
	return errors.Join(e.server.Unsubscribe(protocol.TopicFilter(protocol.UpJournal), inside), e.server.Unsubscribe(protocol.TopicFilter(protocol.UpStatus), inside))
}

// inside is the number of the subscriptions from inside this process.
const inside = 1

func (e *Embedded) publish(topic string, payload []byte, retained bool) error {
	return e.server.Publish(topic, payload, retained, 1)
}

// Addr is where it listens, host:port.
func (e *Embedded) Addr() string { return e.listener.Addr().String() }

// Close disconnects everybody and stops.
func (e *Embedded) Close() error {
	if err := e.server.Close(); err != nil {
		return fmt.Errorf("broker on %s: close: %w", e.Addr(), err)
	}
	return nil
}

const protocolMQTT311 = 4

// Of many that connect at once only so many shake hands at a time, or none would be done before its peer gives up. Who does not get a turn soon is turned away, and comes back after a pause of its own.
const (
	shakeAtOnce = 128
	turnWait    = 3 * time.Second
	turnLasts   = time.Second // the work of a handshake takes milliseconds; after this it waits for its peer, and takes nobody's turn
)

var errCrowd = errors.New("too many connect at once")

// turn waits for a turn, which lasts until the handshake is over, but not for long.
func turn(handshake context.Context, turns chan struct{}) error {
	wait := time.NewTimer(turnWait)
	defer wait.Stop()
	select {
	case turns <- struct{}{}:
		ctx, cancel := context.WithTimeout(handshake, turnLasts)
		context.AfterFunc(ctx, func() { cancel(); <-turns })
		return nil
	case <-wait.C:
		return errCrowd
	case <-handshake.Done():
		return handshake.Err()
	}
}

// tlsListener finishes the handshake before mochi sees the connection: strangers cost ten seconds at most, and their names are logged.
// mochi's own logger is off: it writes whole packets.
type tlsListener struct {
	net.Listener
	log *slog.Logger

	serving sync.WaitGroup
	mu      sync.Mutex // guards what follows
	open    map[net.Conn]bool
	closed  bool
}

// keep remembers a connection until it is forgotten; false: the listener has been closed.
func (l *tlsListener) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.open == nil {
		l.open = map[net.Conn]bool{}
	}
	l.open[c] = true
	l.serving.Add(1)
	return true
}

func (l *tlsListener) forget(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	l.serving.Done()
}

func (l *tlsListener) Init(*slog.Logger) error { return nil }
func (l *tlsListener) ID() string              { return "tls" }
func (l *tlsListener) Address() string         { return l.Addr().String() }
func (l *tlsListener) Protocol() string        { return "tls" }

func (l *tlsListener) Serve(establish listeners.EstablishFn) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, for one: others keep their sessions
			l.log.Error("broker cannot accept connections", "addr", l.Address(), "error", err)
			time.Sleep(time.Second)
			continue
		}
		if !l.keep(conn) {
			conn.Close()
			return
		}
		go func() {
			defer l.forget(conn)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			err := conn.(*tls.Conn).HandshakeContext(ctx)
			cancel()
			if err != nil {
				l.log.Warn("broker refused a connection", "remote", conn.RemoteAddr().String(), "why", err)
				conn.Close()
				return
			}
			if err := establish(l.ID(), conn); err != nil {
				l.log.Debug("broker ended a connection", "remote", conn.RemoteAddr().String(), "why", err)
			}
		}()
	}
}

// Close ends every connection itself. mochi's own way (v2.7.9, Clients.GetByListener) takes a read lock twice, and waits for ever when a client leaves between the two.
func (l *tlsListener) Close(listeners.CloseFn) {
	if err := l.Listener.Close(); err != nil {
		l.log.Error("broker: close the listener", "addr", l.Address(), "error", err)
	}
	l.mu.Lock()
	l.closed = true
	for conn := range l.open {
		conn.(*tls.Conn).NetConn().Close() // and not by TLS, whose goodbye may wait for a peer that does not read
	}
	l.mu.Unlock()
	l.serving.Wait()
}

// access is who may do what. mochi calls it from each client's own goroutine; it has no state.
type access struct {
	mqtt.HookBase
	log *slog.Logger
}

func (a *access) ID() string { return "access" }

func (a *access) Provides(b byte) bool {
	return slices.Contains([]byte{mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPublish, mqtt.OnWill, mqtt.OnPublishDropped, mqtt.OnDisconnect}, b)
}

// name is the common name of the certificate that the client proved to hold.
func name(cl *mqtt.Client) string {
	conn, ok := cl.Net.Conn.(*tls.Conn)
	if !ok {
		return ""
	}
	state := conn.ConnectionState()
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return ""
	}
	return state.VerifiedChains[0][0].Subject.CommonName
}

// OnConnectAuthenticate lets a client in under its own name only: with another's client id it would end the other's session. mochi
// asks no one whether a last will may be published, so that is checked here.
func (a *access) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	who := name(cl)
	deny := func(why string) bool {
		a.log.Warn("broker refused a connection", "name", who, "client", pk.Connect.ClientIdentifier, "remote", cl.Net.Remote, "why", why)
		return false
	}
	switch {
	case pk.ProtocolVersion != protocolMQTT311:
		return deny("not MQTT 3.1.1")
	case who == mqtt.InlineClientId:
		return deny("that is what the broker calls itself: enrol the recorder under another id")
	case who != Centre && protocol.ValidID(protocol.RecorderID(who)) != nil:
		return deny("the certificate's common name is neither " + Centre + " nor a recorder id")
	case pk.Connect.ClientIdentifier != who:
		return deny("the client id is not the certificate's common name")
	case pk.Connect.WillFlag && !mayPublish(who, pk.Connect.WillTopic):
		return deny("its last will is for topic " + pk.Connect.WillTopic)
	}
	return true
}

func (a *access) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	who, may, verb := name(cl), maySubscribe, "subscribe"
	if write {
		may, verb = mayPublish, "publish"
	}
	if may(who, topic) {
		return true
	}
	a.log.Warn("broker denied", "name", who, "verb", verb, "topic", topic, "remote", cl.Net.Remote)
	return false
}

// OnPublish keeps no message for later subscribers: mochi (v2.7.9) goes through all that it keeps each second.
func (a *access) OnPublish(_ *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	pk.FixedHeader.Retain = false
	return pk, nil
}

func (a *access) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	will.Retain = false
	return will, nil
}

func (a *access) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	a.log.Warn("broker dropped a message: its receiver is too slow", "receiver", cl.ID, "topic", pk.TopicName, "bytes", len(pk.Payload))
}

func (a *access) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	if err != nil {
		a.log.Info("broker lost a client", "client", cl.ID, "remote", cl.Net.Remote, "error", err)
	}
}

func mayPublish(who, topic string) bool {
	recorder, channel, err := protocol.ParseTopic(topic)
	if err != nil {
		return false
	}
	up := channel == protocol.UpJournal || channel == protocol.UpStatus
	if who == Centre {
		return !up
	}
	return up && string(recorder) == who
}

// maySubscribe is asked for the filter, and again for the topic of each message before it is delivered.
func maySubscribe(who, filter string) bool {
	if who == Centre && (filter == protocol.TopicFilter(protocol.UpJournal) || filter == protocol.TopicFilter(protocol.UpStatus)) {
		return true
	}
	recorder, channel, err := protocol.ParseTopic(filter)
	if err != nil {
		return false
	}
	up := channel == protocol.UpJournal || channel == protocol.UpStatus
	if who == Centre {
		return up
	}
	return !up && string(recorder) == who
}
