// Package uplinktest is a real MQTT broker to test a recorder against. It lets everyone do everything: the centre's own rules are central/broker's, and Mosquitto's tests.
package uplinktest

import (
	"log/slog"
	"net"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// New makes a broker on a listener, which is for the caller to serve and close.
func New(l net.Listener) (*mqtt.Server, error) {
	broker := mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := broker.AddHook(new(allowAll), nil); err != nil {
		return nil, err
	}
	return broker, broker.AddListener(listener{listeners.NewNet("t", l), broker})
}

type allowAll struct{ mqtt.HookBase }

func (*allowAll) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck
}
func (*allowAll) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool  { return true }
func (*allowAll) OnACLCheck(_ *mqtt.Client, topic string, write bool) bool { return true }

// listener ends its clients itself: mochi's own way (v2.7.9, Clients.GetByListener) takes a read lock twice, and waits for ever when a client comes or goes between the two.
type listener struct {
	*listeners.Net
	broker *mqtt.Server
}

func (l listener) Close(listeners.CloseFn) {
	l.Net.Close(func(string) {
		for _, c := range l.broker.Clients.GetAll() {
			if !c.Net.Inline && !c.Closed() {
				_ = l.broker.DisconnectClient(c, packets.ErrServerShuttingDown) // it says what the client was told, which is what was asked
			}
		}
	})
}
