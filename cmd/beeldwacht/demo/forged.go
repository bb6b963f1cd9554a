package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beeldwacht/beeldwacht/central"
	"github.com/beeldwacht/beeldwacht/central/broker"
	"github.com/beeldwacht/beeldwacht/cmd/beeldwacht/enrol"
	"github.com/beeldwacht/beeldwacht/edge"
	"github.com/beeldwacht/beeldwacht/protocol"
	"golang.org/x/mod/sumdb/note"
)

// forgery is one order that a recorder must not obey, and what its journal must say of it.
type forgery struct {
	what     string
	envelope []byte
	kind     string // order.dropped, or order.refused
	why      string // part of the reason
}

// forged plays somebody who has the centre's MQTT certificate and, worse, its order key. It comes last: such orders use numbers up.
func (c *check) forged(ctx context.Context) {
	forgeries, err := c.forgeries(ctx)
	if err == nil {
		err = c.deliver(ctx, forgeries)
	}
	if err != nil {
		c.promise("I12", func() (string, error) { return "", err })
		return
	}
	for _, f := range forgeries {
		c.promise("I12", func() (string, error) {
			hash := protocol.HashOf(f.envelope)
			var reason string
			e, err := c.journalled(ctx, f.what, 15*time.Second, func(e entry) (bool, error) {
				switch {
				case e.Kind == protocol.KindRefused && f.kind == e.Kind:
					var b protocol.OrderRefused
					err := e.read(&b)
					reason = b.Reason
					return b.Envelope == hash, err
				case e.Kind == protocol.KindDropped && f.kind == e.Kind:
					var b protocol.OrderDropped
					err := e.read(&b)
					reason = b.Reason
					return b.Envelope == hash, err
				}
				return false, nil
			})
			if err != nil {
				return "", err
			}
			if !strings.Contains(reason, f.why) {
				return "", fmt.Errorf("%s: refused, but for another reason: %s", f.what, reason)
			}
			return fmt.Sprintf("%s: %s (entry %d): %s", f.what, e.Kind, e.Seq, reason), nil
		})
	}
}

// forgeries are made from the genuine grant.
func (c *check) forgeries(ctx context.Context) ([]forgery, error) {
	// Every order is used, and the recorder has said how far it follows the ledger: it says so at most once a second.
	var ledger protocol.LedgerHead // who has the centre's keys knows it too
	since := time.Now()
	if _, err := wait(ctx, 30*time.Second, "the recorder has used all orders", func() (string, bool, error) {
		var last uint64
		c.office.View(func(s *central.State) { last = uint64(len(s.Outbox(recorderID, 0))) })
		status, _ := c.office.StatusOf(recorderID)
		if status.Ledger == nil || status.LastOrder != last || *status.Ledger != ledger {
			since = time.Now()
		}
		if status.Ledger != nil {
			ledger = *status.Ledger
		}
		return "", time.Since(since) > 2*time.Second, nil
	}); err != nil {
		return nil, err
	}
	var genuine central.Order
	var next uint64
	c.office.View(func(s *central.State) {
		orders := s.Outbox(recorderID, 0)
		next = uint64(len(orders)) + 1
		for _, o := range orders {
			if o.ID == protocol.DocumentID(c.grant) {
				genuine = o
			}
		}
	})
	if genuine.Number == 0 {
		return nil, fmt.Errorf("the grant %s is not among the orders issued", c.grant)
	}
	order, err := enrol.ReadSigner(c.path("centre", "order.key"))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	seal := func(document []byte, signer note.Signer) ([]byte, error) {
		return protocol.SealEnvelope(protocol.Envelope{Recorder: recorderID, Number: next, NotBefore: protocol.T(now.Add(-time.Minute)),
			NotAfter: protocol.T(now.Add(time.Hour)), Ledger: ledger, Document: document}, signer)
	}
	var list []forgery
	var failed error
	add := func(f forgery, document []byte, signer note.Signer) {
		var err error
		f.envelope, err = seal(document, signer)
		failed = errors.Join(failed, err)
		list = append(list, f)
		if f.kind == protocol.KindRefused {
			next++ // a refused order has used its number up
		}
	}
	changed := func(id protocol.DocumentID, change func(*protocol.Grant)) []byte {
		s, err := protocol.ParseDocument([]byte(genuine.Document))
		if err != nil {
			failed = errors.Join(failed, err)
			return nil
		}
		g := s.Document.(*protocol.Grant)
		g.ID = id
		change(g)
		raw, err := protocol.Compose(g)
		failed = errors.Join(failed, err)
		return raw
	}

	add(forgery{what: "a grant changed in one byte", kind: protocol.KindDropped, why: "signed"}, []byte(genuine.Document), order)
	list[0].envelope = bytes.Replace(list[0].envelope, []byte("camera plein\n"), []byte("camera pleim\n"), 1)

	skey, _, err := protocol.NewKey(order.Name()) // the right name, another key
	if err != nil {
		return nil, err
	}
	stranger, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	add(forgery{what: "a grant signed by a key that is not on the roster", kind: protocol.KindDropped, why: "signed"}, changed("forged-key", func(*protocol.Grant) {}), stranger)
	followed := ledger
	ledger = protocol.LedgerHead{Size: followed.Size + 1, Root: protocol.HashOf([]byte("another ledger"))}
	add(forgery{what: "a grant that rests on another ledger than the recorder saw", kind: protocol.KindDropped, why: "rests on a ledger"}, changed("forged-ledger", func(*protocol.Grant) {}), order)
	ledger = followed
	add(forgery{what: "a grant replayed in a new envelope", kind: protocol.KindRefused, why: string(c.grant)}, []byte(genuine.Document), order)
	add(forgery{what: "a grant for another camera", kind: protocol.KindRefused, why: "kelder"}, changed("forged-camera", func(g *protocol.Grant) { g.Camera = "kelder" }), order)
	add(forgery{what: "a grant by people who are not on the roster", kind: protocol.KindRefused, why: "roster"}, changed("forged-people", func(g *protocol.Grant) { g.Handler = "p-agent-2" }), order)
	return list, failed
}

// deliver takes the centre's place at the broker, as somebody with its certificate could, and sends the forgeries.
func (c *check) deliver(ctx context.Context, list []forgery) error {
	identity, err := edge.LoadIdentity(c.path("recorder"), protocol.Origin(recorderID, municipality)) // for the authority's certificate
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(c.path("centre", "centre.crt"), c.path("centre", "centre.tls"))
	if err != nil {
		return err
	}
	client := broker.NewClient(broker.ClientConfig{URL: fmt.Sprintf("ssl://localhost:%d", c.ports.Broker), Log: c.log.With("at", "forger"),
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: identity.CA, MinVersion: tls.VersionTLS13}}, deaf{})
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); client.Run(running) }()
	defer func() { stop(); <-done }()
	for _, f := range list {
		// The centre takes its place back whenever it is pushed out, so each message may need another try.
		if _, err := wait(ctx, 15*time.Second, "the forger reaches the broker", func() (string, bool, error) {
			return "", client.Publish(ctx, protocol.Topic(recorderID, protocol.DownOrders), f.envelope, false) == nil, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// deaf hears nothing.
type deaf struct{}

func (deaf) Journal(protocol.RecorderID, []byte) {}
func (deaf) Status(protocol.RecorderID, []byte)  {}
