// SPDX-License-Identifier: GPL-2.0-only
'use strict';
// Draws a structure before and after, as SVG. Bars are to scale, but torn boxes are shortened, and
// a run of unremarkable fields is one box. `draw` uses only the data of the page.
const Draw = (() => {
  const NS = 'http://www.w3.org/2000/svg';
  const LINE = 15;      // a label's height
  const RUN = 22;       // a run's height
  const TALL = 32;      // bytes after which a box is torn

  const el = (name, attrs, text) => {
    const e = document.createElementNS(NS, name);
    for (const key in attrs) e.setAttribute(key, attrs[key]);
    if (text !== undefined) e.textContent = text;
    return e;
  };

  // Shows invisible characters, and those that change the writing direction, as codes.
  const seen = text => text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    c => '\\u{' + c.codePointAt(0).toString(16) + '}');

  // Returns the fields of a layout, except those whose members follow them.
  const fields = (data, at) => {
    if (at < 0) return null;
    const [kind, size, align, flat] = data.l[at];
    const all = [];
    for (let i = 0; i + 4 < flat.length; i += 5)
      all.push({ name: seen(data.s[flat[i]]), off: flat[i + 1], bits: flat[i + 2], type: seen(data.s[flat[i + 3]]), bit: flat[i + 4] === 1 });
    const holders = new Set();
    for (const f of all)
      for (let i = f.name.indexOf('.'); i > 0; i = f.name.indexOf('.', i + 1)) holders.add(f.name.slice(0, i).replace(/\[\]$/, ''));
    const leaves = all.filter(f => f.name && !holders.has(f.name));
    leaves.sort((a, b) => a.off - b.off || b.bits - a.bits);
    leaves.forEach((f, i) => { f.at = i; });
    return { kind, size, align, list: leaves };
  };

  const bytes = bits => bits % 8 ? (bits >> 3) + ':' + bits % 8 : String(bits / 8);
  const place = f => f.bit ? Math.floor(f.off / 8) + ':' + f.off % 8 : bytes(f.off);
  const width = f => f.bit || f.bits % 8 ? f.bits + (f.bits === 1 ? ' bit' : ' bits') : f.bits / 8 + ' B';
  const signed = bits => (bits < 0 ? '−' : '+') + bytes(Math.abs(bits)) + (bits % 8 ? '' : ' B');

  // Determines the change of each field.
  const judge = (before, after, renames, used) => {
    const by = new Map(after ? after.list.map(f => [f.name, f]) : []);
    for (const f of before ? before.list : []) {
      const to = renames.get(f.name);
      const other = by.get(f.name) || (to && by.get(to));
      if (other && !other.pair) { f.pair = other; other.pair = f; }
    }
    const touched = f => {
      if (used.has(f.name)) return true;
      for (let i = f.name.indexOf('.'); i > 0; i = f.name.indexOf('.', i + 1))
        if (used.has(f.name.slice(0, i).replace(/\[\]$/, ''))) return true;
      return false;
    };
    const each = (list, lone) => {
      for (const f of list) {
        const o = f.pair;
        f.by = o ? (lone === 'gone' ? o.off - f.off : f.off - o.off) : 0;
        f.is = !o ? lone : o.bits !== f.bits || o.type !== f.type || o.name !== f.name ? 'chng' : f.by ? 'moved' : 'same';
        f.used = touched(f) || !!(o && touched(o));
      }
    };
    if (before) each(before.list, after ? 'gone' : 'same');
    if (after) each(after.list, before ? 'came' : 'same');
  };

  // Joins three or more fields that moved by the same distance and have no other change.
  const runs = (before, after) => {
    const list = before.list, found = [];
    const calm = f => f && f.pair && !f.used && (f.is === 'same' || f.is === 'moved');
    const edge = f => { // the first and last moved fields are always drawn
      const p = list[f.at - 1], q = list[f.at + 1], op = f.pair, near = after.list;
      const loud = g => g && (g.is === 'gone' || g.is === 'came' || g.is === 'chng');
      return loud(p) || loud(q) || loud(near[op.at - 1]) || loud(near[op.at + 1]);
    };
    let run = [];
    const close = () => {
      if (run.length > 2) {
        const r = { count: run.length, by: run[0].by, is: run[0].is };
        for (const f of run) { f.run = r; f.pair.run = r; }
        found.push(r);
      }
      run = [];
    };
    for (const f of list) {
      const last = run[run.length - 1];
      if (!calm(f) || edge(f)) { close(); continue; }
      if (last && (f.by !== last.by || f.pair.at !== last.pair.at + 1)) close();
      run.push(f);
    }
    close();
    return found;
  };

  // Returns the boxes of one side, in order: fields, runs and padding, with their first and last
  // bit.
  const boxes = side => {
    const out = [];
    let end = 0;
    for (const f of side.list) {
      const to = f.off + f.bits;
      if (f.off > end && !(f.bit && f.off - end < 8 && (f.off >> 3) === (end >> 3))) out.push({ pad: true, off: end, to: f.off });
      const last = out[out.length - 1];
      if (f.run && last && last.run === f.run) { last.to = Math.max(last.to, to); last.last = f; }
      else out.push({ field: f, first: f, last: f, run: f.run, off: f.off, to });
      end = Math.max(end, to);
    }
    if (side.size * 8 > end && side.list.length) out.push({ pad: true, off: end, to: side.size * 8 });
    return out.filter(b => !b.pad || b.to > b.off);
  };

  // Maps bits to pixels. Each box is to scale, except runs and torn boxes.
  const scale = (list, k) => {
    const cuts = [];
    let y = 0, done = 0;
    for (const b of list) {
      const from = Math.max(b.off, done), to = Math.max(b.to, from);
      if (from > done) { cuts.push([done, y, k / 8]); y += (from - done) * k / 8; }
      if (to === from) continue;
      const full = (to - from) / 8 * k;
      const most = b.run ? RUN : b.pad ? 24 : TALL * k;
      const high = Math.min(b.run ? most : full, most);
      b.torn = high < full && !b.run;
      cuts.push([from, y, high / (to - from)]);
      y += high;
      done = to;
    }
    cuts.push([done, y, k / 8]);
    const at = bit => {
      let c = cuts[0];
      for (const next of cuts) { if (next[0] > bit) break; c = next; }
      return c[1] + (bit - c[0]) * c[2];
    };
    return { at, high: y };
  };

  // Fields at the same offset are drawn side by side, and so are the bit fields of a byte.
  const lanes = list => {
    let group = [], end = -1;
    const close = () => { for (const b of group) b.lanes = group.lanes || 1; group = []; };
    for (const b of list) {
      const f = b.field;
      if (f && f.bit && !b.run && (f.off >> 3) === ((f.off + f.bits - 1) >> 3)) { b.byte = true; continue; }
      if (b.off >= end) { close(); end = -1; }
      const taken = new Set(group.filter(o => o.to > b.off).map(o => o.lane));
      b.lane = 0;
      while (taken.has(b.lane)) b.lane++;
      group.push(b);
      group.lanes = Math.max(group.lanes || 1, b.lane + 1);
      end = Math.max(end, b.to);
    }
    close();
  };

  // Puts each label as near to its box as possible, without overlaps.
  const spread = (labels, top) => {
    const groups = [];
    for (const l of labels) {
      groups.push({ want: l.want, count: 1, first: l.want });
      for (;;) {
        const b = groups[groups.length - 1], a = groups[groups.length - 2];
        if (!a || a.first + a.count * LINE <= b.first) break;
        // The mean of the positions that the labels of the group prefer.
        const sum = a.want + b.want - b.count * a.count * LINE;
        groups.pop();
        a.want = sum;
        a.count += b.count;
        a.first = Math.max(top, sum / a.count);
      }
      const g = groups[groups.length - 1];
      g.first = Math.max(top, g.first);
    }
    let i = 0, end = 0;
    for (const g of groups) {
      for (let n = 0; n < g.count; n++) labels[i++].y = g.first + n * LINE;
      end = g.first + g.count * LINE;
    }
    return end;
  };

  const SIGN = { same: ' ', moved: '→', gone: '−', came: '+', chng: '~' };

  const label = (b, left) => {
    if (b.run) return { off: '', text: b.run.count + (b.run.is === 'same' ? ' unchanged' : left ? ' fields' : ' fields ' + signed(b.run.by)), sign: SIGN[b.run.is], quiet: true };
    const f = b.field;
    return { off: place(f), text: f.name, type: f.type, more: f.is === 'moved' || f.by ? (left ? '' : signed(f.by)) : '', sign: SIGN[f.is], used: f.used, resized: f.pair && f.pair.bits !== f.bits ? width(f) : '' };
  };

  // Draws variant `number`, `room` pixels wide. Returns nothing if there is nothing to draw.
  const draw = (data, number, room) => {
    const variant = data.v[number];
    if (!variant) return null;
    const [name, b0, a0, usedAt, renamedAt] = variant;
    const before = fields(data, b0), after = fields(data, a0);
    const renames = new Map();
    for (let i = 0; i + 1 < renamedAt.length; i += 2) renames.set(seen(data.s[renamedAt[i]]), seen(data.s[renamedAt[i + 1]]));
    judge(before, after, renames, new Set(usedAt.map(i => seen(data.s[i]))));
    const calm = before && after ? runs(before, after) : [];

    const wide = Math.max(330, Math.min(1100, Math.floor(room)));
    const narrow = wide < 640;
    const bar = narrow ? 24 : 56, gap = narrow ? 34 : 110, lead = narrow ? 8 : 22;
    const side = Math.floor((wide - 2 * bar - gap - 2 * lead) / 2);
    const chars = Math.max(6, Math.floor((side - 4) / 6.95));
    const sides = [[before, true], [after, false]].filter(([s]) => s).map(([s, left]) => {
      const list = boxes(s);
      lanes(list);
      return { s, left, list, x: left ? side + lead : side + lead + bar + gap };
    });
    const shown = Math.max(1, ...sides.map(v => v.list.reduce((n, b) => n + (b.run ? 0 : Math.min(TALL * 8, b.to - b.off)), 0) / 8));
    const bits = sides.some(v => v.list.some(b => b.field && b.field.bit && !b.run));
    const k = Math.max(bits ? 4 : 1.6, Math.min(bits ? 8 : 3, 520 / shown));

    const TOP = 40;
    let high = TOP;
    for (const v of sides) {
      const scaled = scale(v.list, k);
      v.at = bit => TOP + scaled.at(bit);
      v.labels = [];
      for (const b of v.list) {
        b.y0 = v.at(b.off);
        b.y1 = v.at(b.to);
        b.x0 = v.x; b.x1 = v.x + bar;
        if (b.byte) {
          const bit = b.field.off % 8;
          b.y0 = v.at(b.off - bit);
          b.y1 = Math.max(v.at(b.off - bit + 8), b.y0 + 2);
          b.x0 = v.x + bar * bit / 8;
          b.x1 = v.x + bar * (bit + b.field.bits) / 8;
        } else if (b.lanes > 1) {
          b.x0 = v.x + bar * b.lane / b.lanes;
          b.x1 = v.x + bar * (b.lane + 1) / b.lanes;
        }
        if (!b.pad) v.labels.push({ b, want: b.run ? (b.y0 + b.y1) / 2 - LINE / 2 : Math.min(b.y0, (b.y0 + b.y1) / 2 - LINE / 2 + 2) });
      }
      high = Math.max(high, TOP + scaled.high, spread(v.labels, TOP - 6));
    }
    high = Math.ceil(high) + 8;

    const count = { moved: 0, gone: 0, came: 0, chng: 0, used: 0 };
    for (const f of [...(before ? before.list : []), ...(after ? after.list.filter(f => !f.pair) : [])]) {
      if (f.is in count) count[f.is]++;
      if (f.used) count.used++;
    }
    const said = `${count.gone} gone, ${count.came} new, ${count.moved} moved, ${count.chng} with another type, size or name; ${count.used} used by the code`;
    const svg = el('svg', { viewBox: `0 0 ${wide} ${high}`, role: 'img', 'aria-label': `${seen(data.s[name])} before and after: ${said}` });
    svg.style.maxWidth = wide + 'px';
    for (const what in count) svg.setAttribute('data-' + what, count[what]);

    const head = (v, title) => {
      const words = `${title}: ${v.s.size} B, align ${v.s.align}`;
      svg.append(el('text', v.left ? { x: v.x + bar, y: 14, 'text-anchor': 'end', class: 'h' } : { x: v.x, y: 14, class: 'h' }, words));
    };
    for (const v of sides) head(v, v.left ? 'before' : 'after');

    // Connects the fields that exist on both sides.
    if (before && after) {
      const right = new Map();
      for (const b of sides[1].list) if (!b.pad) for (let i = b.first.at; i <= b.last.at; i++) right.set(after.list[i], b);
      const said = new Set();
      for (const b of sides[0].list) {
        if (b.pad) continue;
        const o = b.field.pair && right.get(b.field.pair);
        if (!o || said.has(o)) continue;
        said.add(o);
        const x0 = sides[0].x + bar, x1 = sides[1].x, m = (x0 + x1) / 2;
        svg.append(el('path', { class: 'link ' + b.field.is,
          d: `M${x0} ${b.y0}C${m} ${b.y0} ${m} ${o.y0} ${x1} ${o.y0}V${o.y1}C${m} ${o.y1} ${m} ${b.y1} ${x0} ${b.y1}Z` }));
      }
    }
    for (const v of sides) {
      for (const b of v.list) {
        const f = b.field;
        const box = el('rect', { x: b.x0, y: b.y0, width: Math.max(.5, b.x1 - b.x0), height: Math.max(.5, b.y1 - b.y0),
          class: b.pad ? 'pad' : (b.run ? b.run.is : f.is) + (f.used && !b.run ? ' used' : '') });
        const from = bytes(b.off) + '–' + bytes(b.to);
        box.append(el('title', {}, b.pad ? `padding, ${from}` : b.run ? `${b.run.count} fields, ${b.first.name} to ${b.last.name}, ${from}`
          : `${f.type} ${f.name}: ${width(f)} at ${place(f)}${f.by ? ', moved by ' + signed(f.by) : ''}${f.used ? ', used by the code' : ''}`));
        svg.append(box);
        if (b.run || b.torn) {
          const y = (b.y0 + b.y1) / 2, step = bar / 8;
          let d = `M${v.x - 2} ${y}`;
          for (let i = 1; i <= 8; i++) d += `l${step + .5} ${i % 2 ? -4 : 4}`;
          svg.append(el('path', { class: 'tear', d }));
        }
      }
      for (const l of v.labels) {
        const b = l.b, w = label(b, v.left), y = l.y + LINE / 2;
        const edge = v.left ? b.x0 : b.x1, text = v.left ? v.x - lead : v.x + bar + lead;
        const mid = v.left ? v.x - 3 : v.x + bar + 3;
        const aim = b.run ? (b.y0 + b.y1) / 2 : Math.min(b.y0 + 3, (b.y0 + b.y1) / 2);
        svg.append(el('path', { class: 'lead', d: `M${edge} ${aim}H${mid}L${text + (v.left ? 2 : -2)} ${y}` }));
        const t = el('text', { x: text, y: y + 4, 'text-anchor': v.left ? 'end' : 'start', 'xml:space': 'preserve' });
        const put = (words, kind) => t.append(el('tspan', kind ? { class: kind } : {}, words));
        const fixed = (w.off ? w.off.length + 1 : 0) + 2 + (w.more ? w.more.length + 1 : 0) + (w.resized ? w.resized.length + 1 : 0) + (w.used ? 2 : 0);
        const most = Math.max(4, chars - fixed);
        const cut = (words, n) => words.length > n ? words.slice(0, Math.max(1, n - 1)) + '…' : words;
        const short = cut(w.text, most);
        const type = !narrow && w.type && most - short.length > 8 ? cut(w.type, most - short.length - 2) : '';
        const parts = [[w.sign.trim(), 'o'], [w.off, 'o'], [(w.used ? '● ' : '') + short, w.used ? 'b' : w.quiet ? 't' : ''], [type, 't'], [w.resized, 'o'], [w.more, 'o']].filter(p => p[0]);
        if (v.left) parts.reverse();
        parts.forEach((p, i) => put((i ? ' ' : '') + p[0], p[1]));
        if (w.type) t.append(el('title', {}, w.type + ' ' + w.text));
        svg.append(t);
      }
    }
    return { svg, count, said, runs: calm.length };
  };
  return { draw };
})();
