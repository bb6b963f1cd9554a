// The map: cameras as points on a background that we draw ourselves (a grid with its degrees), so that no visitor's browser asks another host for
// anything. Where the municipality set a tile server, its tiles come under the points. Everything on the map is also in the list beside it.
//
//   <div class="map" hidden data-source="/cameras.geojson" data-live="…" data-dark="…" …></div>     (template "map" in central/page)
//   data-choose="camera"   points tick the checkboxes of that name instead of opening a page
'use strict';
(function () {
  const box = document.querySelector('.map[data-source]');
  if (!box || !window.L) return;
  const words = box.dataset;
  box.hidden = false;
  const legend = document.querySelector('.legend');
  if (legend) legend.hidden = false;

  const map = L.map(box, { zoomControl: false, attributionControl: false, minZoom: 3, maxZoom: 19, zoomSnap: 0.5 });
  L.control.zoom({ zoomInTitle: words.zoomin, zoomOutTitle: words.zoomout }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (words.tiles) {
    L.control.attribution({ prefix: false }).addTo(map);
    L.tileLayer(words.tiles, { attribution: words.attribution, maxZoom: 19 }).addTo(map);
  } else {
    grid(map);
  }

  fetch(words.source, { credentials: 'same-origin' })
    .then(function (answer) { return answer.json(); })
    .then(show)
    .catch(function (why) {
      console.error('the map could not be drawn', why);
      hide();
    });

  function show(cameras) {
    const placed = cameras.features.filter(function (f) { return f.geometry; });
    if (placed.length === 0) { hide(); return; }
    const where = function (f) { return L.latLng(f.geometry.coordinates[1], f.geometry.coordinates[0]); };
    map.fitBounds(L.latLngBounds(placed.map(where)), { padding: [48, 48], maxZoom: 17 });
    for (const f of placed) point(f.properties, where(f), placed.length <= 12);
  }

  function hide() {
    box.hidden = true;
    if (legend) legend.hidden = true;
  }

  function point(camera, where, named) {
    const shape = 'pin ' + (camera.recording === true ? 'on' : camera.recording === false ? 'off' : '');
    const marker = L.marker(where, { icon: L.divIcon({ className: shape, html: '<span></span>', iconSize: null }), keyboard: true, title: camera.name });
    marker.addTo(map);
    if (named && camera.name) {
      const name = document.createElement('span');
      name.textContent = camera.name;
      marker.bindTooltip(name, { permanent: true, direction: 'auto', offset: [14, 0], className: 'name' });
    }
    const element = marker.getElement();
    const state = camera.recording === true ? words.live : camera.recording === false ? words.dark : words.unknown;
    element.setAttribute('aria-label', camera.name + '. ' + state);
    const tick = words.choose && document.querySelector('input[name="' + words.choose + '"][value="' + CSS.escape(camera.camera) + '"]');
    if (tick) {
      const follow = function () {
        element.classList.toggle('chosen', tick.checked);
        element.setAttribute('aria-pressed', String(tick.checked));
      };
      const toggle = function () {
        tick.checked = !tick.checked;
        tick.dispatchEvent(new Event('change', { bubbles: true }));
      };
      marker.on('click', toggle);
      element.addEventListener('keydown', function (e) {
        if (e.key !== 'Enter' && e.key !== ' ') return;
        e.preventDefault();
        toggle();
      });
      tick.addEventListener('change', follow);
      follow();
      return;
    }
    const inside = document.createElement('div');
    const add = function (tag, text) { const e = document.createElement(tag); e.textContent = text; inside.append(e); return e; };
    add('p', '').append(Object.assign(document.createElement('strong'), { textContent: camera.name }));
    if (camera.place) add('p', camera.place);
    add('p', state);
    const link = document.createElement('a');
    link.href = (words.base || '') + '/camera/' + encodeURIComponent(camera.camera);
    link.textContent = words.more;
    add('p', '').append(link);
    marker.bindPopup(inside);
  }

  // grid draws meridians and parallels with their degrees, closer together as one looks closer.
  function grid(map) {
    const lines = L.layerGroup().addTo(map);
    const draw = function () {
      lines.clearLayers();
      const seen = map.getBounds().pad(0.1);
      const wanted = (seen.getNorth() - seen.getSouth()) / 6;
      const step = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002].find(function (s) { return s <= wanted; }) || 0.0001;
      const digits = Math.max(0, Math.ceil(-Math.log10(step)));
      const style = { color: '#b9c4bd', weight: 1, interactive: false };
      const inner = map.getBounds();
      for (let lat = Math.ceil(seen.getSouth() / step) * step; lat < seen.getNorth(); lat += step) {
        L.polyline([[lat, seen.getWest()], [lat, seen.getEast()]], style).addTo(lines);
        label([lat, inner.getEast()], lat.toFixed(digits) + '° N', 'east');
      }
      const wide = step * (map.getSize().x < 600 ? 4 : 2);
      for (let lon = Math.ceil(seen.getWest() / wide) * wide; lon < seen.getEast(); lon += wide) {
        L.polyline([[seen.getSouth(), lon], [seen.getNorth(), lon]], style).addTo(lines);
        label([inner.getNorth(), lon], lon.toFixed(digits) + '° ' + words.east, 'north');
      }
    };
    const label = function (where, text, side) {
      const inside = document.createElement('span');
      inside.textContent = text;
      L.marker(where, { icon: L.divIcon({ className: 'degree ' + side, html: inside, iconSize: null }), interactive: false, keyboard: false }).addTo(lines);
    };
    map.on('moveend', draw);
  }
})();
