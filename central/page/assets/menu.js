// Closes the open part of the menu on Escape, and when somebody goes on elsewhere on the page. The menu works without it.
'use strict';
(function () {
  const open = function () { return document.querySelector('.top nav details[open]'); };
  addEventListener('keydown', function (event) {
    const part = event.key === 'Escape' && open();
    if (!part) return;
    part.open = false;
    part.querySelector('summary').focus();
  });
  for (const kind of ['pointerdown', 'focusin']) {
    addEventListener(kind, function (event) {
      const part = open();
      if (part && !part.contains(event.target)) part.open = false;
    });
  }
})();
