// SPDX-License-Identifier: GPL-2.0-only
// The page: filters, the detail of a cell, and the address that contains both.
(() => {
  const root = document.documentElement;
  root.dataset.errors = '';
  addEventListener('error', e => { root.dataset.errors += e.message + '\n'; });
  addEventListener('securitypolicyviolation', e => { root.dataset.errors += 'policy: ' + e.violatedDirective + '\n'; });
  const by = id => document.getElementById(id);

  const theme = by('theme');
  const dark = () => root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const keep = value => { try { if (value) localStorage.setItem('theme', value); return localStorage.getItem('theme'); } catch { return null; } };
  const kept = keep();
  if (kept === 'dark' || kept === 'light') root.dataset.theme = kept;
  theme.hidden = false;
  theme.addEventListener('click', () => { keep(root.dataset.theme = dark() ? 'light' : 'dark'); });

  const table = by('matrix');
  if (!table) { root.dataset.ready = ''; return; }
  let parsed;
  const data = () => parsed || (parsed = JSON.parse(by('data').textContent));

  const columns = [...table.tHead.rows[0].cells].slice(2).map(th => ({ th, label: th.textContent }));
  const rows = [...table.tBodies[0].rows].map(tr => {
    const cells = [];
    for (let i = 2; i < tr.cells.length; i++) {
      const td = tr.cells[i], a = td.firstElementChild;
      if (a) cells.push({ td, a, column: i - 2, mark: td.className, variant: Number(a.getAttribute('href').slice(2)) });
    }
    const name = tr.cells[0].firstChild.textContent.trim();
    return { tr, key: tr.dataset.key, name, text: tr.cells[0].textContent.toLowerCase(), cells, tds: [...tr.cells].slice(2), mark: tr.cells[1].className.replace('v', '').trim() };
  });
  const usedIn = new Set([...document.querySelectorAll('article[data-used]')].map(a => Number(a.id.slice(1))));

  const form = by('filters'), detail = by('detail'), shown = by('shown');
  form.hidden = false;
  const boxes = [...form.querySelectorAll('[name=verdict]')];
  const input = name => form.querySelector(`[name=${name}]`);
  let open = null;      // the cell whose detail is shown

  const matches = (row, kernel, flavour) => {
    if (!kernel.every(word => row.text.includes(word))) return false;
    const parts = row.name.toLowerCase().split(/[^a-z0-9_]+/);
    return flavour.every(word => word[0] === '!' ? word.length === 1 || !parts.includes(word.slice(1)) : parts.some(part => part.startsWith(word)));
  };
  const words = name => input(name).value.toLowerCase().split(/\s+/).filter(Boolean);

  const filter = () => {
    const kernel = words('kernel'), flavour = words('flavour'), name = words('name');
    const marks = new Set(boxes.filter(b => b.checked).map(b => b.value));
    const used = input('used').checked, all = marks.size === boxes.length;
    const wanted = columns.map(c => name.every(word => c.label.toLowerCase().includes(word)));
    const live = columns.map(() => false);
    let count = 0;
    for (const row of rows) {
      let any = false;
      for (const c of row.cells) {
        const on = wanted[c.column] && marks.has(c.mark) && (!used || usedIn.has(c.variant));
        c.on = on;
        c.td.classList.toggle('off', !on);
        any = any || on;
      }
      row.on = matches(row, kernel, flavour) && (any || (all && !used && !name.length));
      row.tr.hidden = !row.on;
      if (row.on) { count++; for (const c of row.cells) if (c.on) live[c.column] = true; }
    }
    let wide = 0;
    columns.forEach((c, i) => {
      if (live[i]) wide++;
      if (c.th.hidden === !live[i]) return;
      c.th.hidden = !live[i];
      for (const row of rows) row.tds[i].hidden = !live[i];
    });
    for (const d of document.querySelectorAll('#findings > details')) {
      const i = Number(d.id.slice(1));
      d.hidden = !live[i];
    }
    shown.textContent = `${count} of ${rows.length} kernels, ${wide} of ${columns.length} names`;
    rove();
  };

  // Tab reaches one cell; the arrow keys reach the others from there.
  let stop = null;
  const rove = cell => {
    const fits = c => c && c.on && c.row.on;
    const next = fits(cell) ? cell : fits(stop) ? stop : (rows.find(r => r.on && r.cells.some(c => c.on)) || { cells: [] }).cells.find(c => c.on);
    if (stop && stop !== next) stop.a.tabIndex = -1;
    stop = next || null;
    if (stop) stop.a.tabIndex = 0;
  };
  const byLink = new Map();
  for (const row of rows) for (const c of row.cells) { c.row = row; c.a.tabIndex = -1; byLink.set(c.a, c); }
  const step = (cell, down, across) => {
    if (across) {
      const list = cell.row.cells.filter(c => c.on);
      return list[list.indexOf(cell) + across];
    }
    for (let i = rows.indexOf(cell.row) + down; i >= 0 && i < rows.length; i += down) {
      const c = rows[i].on && rows[i].cells.find(c => c.column === cell.column && c.on);
      if (c) return c;
    }
    return null;
  };
  table.addEventListener('keydown', e => {
    const cell = byLink.get(e.target);
    const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    if (!cell || !way || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    const next = step(cell, ...way);
    if (next) { rove(next); next.a.focus(); }
  });
  table.addEventListener('mouseover', e => {
    const cell = byLink.get(e.target);
    if (cell && !cell.a.title) cell.a.title = `${columns[cell.column].label}, ${cell.row.name}: ${cell.a.getAttribute('aria-label')}`;
  });

  const KEYS = [['gone', '−', 'gone'], ['came', '+', 'new'], ['moved', '→', 'moved'], ['chng', '~', 'another type, size or name'], ['same', '', 'the same'], ['used', '●', 'used by the code']];
  const picture = (number, into) => {
    const drawn = Draw.draw(data(), number, into.clientWidth || root.clientWidth - 40);
    if (!drawn) return;
    const figure = document.createElement('figure'), caption = document.createElement('figcaption'), keys = document.createElement('div');
    keys.className = 'keys';
    for (const [kind, sign, text] of KEYS) {
      const key = document.createElement('span'), i = document.createElement('i');
      i.className = kind;
      const n = kind === 'same' ? '' : drawn.count[kind] + ' ';
      key.append(i, `${sign} ${n}${text}`);
      keys.append(key);
    }
    const note = document.createElement('div');
    note.textContent = 'Offsets in bytes (byte:bit for bit fields). Boxes are to scale, but those with a tear; a torn box without a name is a run of fields.';
    caption.append(keys, note);
    figure.append(caption, drawn.svg);
    // After a short list, before a long one.
    const list = into.querySelector('ul');
    if (list && list.children.length > 5) list.before(figure); else into.append(figure);
  };

  const show = (cell, focus) => {
    if (open) open.a.removeAttribute('aria-current');
    open = cell;
    detail.replaceChildren();
    detail.hidden = !cell;
    if (!cell) return;
    cell.a.setAttribute('aria-current', 'true');
    const bar = document.createElement('div'), title = document.createElement('h2'), close = document.createElement('button');
    bar.className = 'bar';
    title.id = 'detail-title';
    title.tabIndex = -1;
    title.textContent = `${columns[cell.column].label} in ${cell.row.name}`;
    close.type = 'button';
    close.textContent = 'Close';
    close.addEventListener('click', () => { const was = open; show(null); save(); was.a.focus(); });
    bar.append(title, close);
    const copy = by('v' + cell.variant).cloneNode(true);
    copy.removeAttribute('id');
    detail.append(bar, copy);
    picture(cell.variant, copy);
    if (focus) { rove(cell); title.focus({ preventScroll: true }); detail.scrollIntoView({ block: 'nearest' }); }
  };
  detail.addEventListener('keydown', e => { if (e.key === 'Escape') detail.querySelector('button').click(); });
  table.addEventListener('click', e => {
    const cell = byLink.get(e.target);
    if (!cell || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    show(cell, true);
    save();
  });
  // Draws the pictures of the list when it is opened.
  document.addEventListener('toggle', e => {
    if (!e.target.open || e.target.dataset.drawn !== undefined || !e.target.matches('#findings > details')) return;
    e.target.dataset.drawn = '';
    for (const article of e.target.querySelectorAll('article')) picture(Number(article.id.slice(1)), article);
  }, true);

  // The state of the page as an address: #kernel=6.12&name=device&cell=6.12.43/device
  const state = () => {
    const out = [];
    const put = (name, value) => out.push(name + '=' + encodeURIComponent(value).replace(/%2F/gi, '/'));
    for (const name of ['kernel', 'flavour', 'name']) if (input(name).value.trim()) put(name, input(name).value.trim());
    if (boxes.some(b => !b.checked)) put('verdict', boxes.filter(b => b.checked).map(b => b.value).join('') || '-');
    if (input('used').checked) put('used', '1');
    if (open) put('cell', open.row.key + '/' + columns[open.column].label);
    return out.join('&');
  };
  let saved = '';
  const save = () => {
    saved = '#' + state();
    try { history.replaceState(null, '', saved === '#' ? location.pathname + location.search : saved); } catch { location.hash = saved; }
  };
  const find = text => {
    for (let i = text.indexOf('/'); i >= 0; i = text.indexOf('/', i + 1)) {
      const row = rows.find(r => r.key === text.slice(0, i));
      const cell = row && row.cells.find(c => columns[c.column].label === text.slice(i + 1));
      if (cell) return cell;
    }
    return null;
  };
  const load = () => {
    if (/^#[vc]\d+$/.test(location.hash)) {
      const at = by(location.hash.slice(1));
      const list = at && at.closest('details');
      if (list) { list.open = true; at.scrollIntoView(); }
      filter();
      return;
    }
    // A plus is not decoded to a blank, since releases contain it.
    const asked = new Map();
    for (const part of location.hash.slice(1).split('&')) {
      const at = part.indexOf('=');
      try { if (at > 0) asked.set(part.slice(0, at), decodeURIComponent(part.slice(at + 1))); } catch { /* no address of ours */ }
    }
    for (const name of ['kernel', 'flavour', 'name']) input(name).value = asked.get(name) || '';
    const marks = asked.get('verdict');
    for (const b of boxes) b.checked = marks === undefined || marks.includes(b.value);
    input('used').checked = asked.get('used') === '1';
    filter();
    const cell = asked.get('cell') && find(asked.get('cell'));
    show(cell || null, !!cell);
    if (cell) cell.a.scrollIntoView({ block: 'nearest', inline: 'center' });
  };
  addEventListener('hashchange', () => { if (location.hash !== saved) load(); });
  form.addEventListener('submit', e => e.preventDefault());
  form.addEventListener('input', () => { filter(); save(); });
  form.addEventListener('reset', () => setTimeout(() => { filter(); save(); }));
  let room = innerWidth;
  addEventListener('resize', () => { if (innerWidth !== room) { room = innerWidth; if (open) show(open); } });
  load();
  root.dataset.ready = '';
})();
