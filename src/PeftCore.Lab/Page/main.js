// The page: keeps the states of the runs as the lab sends them, and draws what has changed.
import { get, listen, post } from './api.js';
import { bars, figure, lines } from './charts.js';
import { RunCard } from './controls.js';
import { bytes, h } from './dom.js';
import { AttentionView, DeltaView, TensorView, TextView } from './inside.js';

// The token is in a cookie now, and need not stay in the address bar.
history.replaceState(null, '', '/');

const byId = id => document.getElementById(id), status = byId('status'), states = new Map(), cards = new Map();
const charts = Object.fromEntries([['loss', 'Loss'], ['forgetting', 'Forgetting: loss on old books above that at the start'],
  ['norms', 'Gradient norms of the last step by layer'], ['norm', 'Gradient norm before clipping'], ['memory', 'Memory of a step against the plan'], ['rate', 'Tokens a second']]
  .map(([id, title]) => [id, figure(`chart-${id}`, title)]));
let lab, views = [], drawn = new Map(), pending = false, busy = false, again = false;

function say(text, bad = false) {
  status.textContent = text;
  status.classList.toggle('bad', bad);
}

async function start() {
  theme();
  try {
    lab = await get('/api/lab');
  } catch (error) {
    say(error.message, true);
    return;
  }
  byId('model').textContent = `${lab.model}; prompts about appointments are turned into records`;
  byId('charts').append(...Object.values(charts).map(chart => chart.root));
  const seed = byId('seed');
  seed.addEventListener('input', () => cards.forEach((card, name) => card.update(states.get(name) ?? null)));
  addCard('a');
  const compare = h('div', { class: 'card b', id: 'compare-card' }, h('h3', {}, 'Compare'),
    h('p', {}, 'A second run with the same seed sees the same rows in the same order.'),
    h('button', { type: 'button', id: 'compare', click: () => { compare.remove(); addCard('b').root.querySelector('select').focus(); } }, 'Compare with a second run'));
  byId('runs').append(compare);
  byId('module').replaceChildren(...lab.modules.map(path => h('option', { value: path }, path.replace('model.layers.', 'layer '))));
  options(byId('layer'), lab.layers);
  options(byId('head'), lab.heads);
  views = [
    { view: new TextView(byId('texts')), key: run => run.evaluations.length },
    { view: new DeltaView(byId('delta'), byId('module')), key: run => run.evaluations.length },
    { view: new AttentionView(byId('attention'), byId('layer'), byId('head')), key: run => run.evaluations.length },
    { view: new TensorView(byId('tensors')), key: run => run.state === 'training' ? 'training' : run.step },
  ];
  for (const id of ['module', 'layer', 'head']) {
    byId(id).addEventListener('change', () => refresh(true));
  }
  listen(changed);

  function addCard(name) {
    const card = new RunCard(name, lab, seed, say, async () => {
      await post('/api/close', { run: name });
      card.root.remove();
      cards.delete(name);
      byId('runs').append(compare);
      byId('compare').focus();
    });
    cards.set(name, card);
    byId('runs').append(card.root);
    return card;
  }
}

function options(select, count) {
  select.replaceChildren(...Array.from({ length: count }, (_, at) => h('option', { value: at }, String(at))));
}

function theme() {
  const select = byId('theme');
  select.addEventListener('change', () => {
    if (select.value) {
      document.documentElement.dataset.theme = select.value;
    } else {
      delete document.documentElement.dataset.theme;
    }
  });
}

/** Takes the states that the lab sends; null means that it has ended. */
function changed(runs) {
  if (runs === null) {
    say('The lab has ended, or cannot be reached. Start peftcore lab again.', true);
    return;
  }
  if (states.size === 0 && runs.length === 0) {
    say('Ready: choose a method and press Train.');
  }
  for (const name of [...states.keys()].filter(name => !runs.some(run => run.run === name))) {
    states.delete(name);
  }
  for (const run of runs) {
    const former = states.get(run.run), isSame = former?.id === run.id;
    const records = isSame ? former.records.slice(0, run.from) : [], evaluations = isSame ? former.evaluations.slice(0, run.evaluations_from) : [];
    if (isSame && former.state === 'training' && run.state !== 'training') {
      say(run.problem ?? `Run ${run.run.toUpperCase()} has paused after step ${run.step}.`, run.problem !== null);
    }
    states.set(run.run, { ...run, records: [...records, ...run.records], evaluations: [...evaluations, ...run.evaluations] });
    if (!cards.has(run.run)) {
      byId('compare')?.click();
    }
  }
  if (!pending) {
    pending = true;
    requestAnimationFrame(draw);
  }
}

function draw() {
  pending = false;
  const runs = [...states.values()];
  cards.forEach((card, name) => card.update(states.get(name) ?? null));
  const title = run => runs.length > 1 ? `${run.run.toUpperCase()} ` : '';
  lines(charts.loss, 'Loss', runs.flatMap(run => [
    { name: `${title(run)}train`, run: run.run, points: run.records.map(record => [record.step, record.loss]) },
    { name: `${title(run)}held-out`, run: run.run, thick: true, dots: true, points: run.evaluations.map(evaluation => [evaluation.step, evaluation.held]) },
  ]));
  lines(charts.forgetting, 'Forgetting', runs.map(run =>
    ({ name: `${title(run)}loss on old books, change`, run: run.run, thick: true, dots: true, points: run.evaluations.map(evaluation => [evaluation.step, evaluation.base - run.evaluations[0].base]) })), { zero: true });
  lines(charts.memory, 'Memory', runs.flatMap(run => [
    { name: `${title(run)}measured peak`, run: run.run, points: run.records.map(record => [record.step, record.peak]) },
    { name: `${title(run)}planned`, run: run.run, dashed: true, points: run.records.length ? [[1, run.plan], [run.records.length, run.plan]] : [] },
  ]), { format: bytes, zero: true, unit: 2 ** 20 });
  lines(charts.norm, 'Gradient norm', runs.map(run =>
    ({ name: `${title(run)}gradient norm`, run: run.run, points: run.records.map(record => [record.step, record.grad_norm]) })), { zero: true });
  lines(charts.rate, 'Tokens a second', runs.map(run =>
    ({ name: `${title(run)}tokens a second`, run: run.run, points: run.records.map(record => [record.step, record.tok_s]) })), { zero: true });
  const stepped = runs.filter(run => run.records.length > 0), names = [...new Set(stepped.flatMap(run => run.layers))];
  if (stepped.length === 0) {
    charts.norms.say('Nothing to show yet: press Train.');
  } else {
    bars(charts.norms, 'Gradient norms of the last step by layer', names.map(name => name.replace('layers.', '')), stepped.map(run =>
      ({ name: `${title(run)}gradient norm`, run: run.run, values: names.map(name => run.records.at(-1).layer_norms[run.layers.indexOf(name)] ?? 0) })));
  }
  refresh();
}

/** Updates the views whose runs have changed, one request at a time; what changes meanwhile is drawn afterwards. */
async function refresh(anew = false) {
  if (anew) {
    drawn = new Map();
  }
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  do {
    again = false;
    const runs = [...states.values()];
    for (const { view, key } of views) {
      const now = runs.map(run => `${run.run}/${run.id}/${key(run)}`).join(' ');
      if (drawn.get(view) !== now && (runs.length > 0 || drawn.has(view))) {
        drawn.set(view, now);
        await view.update(runs);
      }
    }
  } while (again);
  busy = false;
}

start();
