// The card of one run: its settings, what it does now, and its exports.
import { bytes, h, short } from './dom.js';
import { download, post } from './api.js';

const SizeNames = { r: 'Rank r', init_r: 'Initial rank', num_virtual_tokens: 'Virtual tokens', num_vectors: 'Vectors in the bank', n_frequency: 'Frequencies', num_trained_layers: 'Trained layers' };

/** Makes the card of a run. */
export class RunCard {
  #name; #lab; #say; #seed; #fields = {}; #run = null; #busy = false; #close;

  constructor(name, lab, seed, say, close) {
    [this.#name, this.#lab, this.#seed, this.#say, this.#close] = [name, lab, seed, say, close];
    this.root = this.#build();
    this.#methodChanged();
    this.update(null);
  }

  /** The settings of the form, as the lab reads them. */
  get settings() {
    const { method, size, alpha, rate, batch, every, steps, prompt, targets } = this.#fields, chosen = this.#method;
    const number = field => field.value === '' ? null : Number(field.value);
    return {
      method: method.value,
      size: chosen.size_field ? number(size) : null,
      alpha: chosen.alpha !== undefined ? number(alpha) : null,
      targets: chosen.targets ? targets.filter(box => box.checked).map(box => box.value) : [],
      learning_rate: number(rate), batch_size: number(batch), seed: Number(this.#seed.value), eval_steps: number(every),
      prompt: prompt.value,
    };
  }

  /** Shows the state of the run; null if there is none. */
  update(run) {
    this.#run = run;
    const { train, pause, step, facts, hint, kind, save, problem } = this.#fields, training = run?.state === 'training';
    train.disabled = training || this.#busy;
    step.disabled = training || this.#busy;
    pause.disabled = !training;
    kind.disabled = save.disabled = !run || training;
    const last = run?.records.at(-1), evaluation = run?.evaluations.at(-1);
    problem.textContent = run?.problem ?? '';
    hint.textContent = !run ? 'Train sets the model up first.' : this.#isNew ? 'The settings have changed: Train and Step once start a new run.' : '';
    facts.replaceChildren(...(!run ? [] : [
      fact('state', run.state), fact('step', String(run.step)), fact('loss', last ? short(last.loss) : '–'),
      fact('held-out', evaluation ? short(evaluation.held) : '–'), fact('peak', last ? `${bytes(last.peak)} of ${bytes(run.plan)} planned` : `${bytes(run.plan)} planned`),
      fact('parameters', run.summary.replace(/\|\|.*$/, '').replace('trainable params: ', '').trim()),
    ]));
  }

  /** Trains some steps, in a new run if there is none with these settings. */
  async train(steps) {
    this.#busy = true;
    this.update(this.#run);
    try {
      if (this.#isNew) {
        this.#say(`Setting up run ${this.#name.toUpperCase()}…`);
        await post('/api/create', { run: this.#name, settings: this.settings });
      }
      await post('/api/train', { run: this.#name, steps });
      this.#say(steps === 1 ? `Run ${this.#name.toUpperCase()} takes one step.` : `Run ${this.#name.toUpperCase()} trains ${steps} steps.`);
    } catch (error) {
      this.#say(error.message, true);
    } finally {
      this.#busy = false;
      this.update(this.#run);
    }
  }

  get #method() {
    return this.#lab.methods.find(each => each.name === this.#fields.method.value);
  }

  /** Whether the form has other settings than the run. */
  get #isNew() {
    if (!this.#run || this.#run.state === 'failed') {
      return true;
    }
    const now = this.settings, then = this.#run.settings;
    return Object.keys(now).some(name => name === 'prompt' ? now.prompt !== (then.prompt ?? this.#lab.prompts[0])
      : JSON.stringify(now[name]) !== JSON.stringify(then[name]));
  }

  #build() {
    const fields = this.#fields, usual = this.#lab.defaults, id = name => `${this.#name}-${name}`;
    const changed = () => this.update(this.#run);
    const input = (name, label, attributes) => {
      fields[name] = h('input', { id: id(name), type: 'number', input: changed, ...attributes });
      return h('label', {}, h('span', { id: id(`${name}-label`) }, label), fields[name]);
    };
    fields.method = h('select', { id: id('method'), change: () => this.#methodChanged() },
      this.#lab.methods.map(method => h('option', { value: method.name, selected: method.name === usual.method }, method.name)));
    fields.targets = this.#lab.targets.map(name => h('input', { type: 'checkbox', id: id(`target-${name}`), value: name, change: changed, checked: true }));
    fields.targetSet = h('fieldset', {}, h('legend', {}, 'Adapted modules (none: the method’s own choice)'),
      h('div', { class: 'row' }, fields.targets.map(box => h('label', { class: 'inline' }, box, box.value))));
    fields.prompt = h('textarea', { id: id('prompt'), maxlength: 400, rows: 2, input: changed });
    fields.prompt.value = this.#lab.prompts[0];
    fields.train = h('button', { type: 'submit', class: 'main', id: id('train') }, 'Train');
    fields.pause = h('button', { type: 'button', id: id('pause'), click: () => this.#pause() }, 'Pause');
    fields.step = h('button', { type: 'button', id: id('step'), click: () => this.train(1) }, 'Step once');
    fields.kind = h('select', { id: id('kind'), 'aria-label': 'What to export' },
      h('option', { value: 'adapter' }, 'adapter (zip)'), h('option', { value: 'settings' }, 'settings of peftcore train'), h('option', { value: 'lesson' }, 'lesson: a C# program'));
    fields.save = h('button', { type: 'button', id: id('export'), click: () => this.#export() }, 'Export');
    fields.facts = h('p', { class: 'facts', id: id('facts') });
    fields.hint = h('p', { class: 'quiet', id: id('hint') });
    fields.problem = h('p', { class: 'problem', id: id('problem'), role: 'alert' });
    const form = h('form', {
      submit: event => {
        event.preventDefault();
        this.train(Number(fields.steps.value));
      },
    },
    h('div', { class: 'row' }, h('label', {}, 'Method', fields.method),
      input('size', 'Rank r', { min: 1, max: this.#lab.max_size, step: 1 }), input('alpha', 'α', { min: 0.001, max: 4096, step: 'any' }),
      input('rate', 'Learning rate', { min: 1e-8, max: 1e6, step: 'any', value: usual.learning_rate, required: true })),
    fields.targetSet,
    h('details', { 'aria-label': `More settings of run ${this.#name.toUpperCase()}` }, h('summary', {}, 'Batch, measurements, prompt'),
      h('div', { class: 'row' }, input('batch', 'Rows of a batch', { min: 1, max: 32, step: 1, value: usual.batch_size, required: true }),
        input('every', 'Measure every … steps', { min: 1, max: 1000, step: 1, value: usual.eval_steps, required: true })),
      h('label', { class: 'wide' }, 'Prompt to continue', fields.prompt)),
    h('div', { class: 'row' }, input('steps', 'Steps', { min: 1, max: this.#lab.max_steps, step: 1, value: 100, required: true }), fields.train, fields.pause, fields.step),
    h('div', { class: 'row' }, fields.kind, fields.save,
      this.#name === 'b' ? h('button', { type: 'button', id: id('close'), click: () => this.#close() }, 'Remove run B') : null));
    return h('div', { class: `card ${this.#name}`, id: `run-${this.#name}` }, h('h3', {}, `Run ${this.#name.toUpperCase()}`), form, fields.hint, fields.problem, fields.facts);
  }

  #methodChanged() {
    const method = this.#method, { size, alpha, targetSet } = this.#fields;
    size.closest('label').hidden = !method.size_field;
    size.value = method.size_field ? Math.min(method.size, this.#lab.max_size) : '';
    size.title = method.size_help ?? '';
    size.closest('label').firstChild.textContent = SizeNames[method.size_field] ?? 'Size';
    alpha.closest('label').hidden = method.alpha === undefined;
    alpha.value = method.alpha ?? '';
    alpha.title = method.alpha_help ?? '';
    targetSet.hidden = !method.targets;
    this.update(this.#run);
  }

  async #pause() {
    try {
      await post('/api/train', { run: this.#name, steps: 0 });
      this.#say(`Run ${this.#name.toUpperCase()} pauses.`);
    } catch (error) {
      this.#say(error.message, true);
    }
  }

  async #export() {
    try {
      this.#say(`${await download({ run: this.#name, kind: this.#fields.kind.value })} is downloaded.`);
    } catch (error) {
      this.#say(error.message, true);
    }
  }
}

function fact(name, value) {
  return h('span', { 'data-fact': name }, `${name} `, h('b', {}, value));
}
