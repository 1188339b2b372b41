// The report is what `peftcore explain --json` prints: docs/explain.md describes its fields.
const report = JSON.parse(document.getElementById('report').textContent);
const steps = [report, report.full, report.compared].filter(Boolean);
const kinds = ['frozen', 'trainable', 'optimizer', 'gradient', 'activation', 'workspace', 'cache']
  .filter(kind => steps.some(step => step.timeline.some(entry => entry.highest[kind] > 0)));
const $ = id => document.getElementById(id);
const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const text = value => String(value).replace(/[&<>"]/g, c => escapes[c]);
const sum = bytes => kinds.reduce((all, kind) => all + bytes[kind], 0);
const plural = (n, word) => `${n.toLocaleString('en')} ${word}${n === 1 ? '' : 's'}`;

function size(bytes) {
  let unit = 0;
  for (; Math.abs(bytes) >= 1024 && unit < 4; unit++) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}

const nameOf = op => op.module ? `${op.name} in ${op.module}` : op.name;
const opAt = (step, entry) => entry.op == null ? null : step.ops[entry.op];
const shapeOf = tensor => `(${tensor.shape.join(', ')}) ${tensor.dtype}`;
const swatch = kind => `<span class="swatch" style="background:var(--${kind})"></span>`;

function placeOf(step, entry) {
  const op = opAt(step, entry);
  const batch = step.ops.some(other => other.micro_batch > 0) ? `, micro batch ${entry.micro_batch + 1}` : '';
  return entry.phase === 'start' ? 'before the step' : `${entry.phase}${batch}${op ? `, op ${op.number} (${nameOf(op)})` : ', its end'}`;
}

// Beside each other.

function besideTable() {
  const most = (step, kind) => Math.max(...step.timeline.map(entry => Math.max(entry.highest[kind], entry.after[kind])));
  const rows = [
    ['parameters that train', ...steps.map(step => step.trainable.toLocaleString('en'))],
    ...kinds.map(kind => [`${swatch(kind)}${kind}, at most`, ...steps.map(step => size(most(step, kind)))]),
    ['saved for backward', ...steps.map(step => size(step.saved_bytes))],
    ['peak of the step', ...steps.map(step => size(step.peak.bytes))],
  ];
  $('beside').innerHTML = `<thead><tr><th scope="col"><span class="quiet">method</span></th>${
    steps.map(step => `<th scope="col">${text(step.method)}</th>`).join('')}</tr></thead><tbody>${
    rows.map((row, i) => `<tr${i === rows.length - 1 ? ' class="total"' : ''}><th scope="row">${row[0]}</th>${
      row.slice(1).map(cell => `<td>${cell}</td>`).join('')}</tr>`).join('')}</tbody>`;
  $('no-full').textContent = report.no_full ? `No full fine-tuning beside it: ${report.no_full}` : '';
}

// The charts of memory.

const highest = Math.max(...steps.map(step => step.peak.bytes));
const charts = [];

class Chart {
  constructor(step) {
    this.step = step;
    this.at = step.peak.at;
    this.figure = document.createElement('figure');
    this.figure.innerHTML = `<figcaption></figcaption><svg role="img"></svg>
      <input type="range" min="0" max="${step.timeline.length - 1}" step="1"><div class="readout" aria-live="polite"></div>`;
    [this.caption, this.svg, this.slider, this.readout] = this.figure.children;
    this.slider.addEventListener('input', () => this.show(+this.slider.value));
    this.svg.addEventListener('pointerdown', event => { this.svg.setPointerCapture(event.pointerId); this.point(event); });
    this.svg.addEventListener('pointermove', event => { if (event.buttons) this.point(event); });
    this.readout.addEventListener('click', event => {
      if (event.target.tagName === 'BUTTON') openOp(this.step, +event.target.dataset.op, true);
    });
    $('charts').append(this.figure);
    this.caption.textContent = step.method;
    this.slider.setAttribute('aria-label', `moment of the step of ${step.method}`);
    this.svg.setAttribute('aria-label', `memory over the step of ${step.method}; its peak, ${size(step.peak.bytes)}, is at ${step.peak.place}`);
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.figure);
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const at = Math.round((event.clientX - box.left - this.left) / (box.width - this.left - this.right) * (this.step.timeline.length - 1));
    this.show(Math.min(this.step.timeline.length - 1, Math.max(0, at)));
  }

  draw() {
    const { timeline, peak } = this.step;
    const width = this.figure.clientWidth, height = 230, top = 22, bottom = 22;
    if (!width || width === this.width) return;
    this.width = width;
    [this.left, this.right] = [72, 8];
    const x = at => this.left + at / Math.max(1, timeline.length - 1) * (width - this.left - this.right);
    const y = bytes => top + (1 - bytes / highest) * (height - top - bottom);
    const points = timeline.flatMap((entry, i) => i === 0 ? [[0, entry.after]] : [[i - .5, entry.highest], [i, entry.after]]);
    let parts = '', below = points.map(() => 0);
    for (const kind of kinds) {
      const above = points.map(([, bytes], i) => below[i] + bytes[kind]);
      const line = (values, order) => order.map(i => `${x(points[i][0]).toFixed(1)},${y(values[i]).toFixed(1)}`).join(' ');
      const order = [...points.keys()];
      parts += `<polygon fill="var(--${kind})" points="${line(above, order)} ${line(below, order.toReversed())}"/>`;
      below = above;
    }
    const ticks = [0, .25, .5, .75, 1].map(share => `<line class="axis" x1="${this.left}" x2="${width - this.right}" y1="${y(share * highest)}"
      y2="${y(share * highest)}" opacity=".5"/><text x="${this.left - 6}" y="${y(share * highest) + 4}" text-anchor="end">${size(share * highest)}</text>`).join('');
    const phases = timeline.map((entry, at) => [entry, at]).filter(([entry, at]) => at > 0
      && (entry.phase !== timeline[at - 1].phase || entry.micro_batch !== timeline[at - 1].micro_batch) && entry.phase !== 'update');
    const marks = phases.map(([entry, at]) => `<line class="axis" x1="${x(at - 1)}" x2="${x(at - 1)}" y1="${top}" y2="${height - bottom}"/>
      <text x="${x(at - 1) + 4}" y="${height - 6}">${entry.phase}</text>`).join('');
    const peakX = x(peak.at - .5), toLeft = peakX > width / 2;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.style.height = `${height}px`;
    this.svg.innerHTML = `${parts}${ticks}${marks}<circle class="peak" cx="${peakX}" cy="${y(peak.bytes)}" r="3.5"/>
      <text x="${peakX + (toLeft ? -8 : 8)}" y="${Math.max(12, y(peak.bytes) - 7)}" text-anchor="${toLeft ? 'end' : 'start'}">peak ${size(peak.bytes)}</text>
      <line class="backward-of" y1="${top}" y2="${height - bottom}" hidden/><line class="cursor" y1="${top}" y2="${height - bottom}"/>`;
    this.x = x;
    this.show(this.at);
  }

  show(at) {
    this.at = at;
    this.slider.value = at;
    const { step } = this, entry = step.timeline[at], op = opAt(step, entry);
    this.slider.setAttribute('aria-valuetext', `${placeOf(step, entry)}: ${size(sum(entry.after))}`);
    this.readout.innerHTML = `<strong>${text(placeOf(step, entry))}</strong>
      ${op ? `<button type="button" data-op="${op.number}">show op ${op.number}</button>` : ''}<br>
      ${size(sum(entry.highest))} at most, ${size(sum(entry.after))} after it${at === step.peak.at ? ': <strong>the peak</strong>' : ''}
      <ul class="kinds">${kinds.filter(kind => entry.highest[kind] + entry.after[kind] > 0)
        .map(kind => `<li>${swatch(kind)}${kind} ${size(entry.highest[kind])}</li>`).join('')}</ul>`;
    const cursor = this.svg.querySelector('.cursor');
    if (!cursor) return;
    for (const end of ['x1', 'x2']) cursor.setAttribute(end, this.x(at));
    // Of an op of the forward pass, a dashed line shows its backward, and the reverse.
    const other = op ? step.timeline.findIndex((e, i) => i !== at && e.op === entry.op) : -1;
    const line = this.svg.querySelector('.backward-of');
    line.toggleAttribute('hidden', other < 0);
    line.style.display = other < 0 ? 'none' : '';
    if (other >= 0) for (const end of ['x1', 'x2']) line.setAttribute(end, this.x(other));
  }
}

// Ops in order.

let shown = report;
const savedBytes = op => op.saved.reduce((all, saved) => all + saved.bytes, 0);

function reasons(title, tensors, again) {
  return tensors.length === 0 ? '' : `<h3>${title}</h3><ul>${tensors.map(tensor => `<li><code>${text(tensor.name)}</code> ${
    shapeOf(tensor)}, ${size(tensor.bytes)}${again ? ' during backward' : ''}: ${text(tensor.reason)}</li>`).join('')}</ul>`;
}

function tensorList(title, tensors) {
  return tensors.length === 0 ? '' : `<h3>${title}</h3><ul>${tensors.map(tensor => {
    const from = tensor.parameter ? `<code>${text(tensor.parameter)}</code>` : tensor.op != null ? `from op ${tensor.op}` : title === 'Reads' ? 'data or a constant' : '';
    return `<li>${shapeOf(tensor)}${from ? `, ${from}` : ''}, ${tensor.needs_grad ? '<span class="trains">needs a gradient</span>' : 'needs no gradient'}</li>`;
  }).join('')}</ul>`;
}

function detail(op) {
  return `<div class="detail">${op.not_recorded ? `<p>Not recorded: ${text(op.not_recorded)}.</p>` : ''}
    ${op.run_again_by != null ? `<p>Run again in backward by op ${op.run_again_by}.</p>` : ''}
    ${!op.not_recorded && op.saved.length + op.recomputed.length === 0 ? '<p>Saves nothing: its gradients need neither its inputs nor its output.</p>' : ''}
    ${reasons('Saved for backward', op.saved, false)}${reasons('Made again in backward, not saved', op.recomputed, true)}
    ${tensorList('Reads', op.inputs)}${tensorList('Computes', op.outputs)}</div>`;
}

function listOps() {
  const find = $('find').value.toLowerCase(), saving = $('saving').checked;
  const matches = shown.ops.filter(op => (!saving || op.saved.length + op.recomputed.length > 0)
    && `${op.name} ${op.module} ${op.saved.concat(op.recomputed).map(saved => saved.name).join(' ')}`.toLowerCase().includes(find));
  $('count').textContent = `${plural(matches.length, 'op')} of ${shown.ops.length}; ${
    shown.ops.filter(op => op.not_recorded).length} are not recorded; ${size(matches.reduce((all, op) => all + savedBytes(op), 0))} saved by the ones listed`;
  $('ops').innerHTML = matches.map(op => `<li data-op="${op.number}" class="${op.not_recorded ? 'not' : ''}"><button type="button" aria-expanded="false">
    <span class="number">${op.number}</span><span class="name">${text(op.name)}</span><span class="where">${text(op.module)}${
    op.run_again_by != null ? ' <em>run again</em>' : ''}</span><span class="bytes">${op.not_recorded ? 'not recorded'
      : savedBytes(op) > 0 ? size(savedBytes(op)) : op.saved.length > 0 ? 'shared' : op.recomputed.length > 0 ? 'again' : '–'}</span></button></li>`).join('');
}

function toggle(item, open) {
  item.classList.toggle('open', open);
  item.firstElementChild.setAttribute('aria-expanded', open);
  item.querySelector('.detail')?.remove();
  if (!open) return;
  item.insertAdjacentHTML('beforeend', detail(shown.ops[+item.dataset.op]));
  // The chart goes to the op, unless it is there already, forward or backward.
  const chart = charts.find(other => other.step === shown);
  if (shown.timeline[chart.at].op !== +item.dataset.op) chart.show(shown.timeline.findIndex(entry => entry.op === +item.dataset.op));
}

function openOp(step, number, scrolls) {
  $('find').value = '';
  $('saving').checked = false;
  look(step);
  const item = $('ops').querySelector(`[data-op="${number}"]`);
  toggle(item, true);
  if (scrolls) {
    item.firstElementChild.scrollIntoView({ block: 'center' });
    item.firstElementChild.focus({ preventScroll: true });
  }
}

// Modules and stops.

function treeOf(step) {
  const root = { name: report.model, children: new Map(), parameters: [], type: '' };
  for (const module of step.modules) {
    let node = root;
    for (const part of module.path.split('.').filter(Boolean)) {
      if (!node.children.has(part)) node.children.set(part, { name: part, children: new Map(), parameters: [], type: '' });
      node = node.children.get(part);
    }
    [node.type, node.parameters] = [module.type, module.parameters];
  }
  return root;
}

const count = (node, test) => node.parameters.filter(p => test(p.status)).reduce((all, p) => all + p.shape.reduce((a, b) => a * b, 1), 0)
  + [...node.children.values()].reduce((all, child) => all + count(child, test), 0);
const bytesOf = node => node.parameters.reduce((all, p) => all + p.bytes, 0) + [...node.children.values()].reduce((all, child) => all + bytesOf(child), 0);

function branch(node, depth) {
  const trained = count(node, status => status.startsWith('trains')), frozen = count(node, status => /frozen|replaced|constant/.test(status));
  return `<details${depth < 2 ? ' open' : ''}><summary>${text(node.name)} <span class="quiet">${text(node.type)}</span>
    <span class="quiet">${frozen ? `${frozen.toLocaleString('en')} frozen` : ''}</span>
    ${trained ? `<span class="trains">${trained.toLocaleString('en')} train</span>` : ''} <span class="quiet">${size(bytesOf(node))}</span></summary>
    ${node.parameters.map(p => `<div class="leaf"><code>${text(p.name)}</code> (${p.shape.join(', ')}) ${p.dtype}, ${size(p.bytes)},
      <span class="${p.status.startsWith('trains') ? 'trains' : ''}">${text(p.status)}</span></div>`).join('')}
    ${[...node.children.values()].map(child => branch(child, depth + 1)).join('')}</details>`;
}

function look(step) {
  shown = step;
  document.querySelectorAll('#methods input').forEach((input, i) => { input.checked = steps[i] === step; });
  listOps();
  $('stops').innerHTML = step.stops.length === 0 ? '<li>Nowhere: a gradient reaches every op whose output the loss depends on.</li>'
    : step.stops.map(stop => `<li>op ${stop.op}, ${text(nameOf(step.ops[stop.op]))}: ${text(stop.reason)}</li>`).join('');
  $('modules').innerHTML = `<div class="tree">${branch(treeOf(step), 0)}</div>`;
}

$('about').textContent = `${report.model}: ${report.trainable.toLocaleString('en')} of ${report.parameters.toLocaleString('en')} parameters train with ${
  report.method}; batch ${report.batch}`;
document.title = `${report.method} on ${report.model}: a training step, explained`;
besideTable();
$('legend').innerHTML = kinds.map(kind => `<li>${swatch(kind)}${kind}</li>`).join('');
$('charts').classList.toggle('two', steps.length > 1);
charts.push(...steps.map(step => new Chart(step)));
$('methods').insertAdjacentHTML('beforeend', steps.map((step, i) =>
  `<label><input type="radio" name="method" value="${i}"> ${text(step.method)}</label>`).join(''));
$('methods').addEventListener('change', event => look(steps[+event.target.value]));
$('find').addEventListener('input', listOps);
$('saving').addEventListener('change', listOps);
$('ops').addEventListener('click', event => {
  const item = event.target.closest('button')?.parentElement;
  if (item) toggle(item, !item.classList.contains('open'));
});
look(report);

// page.html#op-15 opens an op.
const linked = /^#op-(\d+)$/.exec(location.hash);
if (linked && report.ops[+linked[1]]) openOp(report, +linked[1], true);
