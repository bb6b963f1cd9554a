// Makes or finds the browser's key, shows it, and proves possession of it. The private key cannot be exported and never leaves the browser.
'use strict';
(async () => {
  const $ = id => document.getElementById(id);
  const place = $('key');
  const base64url = bytes => btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

  const request = r => new Promise((resolve, reject) => {
    r.onsuccess = () => resolve(r.result);
    r.onerror = () => reject(r.error);
  });

  async function store() {
    const open = indexedDB.open('beeldwacht', 1);
    open.onupgradeneeded = () => open.result.createObjectStore('keys');
    return request(open);
  }

  async function keyPair() {
    const db = await store();
    const kept = await request(db.transaction('keys').objectStore('keys').get('viewer'));
    if (kept) return kept;
    const made = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    // add, not put: another tab may have made one meanwhile, and one of them was perhaps granted already.
    try {
      await request(db.transaction('keys', 'readwrite').objectStore('keys').add(made, 'viewer'));
      return made;
    } catch (e) {
      return request(db.transaction('keys').objectStore('keys').get('viewer'));
    }
  }

  async function publicKey(pair) {
    const point = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)); // 4, x, y
    const short = new Uint8Array(33);
    short[0] = 2 + (point[64] & 1);
    short.set(point.subarray(1, 33), 1);
    return 'p256:' + base64url(short);
  }

  function say(text) {
    $('message').textContent = text;
    $('message').hidden = false;
  }

  async function begin(pair, key) {
    const asked = await fetch(place.dataset.challenge);
    const challenge = await asked.text();
    if (!asked.ok) return say(challenge);
    const statement = `beeldwacht/viewer v1\n${place.dataset.recorder}\n${location.host}\n${challenge}\n`;
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, new TextEncoder().encode(statement));
    const answer = await fetch(place.dataset.session, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key, challenge, signature: base64url(new Uint8Array(signature)) }),
    });
    if (!answer.ok) return say(await answer.text());
    location.assign(place.dataset.home);
  }

  let pair, key;
  try {
    pair = await keyPair();
    key = await publicKey(pair);
  } catch (e) {
    $('unsupported').hidden = false;
    return;
  }
  $('public').textContent = key;
  if ($('ask')) $('ask').href = $('ask').dataset.url + encodeURIComponent(key);
  $('begin').disabled = $('copy').disabled = false;
  $('copy').addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(key);
      $('copy').textContent = $('copy').dataset.done;
    } catch (e) {
      getSelection().selectAllChildren($('public'));
    }
  });
  $('begin').addEventListener('click', async () => {
    $('message').hidden = true;
    $('begin').disabled = true;
    try {
      await begin(pair, key);
    } catch (e) {
      say($('failed').textContent);
    }
    $('begin').disabled = false;
  });
})();
