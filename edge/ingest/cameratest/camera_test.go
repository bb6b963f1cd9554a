package cameratest

import (
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"
)

func TestClips(t *testing.T) {
	size := len(square) + len(hall) + len(quay) + len(reordered)
	if size > 1<<20 {
		t.Errorf("the clips are %d bytes; the repository should stay small", size)
	}
	for _, c := range []Clip{CounterH264(), CounterH265(), QuayH264(), ReorderedH264()} {
		seconds := int(c.Length / 90000)
		keys := 0
		for i, f := range c.Frames {
			if f.Key {
				keys++
			}
			if f.DTS != int64(i)*9000 {
				t.Errorf("%s: frame %d at %d, want ten frames a second", c.Name, i, f.DTS)
			}
		}
		if len(c.Frames) != 10*seconds || keys != seconds {
			t.Errorf("%s: %d frames, %d of them key, in %d s; want ten and one a second", c.Name, len(c.Frames), keys, seconds)
		}
	}
}

// watch counts RTP packets and time stamps that went back.
func watch(t *testing.T, c *Camera, transport gortsplib.Transport) (packets <-chan uint32, cut <-chan error) {
	t.Helper()
	u, err := base.ParseURL(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &transport}
	if err := client.Start2(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	d, _, err := client.Describe(u)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetupAll(d.BaseURL, d.Medias); err != nil {
		t.Fatal(err)
	}
	stamps := make(chan uint32, 1000)
	client.OnPacketRTPAny(func(_ *description.Media, _ format.Format, p *rtp.Packet) {
		select {
		case stamps <- p.Timestamp:
		default:
		}
	})
	if _, err := client.Play(nil); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- client.Wait() }()
	return stamps, ended
}

func TestPlaysOverTheEndOfTheClip(t *testing.T) {
	for _, transport := range []gortsplib.Transport{gortsplib.TransportTCP, gortsplib.TransportUDP} {
		t.Run(transport.String(), func(t *testing.T) {
			t.Parallel()
			short := CounterH264()
			short.Frames, short.Length = short.Frames[:10], 90000
			c, err := New(Options{Clip: short})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			stamps, _ := watch(t, c, transport)
			last, end := <-stamps, time.After(2500*time.Millisecond)
			frames := 0
			for {
				select {
				case s := <-stamps:
					if s != last && s-last != 9000 {
						t.Fatalf("time stamp went from %d to %d, want steps of 9000", last, s)
					}
					if s != last {
						frames++
					}
					last = s
				case <-end:
					if frames < 20 || frames > 27 {
						t.Errorf("%d frames in 2.5 s, want 25: not real time", frames)
					}
					return
				}
			}
		})
	}
}

func TestGoesDarkAndReturnsOnItsPort(t *testing.T) {
	c, err := New(Options{Clip: CounterH264()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stamps, cut := watch(t, c, gortsplib.TransportTCP)
	<-stamps
	url := c.URL()
	c.Stop()
	select {
	case <-cut:
	case <-time.After(5 * time.Second):
		t.Fatal("stopped, and the connection stays")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if c.URL() != url {
		t.Errorf("returned at %s, was at %s", c.URL(), url)
	}
	stamps, _ = watch(t, c, gortsplib.TransportTCP)
	<-stamps
}

func TestDropsOutNowAndThen(t *testing.T) {
	t.Parallel()
	c, err := New(Options{Clip: QuayH264(), OutEvery: 2 * time.Second, OutFor: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 2 {
		stamps, cut := watch(t, c, gortsplib.TransportTCP)
		<-stamps
		select {
		case <-cut:
		case <-time.After(5 * time.Second):
			t.Fatal("no outage in five seconds; one was asked every two")
		}
		time.Sleep(1300 * time.Millisecond)
	}
}
