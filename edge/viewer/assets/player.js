// Plays what was opened, from the moment that was asked for, and shows the time of the picture.
'use strict';
(() => {
  const video = document.getElementById('video');
  const message = document.getElementById('message');
  const clock = document.getElementById('clock');
  const { src, start } = video.dataset;
  const time = new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: 'Europe/Amsterdam', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
  const show = date => { if (date && !isNaN(date)) clock.textContent = time.format(date); };
  const say = text => { message.textContent = text; message.hidden = false; };
  const play = () => video.play().catch(() => {}); // the person presses play where a browser does not allow it by itself

  if (window.Hls && Hls.isSupported()) {
    // No worker: it would need scripts from blob: addresses, which the page does not allow.
    const hls = new Hls({ enableWorker: false, startPosition: Number(start) });
    hls.on(Hls.Events.ERROR, (_, e) => {
      if (!e.fatal) return;
      say(e.type === Hls.ErrorTypes.NETWORK_ERROR ? message.dataset.over : message.dataset.unplayable);
      hls.destroy();
    });
    hls.on(Hls.Events.MANIFEST_PARSED, play);
    video.addEventListener('timeupdate', () => show(hls.playingDate));
    hls.loadSource(src);
    hls.attachMedia(video);
    return;
  }
  if (video.canPlayType('application/vnd.apple.mpegurl')) {
    video.addEventListener('loadedmetadata', () => { video.currentTime = Number(start); play(); });
    video.addEventListener('timeupdate', () => {
      if (video.getStartDate) show(new Date(video.getStartDate().getTime() + video.currentTime * 1000));
    });
    video.addEventListener('error', () => say(message.dataset.unplayable));
    video.src = src;
    return;
  }
  say(message.dataset.unplayable);
})();
