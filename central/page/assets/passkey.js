// Asks the browser for a passkey when a form with data-passkey ("create" or "get") is sent: the answer goes into its field "antwoord", and then the form goes as any other.
'use strict';
(function () {
  const bytes = function (text) {
    const raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
    return Uint8Array.from(raw, function (c) { return c.charCodeAt(0); });
  };
  const text = function (buffer) {
    return btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  };
  const answer = function (made) {
    const r = made.response;
    const out = { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: made.getClientExtensionResults(), response: { clientDataJSON: text(r.clientDataJSON) } };
    if (made.authenticatorAttachment) out.authenticatorAttachment = made.authenticatorAttachment;
    if (r.attestationObject) {
      out.response.attestationObject = text(r.attestationObject);
      out.response.transports = r.getTransports ? r.getTransports() : [];
    } else {
      out.response.authenticatorData = text(r.authenticatorData);
      out.response.signature = text(r.signature);
      if (r.userHandle) out.response.userHandle = text(r.userHandle);
    }
    return JSON.stringify(out);
  };
  for (const form of document.querySelectorAll('form[data-passkey]')) {
    const problem = document.querySelector('[data-passkey-problem]');
    form.addEventListener('submit', function (event) {
      if (form.elements.antwoord.value) return;
      event.preventDefault();
      problem.hidden = true;
      const say = function (words) { problem.textContent = words; problem.hidden = false; };
      if (!window.PublicKeyCredential) { say(problem.dataset.none); return; }
      const options = JSON.parse(form.dataset.options);
      options.challenge = bytes(options.challenge);
      if (options.user) options.user.id = bytes(options.user.id);
      for (const list of [options.excludeCredentials, options.allowCredentials]) for (const c of list || []) c.id = bytes(c.id);
      navigator.credentials[form.dataset.passkey]({ publicKey: options }).then(function (made) {
        form.elements.antwoord.value = answer(made);
        form.submit();
      }).catch(function () { say(form.dataset.passkey === 'create' ? problem.dataset.notMade : problem.dataset.not); });
    });
  }
})();
