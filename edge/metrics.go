package edge

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/beeldwacht/beeldwacht/protocol"
)

const metricPrefix = "beeldwacht_edge_"

// metric is one line of the table in the package comment. Value and camera return false where there is nothing to tell.
type metric struct {
	name   string
	kind   prometheus.ValueType
	help   string
	value  func(*Situation) (float64, bool)
	camera func(*CameraSituation) (float64, bool)
	volume func(*VolumeSituation) (float64, bool)
}

var metrics = []metric{
	{"start_time_seconds", gauge, "When the recorder started, Unix time.", at(func(s *Situation) *protocol.Time { return &s.Started }), nil, nil},
	{"healthy", gauge, "1 when /health says 200.", flag(func(s *Situation) bool { return s.Healthy }), nil, nil},
	{"troubles", gauge, "What needs a person.", number(func(s *Situation) int { return len(s.Troubles) }), nil, nil},
	{"incidents_total", counter, "Incidents since the start.", number(func(s *Situation) uint64 { return s.Incidents }), nil, nil},

	{"camera_permitted", gauge, "1 when a mandate allows recording.", nil, flag((*CameraSituation).permitted), nil},
	{"camera_recording", gauge, "1 when it is being recorded.", nil, flag((*CameraSituation).recording), nil},
	{"camera_since_seconds", gauge, "Since when it is in this state, Unix time.", nil, at(func(c *CameraSituation) *protocol.Time { return &c.Since }), nil},
	{"camera_last_frame_seconds", gauge, "When its last frame arrived, Unix time.", nil, at(func(c *CameraSituation) *protocol.Time { return c.LastFrame }), nil},
	{"camera_bits_per_second", gauge, "What arrives, measured over two seconds.", nil, number(func(c *CameraSituation) int64 { return c.Bitrate }), nil},
	{"camera_lost_frames_total", counter, "Frames that did not arrive whole.", nil, number(func(c *CameraSituation) uint64 { return c.Lost }), nil},
	{"camera_dropped_frames_total", counter, "Frames that the disk was too slow for.", nil, number(func(c *CameraSituation) uint64 { return c.Dropped }), nil},
	{"camera_oldest_footage_seconds", gauge, "Start of the camera's oldest footage here, Unix time.", nil, at(func(c *CameraSituation) *protocol.Time { return c.Oldest }), nil},

	{"footage_bytes", gauge, "Sealed footage on the disk.", number(func(s *Situation) int64 { return s.Footage.Bytes }), nil, nil},
	{"footage_held_bytes", gauge, "Sealed footage under a standing hold.", number(func(s *Situation) int64 { return s.Footage.Held }), nil, nil},
	{"footage_overdue_segments", gauge, "Segments that should be gone and could not be deleted yet.", number(func(s *Situation) int { return s.Footage.Overdue }), nil, nil},
	{"footage_early_segments_total", counter, "Segments that went before their window since the start, to make room.", number(func(s *Situation) uint64 { return s.Footage.Early }), nil, nil},
	{"footage_undestroyed_keys", gauge, "Segments that are deleted, and whose key should be gone and is not.", number(func(s *Situation) int { return s.Footage.Keys }), nil, nil},
	{"footage_progress_seconds", gauge, "When expiry last went round, Unix time.", at(func(s *Situation) *protocol.Time { return &s.Footage.Progress }), nil, nil},
	{"keys_locked", gauge, "1 while recording is write-only, until the share of the key arrives.", flag(func(s *Situation) bool { return s.Keys.Locked }), nil, nil},
	{"volume_present", gauge, "1 when the disk is there.", nil, nil, flag(func(v *VolumeSituation) bool { return v.Away == "" })},
	{"volume_bytes", gauge, "Sealed footage on it, also where it is not there.", nil, nil, number(func(v *VolumeSituation) int64 { return v.Bytes })},
	{"volume_free_bytes", gauge, "Free on the disk.", nil, nil, number(func(v *VolumeSituation) int64 { return v.Free })},
	{"volume_size_bytes", gauge, "Size of the disk.", nil, nil, number(func(v *VolumeSituation) int64 { return v.Size })},
	{"volume_guests", gauge, "Cameras recorded on it now that are at home on another.", nil, nil, number(func(v *VolumeSituation) int { return len(v.Guests) })},
	{"disk_free_bytes", gauge, "Free on the disks with footage.", number(func(s *Situation) int64 { return s.Footage.Free }), nil, nil},
	{"disk_size_bytes", gauge, "Size of those disks.", number(func(s *Situation) int64 { return s.Footage.Size }), nil, nil},

	{"journal_entries", gauge, "Entries in the journal.", number(func(s *Situation) uint64 { return s.Journal.Entries }), nil, nil},
	{"journal_cosigned_entries", gauge, "Entries covered by a cosigned checkpoint.", number(func(s *Situation) uint64 { return s.Journal.Cosigned }), nil, nil},
	{"journal_cosigned_seconds", gauge, "When that was cosigned, Unix time.", at(func(s *Situation) *protocol.Time { return s.Journal.CosignedAt }), nil, nil},
	{"journal_owed_entries", gauge, "Entries that the journal must still take.", number(func(s *Situation) int { return s.Journal.Owed }), nil, nil},
	{"journal_writable", gauge, "1 when the journal can be written.", flag(func(s *Situation) bool { return s.Journal.Broken == "" }), nil, nil},
	{"journal_behind", gauge, "1 when the witness knows more of it than this recorder.", flag(func(s *Situation) bool { return s.Journal.Behind }), nil, nil},
	{"journal_progress_seconds", gauge, "When the journal's writer last answered, Unix time.", at(func(s *Situation) *protocol.Time { return &s.Journal.Progress }), nil, nil},

	{"clock_synced", gauge, "1 when NTP keeps the machine's clock, and the recorder's time is the same.", flag(func(s *Situation) bool { return s.Clock.State == "synced" }), nil, nil},
	{"clock_ahead_seconds", gauge, "How much later it may be than the recorder's time; footage due by then is shown to nobody.", number(func(s *Situation) int64 { return s.Clock.Ahead }), nil, nil},
	{"uplink_connected", gauge, "1 during a session with the centre's broker.", flag(func(s *Situation) bool { return s.Uplink.Connected }), nil, nil},
	{"uplink_since_seconds", gauge, "Since when it is so, Unix time.", at(func(s *Situation) *protocol.Time { return s.Uplink.Since }), nil, nil},
	{"orders_used", gauge, "Number of the last order used.", number(func(s *Situation) uint64 { return s.Orders.Used }), nil, nil},
	{"orders_dropped_total", counter, "Envelopes dropped since the start.", number(func(s *Situation) uint64 { return s.Orders.Dropped }), nil, nil},
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func number[S any, N int | int64 | uint64](get func(*S) N) func(*S) (float64, bool) {
	return func(s *S) (float64, bool) { return float64(get(s)), true }
}

func flag[S any](get func(*S) bool) func(*S) (float64, bool) {
	return func(s *S) (float64, bool) {
		if get(s) {
			return 1, true
		}
		return 0, true
	}
}

func at[S any](get func(*S) *protocol.Time) func(*S) (float64, bool) {
	return func(s *S) (float64, bool) {
		t := get(s)
		if t == nil || t.IsZero() {
			return 0, false
		}
		return float64(t.UnixMilli()) / 1000, true
	}
}

func (m *metric) desc() *prometheus.Desc {
	var labels []string
	switch {
	case m.camera != nil:
		labels = []string{"camera", "stream"}
	case m.volume != nil:
		labels = []string{"volume"}
	}
	return prometheus.NewDesc(metricPrefix+m.name, m.help, labels, nil)
}

// scrape is the metrics of one Situation.
type scrape struct{ Situation }

func (c scrape) Describe(out chan<- *prometheus.Desc) {
	for i := range metrics {
		out <- metrics[i].desc()
	}
}

func (c scrape) Collect(out chan<- prometheus.Metric) {
	s := &c.Situation
	for i := range metrics {
		m := &metrics[i]
		if m.value != nil {
			if v, ok := m.value(s); ok {
				out <- prometheus.MustNewConstMetric(m.desc(), m.kind, v)
			}
			continue
		}
		for j := range s.Footage.Volumes {
			if m.volume == nil {
				break
			}
			if v, ok := m.volume(&s.Footage.Volumes[j]); ok {
				out <- prometheus.MustNewConstMetric(m.desc(), m.kind, v, s.Footage.Volumes[j].Path)
			}
		}
		if m.camera == nil {
			continue
		}
		for j := range s.Cameras {
			camera := &s.Cameras[j]
			if v, ok := m.camera(camera); ok {
				out <- prometheus.MustNewConstMetric(m.desc(), m.kind, v, string(camera.Camera), string(camera.Stream))
			}
		}
	}
}

// monitoring serves /metrics and /health. A recorder that does not answer in five seconds is not healthy.
func monitoring(look func(context.Context) (Situation, error)) http.Handler {
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: metricPrefix + "info", Help: "Always 1; the label says which program runs.", ConstLabels: prometheus.Labels{"software": Software}})
	info.Set(1)
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{Namespace: "beeldwacht_edge"})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		s, err := look(r.Context())
		if err != nil {
			return // the client is gone, or told so below
		}
		registry := prometheus.NewRegistry() // our own, so that nothing is shown which a dependency registers for all; and of this one look
		registry.MustRegister(scrape{s}, info, process)
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		s, err := look(r.Context())
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if s.Healthy {
			fmt.Fprintln(w, "good: what must be recorded is recorded, and the journal can be written")
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, t := range s.Troubles {
			if t.Failing {
				fmt.Fprintln(w, harmless(t.What))
			}
		}
	})
	return http.TimeoutHandler(mux, socketTimeout, "the recorder runs but does not answer: its disk may hang\n")
}

// serveMetrics serves monitoring on l until ctx ends.
func (a *Agent) serveMetrics(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: monitoring(a.look), ReadTimeout: socketTimeout, WriteTimeout: 2 * socketTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if server.Shutdown(stopping) != nil {
		return server.Close()
	}
	return nil
}
