// Views into a model: ΔW with its spectrum, attention, saved tensors, and texts. Each has a column for each run.
import { ask } from './api.js';
import { bars, figure, heat } from './charts.js';
import { bytes, h, short } from './dom.js';

const MostValues = 64;

/** The columns of a view, made anew when the set of runs changes. */
class Columns {
  #root; #make; #made = new Map();

  constructor(root, make) {
    [this.#root, this.#make] = [root, make];
  }

  for(runs) {
    for (const name of [...this.#made.keys()].filter(name => !runs.some(run => run.run === name))) {
      this.#made.get(name).root.remove();
      this.#made.delete(name);
    }
    return runs.map(run => {
      if (!this.#made.has(run.run)) {
        this.#made.set(run.run, this.#make(run.run));
        this.#root.append(...[...this.#made.entries()].sort().map(([, column]) => column.root));
      }
      return this.#made.get(run.run);
    });
  }
}

const title = run => `Run ${run.toUpperCase()}`;

/** ΔW of the chosen layer as a heat map, with its singular values. */
export class DeltaView {
  #columns; #select;

  constructor(root, select) {
    this.#select = select;
    this.#columns = new Columns(root, run => {
      const map = figure(`${run}-delta`, `${title(run)}: size of ΔW by blocks`), spectrum = figure(`${run}-spectrum`, `${title(run)}: singular values of ΔW`);
      const facts = h('p', { class: 'facts', id: `${run}-ranks` });
      return { root: h('div', { class: `card ${run}` }, facts, map.root, spectrum.root), map, spectrum, facts };
    });
  }

  async update(runs) {
    const module = this.#select.value, columns = this.#columns.for(runs);
    const found = await Promise.all(runs.map(run => ask('/api/delta', { run: run.run, module }).catch(error => ({ error: error.message }))));
    const largest = Math.max(...found.flatMap(view => view.cells ?? []).flat(), 1e-30);
    runs.forEach((run, at) => {
      const view = found[at], { map, spectrum, facts } = columns[at];
      facts.dataset.step = view.step ?? '';
      facts.dataset.module = module;
      if (!view.changes) {
        facts.replaceChildren(view.error ?? `${run.settings.method} does not change the weight of ${module}.`);
        map.say('No ΔW.');
        spectrum.say('No ΔW.');
        return;
      }
      facts.replaceChildren(...[['step', view.step], ['size', `${view.rows} × ${view.columns}`], ['norm', short(view.norm)],
        ['rank used (numerical)', view.numerical_rank], ['effective rank', short(view.effective_rank)]]
        .map(([name, value]) => h('span', {}, `${name} `, h('b', { 'data-rank': name }, String(value)))));
      facts.dataset.numerical = view.numerical_rank;
      facts.dataset.effective = view.effective_rank;
      facts.title = 'Numerical rank: singular values above the rounding of F32. Effective rank: exp of the entropy of the singular values.';
      heat(map, `Size of ΔW of ${module}`, view.cells, { largest, rowName: 'outputs, block', columnName: 'inputs, block' });
      const values = view.singular_values.slice(0, MostValues);
      bars(spectrum, `Singular values of ΔW of ${module}, logarithmic`, values.map((_, index) => String(index + 1)),
        [{ name: title(run.run), run: run.run, values }], { log: true, marks: [{ at: Math.min(view.numerical_rank, values.length), run: run.run }] });
    });
  }
}

/** The attention probabilities of one head over the prompt. */
export class AttentionView {
  #columns; #layer; #head;

