// Keeps parts of a page fresh while somebody looks at it: every element with data-fresh="name" is replaced by the one of that name on the page as it
// is now. It stops ten minutes after the last touch, so that a page left open does not keep its session alive for ever.
'use strict';
(function () {
  const every = 5000, stopAfter = 10 * 60 * 1000;
  let touched = Date.now();
  for (const kind of ['pointerdown', 'keydown', 'scroll', 'focus']) {
    addEventListener(kind, function () { touched = Date.now(); }, { passive: true });
  }
  const look = function () {
    if (document.hidden || Date.now() - touched > stopAfter) return;
    fetch(location.href, { credentials: 'same-origin', redirect: 'error' })
      .then(function (answer) { return answer.ok ? answer.text() : ''; })
      .then(function (text) {
        if (!text) return;
        const now = new DOMParser().parseFromString(text, 'text/html');
        for (const part of document.querySelectorAll('[data-fresh]')) {
          const other = now.querySelector('[data-fresh="' + CSS.escape(part.dataset.fresh) + '"]');
          if (!other || other.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
          part.replaceChildren(...document.importNode(other, true).childNodes);
        }
      })
      .catch(function () { /* the next look may succeed */ });
  };
  setInterval(look, every);
})();
