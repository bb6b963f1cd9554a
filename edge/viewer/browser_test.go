package viewer

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/beeldwacht/beeldwacht/edge/footage"
	"github.com/beeldwacht/beeldwacht/edge/ingest/cameratest"
	"github.com/beeldwacht/beeldwacht/protocol"
)

// screen is a real browser near the recorder.
type screen struct {
	t   *testing.T
	ctx context.Context
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Debian package chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-background-networking", true), chromedp.WindowSize(1280, 900))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	s := &screen{t, ctx}
	s.do("start", chromedp.Navigate("about:blank"))
	s.ctx, cancel = context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(cancel)
	return s
}

func (s *screen) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	if err := chromedp.Do(s.ctx, steps...); err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

func (s *screen) text(selector chromedp.CSS) string {
	s.t.Helper()
	text, err := chromedp.Run(s.ctx, chromedp.Text(selector))
	if err != nil {
		s.t.Fatalf("%s: %v", selector, err)
	}
	return text
}

// until waits for something to be true in the page.
func (s *screen) until(what string) {
	s.t.Helper()
	if _, err := chromedp.Run(s.ctx, chromedp.Poll[bool](what, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		s.t.Fatalf("%s: %v; the page says:\n%s", what, err, s.text("main"))
	}
}

func (s *screen) evaluate(expression string) bool {
	s.t.Helper()
	yes, err := chromedp.Run(s.ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		s.t.Fatalf("%s: %v", expression, err)
	}
	return yes
}

// picture looks at the page as a phone and as a screen: it must not be wider than either. Where VIEWER_PICTURES names a folder it is saved there, for a person to look at.
func (s *screen) picture(name string) {
	s.t.Helper()
	for width, of := range map[int64]string{390: "phone", 1280: "screen"} {
		s.do("viewport", chromedp.EmulateViewport(width, 844))
		if s.evaluate(`document.documentElement.scrollWidth > innerWidth`) {
			s.t.Errorf("%s is wider than %d", name, width)
		}
		dir := os.Getenv("VIEWER_PICTURES")
		if dir == "" {
			continue
		}
		s.do("settle", chromedp.Sleep(300*time.Millisecond))
		png, err := chromedp.Run(s.ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name+"-"+of+".png"), png, 0o600)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// The whole way, in a real browser: it makes a key, is refused without a grant, gets one, gives a reason, and the footage plays.
func TestABrowserMakesAKeyAndPlaysWhatItsGrantAllows(t *testing.T) {
	s := newScene(t)
	b := newScreen(t)
	b.do("key", chromedp.Navigate(s.url+"/"), chromedp.WaitEnabled(chromedp.CSS("#begin")))
	key := b.text("#public")
	b.do("without grant", chromedp.Click(chromedp.CSS("#begin")), chromedp.WaitVisible(chromedp.CSS("#message")))
	if message := b.text("#message"); !strings.Contains(message, "geen geldige toestemming") || !s.refusedWith(key, "no valid grant") {
		t.Errorf("without grant the page says %q; the journal %v", message, s.refusals())
	}
	b.picture("1-no-grant")
	b.do("again", chromedp.Reload(), chromedp.WaitEnabled(chromedp.CSS("#begin")))
	if _, err := parseKey(key); err != nil || b.text("#public") != key {
		t.Fatalf("the browser's key is %q, later %q: %v", key, b.text("#public"), err)
	}
	if want := "https://desk.stad.example" + requestPath + strings.ReplaceAll(key, ":", "%3A"); !b.evaluate(`document.getElementById('ask').href === '` + want + `'`) {
		t.Errorf("the way to the desk is not %s", want)
	}
	if b.evaluate(`(async () => {
		const done = r => new Promise(resolve => { r.onsuccess = () => resolve(r.result); });
		const db = await done(indexedDB.open('beeldwacht'));
		const pair = await done(db.transaction('keys').objectStore('keys').get('viewer'));
		db.close();
		return crypto.subtle.exportKey('pkcs8', pair.privateKey).then(() => true, () => false);
	})()`) {
		t.Error("the private key can be exported")
	}

	s.standing("g-1", square, key, 8*time.Hour)
	s.standing("g-2", quay, key, 8*time.Hour)
	b.do("session", chromedp.Click(chromedp.CSS("#begin")), chromedp.WaitVisible(chromedp.CSS(`a[href="/look/g-1"]`)))
	b.picture("2-cameras")
	b.do("camera", chromedp.Click(chromedp.CSS(`a[href="/look/g-1"]`)), chromedp.WaitVisible(chromedp.CSS("#reason")))
	b.picture("3-look")
	b.do("look", chromedp.SendKeys(chromedp.CSS("#reason"), reason), chromedp.Click(chromedp.CSS("main button.main")), chromedp.WaitVisible(chromedp.CSS("#video")))
	b.until(`document.getElementById('video').currentTime > 1.5 && document.getElementById('clock').textContent !== ''`)
	b.until(`document.getElementById('clock').textContent.startsWith('15:26:0')`) // asked from 15:25, but there is nothing before 15:26
	if looks := s.looks(); len(looks) != 1 {
		t.Errorf("%d looks in the journal, want one", len(looks))
	}
	b.picture("4-watch")

	b.do("ten minutes", chromedp.Navigate(s.url+"/look/g-1"), chromedp.WaitVisible(chromedp.CSS("#reason")), chromedp.SetValue(chromedp.CSS("#minutes"), "10"),
		chromedp.SendKeys(chromedp.CSS("#reason"), reason), chromedp.Click(chromedp.CSS("main button.main")), chromedp.WaitVisible(chromedp.CSS("#video")))
	b.until(`document.getElementById('video').currentTime > 0.5`)
	b.evaluate(`(document.getElementById('video').currentTime = 178) > 0`) // two seconds before the network failed
	b.until(`document.getElementById('video').currentTime > 181 && document.getElementById('clock').textContent.startsWith('15:26:0')`)
	b.picture("5-two-runs")
	b.do("old", chromedp.Navigate(s.url+"/look/g-1"), chromedp.WaitVisible(chromedp.CSS("#reason")), chromedp.Click(chromedp.CSS("#from")), chromedp.SetValue(chromedp.CSS("input[type=time]"), "15:05"),
		chromedp.SendKeys(chromedp.CSS("#reason"), reason), chromedp.Click(chromedp.CSS("main button.main")), chromedp.WaitVisible(chromedp.CSS("main .alert.bad")))
	b.picture("7-older")
	if text := b.text("main"); !strings.Contains(text, "tweede persoon") {
		t.Errorf("of footage that is too old the page says:\n%s", text)
	}
}

// H.265 plays in few browsers; the page says so, and does not stay black in silence.
func TestABrowserThatCannotPlaySaysSo(t *testing.T) {
	s := newScene(t)
	b := newScreen(t)
	s.record(quay, cameratest.CounterH265(), at(27, 0), time.Minute, footage.CauseRecorder)
	b.do("key", chromedp.Navigate(s.url+"/en/"), chromedp.WaitEnabled(chromedp.CSS("#begin")))
	s.standing("g-2", quay, b.text("#public"), time.Hour)
	b.do("look", chromedp.Click(chromedp.CSS("#begin")), chromedp.WaitVisible(chromedp.CSS(`a[href="/en/look/g-2"]`)), chromedp.Click(chromedp.CSS(`a[href="/en/look/g-2"]`)),
		chromedp.WaitVisible(chromedp.CSS("#reason")), chromedp.SendKeys(chromedp.CSS("#reason"), reason), chromedp.Click(chromedp.CSS("main button.main")),
		chromedp.WaitVisible(chromedp.CSS("#video")), chromedp.WaitVisible(chromedp.CSS("#message")))
	b.picture("6-h265")
	if page := b.text("main"); !strings.Contains(page, "H.265") || !strings.Contains(page, "This browser cannot play this footage") {
		t.Errorf("the page says:\n%s", page)
	}
}

// Footage with sound plays with it, from the middle of its run too; it starts muted, as a page in a room with others should.
func TestSoundPlaysInABrowser(t *testing.T) {
	for name, sound := range map[string]*cameratest.Sound{"AAC": cameratest.BeepAAC(), "Opus": cameratest.BeepOpus()} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			b := newScreen(t)
			m := s.town.Mandate(quay, 1)
			m.Sound = protocol.SoundAllowed
			s.must(s.store.SetMandates([]*protocol.Mandate{m}))
			s.hear(quay, cameratest.FlashH264(), sound, at(27, 0), time.Minute)
			b.do("key", chromedp.Navigate(s.url+"/en/"), chromedp.WaitEnabled(chromedp.CSS("#begin")))
			s.standing("g-2", quay, b.text("#public"), time.Hour)
			b.do("look", chromedp.Click(chromedp.CSS("#begin")), chromedp.WaitVisible(chromedp.CSS(`a[href="/en/look/g-2"]`)), chromedp.Click(chromedp.CSS(`a[href="/en/look/g-2"]`)),
				chromedp.WaitVisible(chromedp.CSS("#reason")), chromedp.SendKeys(chromedp.CSS("#reason"), reason), chromedp.Click(chromedp.CSS("main button.main")),
				chromedp.WaitVisible(chromedp.CSS("#video")))
			b.until(`document.getElementById('video').currentTime > 1.5 && document.getElementById('video').webkitAudioDecodedByteCount > 0`)
			if !b.evaluate(`document.getElementById('video').muted`) {
				t.Error("the sound is on before anybody asked for it")
			}
			b.evaluate(`(document.getElementById('video').currentTime = 31) > 0`)
			b.until(`document.getElementById('video').currentTime > 33 && document.getElementById('video').error === null`)
		})
	}
}