  constructor(root, layer, head) {
    [this.#layer, this.#head] = [layer, head];
    this.#columns = new Columns(root, run => {
      const map = figure(`${run}-attention`, `${title(run)}: what each token attends to`);
      return { root: map.root, map };
    });
  }

  async update(runs) {
    const columns = this.#columns.for(runs);
    await Promise.all(runs.map(async (run, at) => {
      const { map } = columns[at];
      try {
        const view = await ask('/api/attention', { run: run.run, layer: Number(this.#layer.value), head: Number(this.#head.value) });
        heat(map, `Attention of layer ${view.layer}, head ${view.head}, step ${view.step}`, view.cells, { largest: 1, labels: view.queries, columnLabels: view.keys, rowName: 'token' });
        map.root.dataset.step = view.step;
      } catch (error) {
        map.say(error.message);
      }
    }));
  }
}

/** The tensors that the last step saved, one of them as a heat map. */
export class TensorView {
  #columns; #chosen = {};

  constructor(root) {
    this.#columns = new Columns(root, run => {
      const list = h('div', { class: 'scroll', tabindex: 0, 'aria-label': `${title(run)}: saved tensors` }), facts = h('p', { class: 'facts', id: `${run}-tensor-facts` });
      const map = figure(`${run}-tensor`, `${title(run)}: a saved tensor`);
      map.say('Choose a tensor of the list.');
      return { root: h('div', { class: `card ${run}` }, list, facts, map.root), list, facts, map };
    });
  }

  async update(runs) {
    const columns = this.#columns.for(runs);
    for (const [at, run] of runs.entries()) {
      const { list, facts, map } = columns[at];
      if (run.state === 'training' || run.step === 0) {
        list.replaceChildren(h('p', { class: 'quiet' }, run.step === 0 ? 'No step has been taken yet.' : 'The run is training.'));
        continue;
      }
      try {
        const found = await ask('/api/tensors', { run: run.run });
        facts.replaceChildren(`${found.tensors.length} tensors, ${bytes(found.bytes)} in step ${found.step}`);
        list.replaceChildren(h('table', { class: 'tensors' }, h('caption', { class: 'hidden' }, 'Saved tensors'),
          h('thead', {}, h('tr', {}, ['tensor', 'module', 'shape', 'bytes', 'why'].map(text => h('th', { scope: 'col' }, text)))),
          h('tbody', {}, found.tensors.map(tensor => h('tr', {},
            h('th', { scope: 'row' }, !tensor.drawn ? tensor.name : h('button', {
              type: 'button', 'data-tensor': tensor.index, 'aria-label': `Look at ${tensor.name} of ${tensor.module}`,
              click: () => this.#look(run.run, tensor, map),
            }, tensor.name)),
            h('td', {}, tensor.module), h('td', { class: 'whole' }, tensor.shape.join(' × ')),
            h('td', { class: 'number whole' }, bytes(tensor.bytes)), h('td', {}, tensor.reason))))));
        if (this.#chosen[run.run]) {
          const again = found.tensors.find(tensor => tensor.module === this.#chosen[run.run].module && tensor.name === this.#chosen[run.run].name);
          if (again) {
            await this.#look(run.run, again, map);
          }
        }
      } catch (error) {
        list.replaceChildren(h('p', { class: 'quiet' }, error.message));
      }
    }
  }

  async #look(run, tensor, map) {
    this.#chosen[run] = tensor;
    try {
      const view = await ask('/api/tensor', { run, index: tensor.index });
      heat(map, `${tensor.name} of ${tensor.module}`, view.cells, { rowName: 'rows, block', columnName: 'last axis, block' });
      map.readout.textContent = `${tensor.name} of ${tensor.module}: from ${short(view.min)} to ${short(view.max)}, mean ${short(view.mean)}, root mean square ${short(view.rms)}`;
    } catch (error) {
      map.say(error.message);
    }
  }
}

/** The continuations of the prompt, first and last beside each other, those between folded away. */
export class TextView {
  #columns;

  constructor(root) {
    this.#columns = new Columns(root, run => {
      const body = h('div', { id: `${run}-texts` });
      return { root: h('div', { class: `card ${run}` }, h('h3', {}, title(run)), body), body, shown: '' };
    });
  }

  update(runs) {
    this.#columns.for(runs).forEach((column, at) => {
      const run = runs[at], key = `${run.id}/${run.evaluations.length}`;
      if (column.shown === key || run.evaluations.length === 0) {
        return;
      }
      column.shown = key;
      const open = column.body.querySelector('details')?.open, entry = evaluation => [h('p', { class: 'quiet' }, evaluation.step === 0 ? 'before training' : `after step ${evaluation.step}`),
        h('pre', { class: 'text', 'data-step': evaluation.step }, evaluation.text.trim() || '(nothing)')];
      const between = run.evaluations.slice(1, -1).reverse();
      column.body.replaceChildren(h('pre', { class: 'text' }, run.prompt.trim()), ...entry(run.evaluations[0]),
        ...(run.evaluations.length > 1 ? entry(run.evaluations.at(-1)) : []),
        ...(between.length ? [h('details', { open: open ?? false, 'aria-label': `${title(run.run)}: continuations in between` }, h('summary', {}, `${between.length} in between`), ...between.flatMap(entry))] : []));
    });
  }
}
