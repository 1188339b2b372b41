// Line charts and heat maps as SVG. Every drawn number is an attribute of its element too, and in a table beside the figure.
import { h, s, short, table } from './dom.js';

const Width = 420, Height = 230, Left = 52, Right = 12, Top = 10, Bottom = 30;

/** A figure with a caption, a place for the drawing, and a button that shows the same numbers as a table. */
export function figure(id, title) {
  const drawing = h('div', { class: 'drawing' }), numbers = h('div', { class: 'scroll', hidden: true, id: `${id}-table`, tabindex: 0 });
  const readout = h('output', { 'aria-live': 'off' });
  const toggle = h('button', {
    type: 'button', 'aria-expanded': 'false', 'aria-controls': `${id}-table`,
    click: () => {
      const open = numbers.hidden;
      numbers.hidden = !open;
      toggle.setAttribute('aria-expanded', String(open));
    },
  }, 'Table');
  const root = h('figure', { id }, h('figcaption', {}, h('span', { id: `${id}-title` }, title), toggle), drawing, readout, numbers);
  return {
    root, readout,
    draw(svg, header, rows, legend) {
      drawing.replaceChildren(svg, ...(legend ? [legend] : []));
      numbers.replaceChildren(table(title, header, rows));
    },
    say(text) {
      drawing.replaceChildren(h('p', { class: 'quiet' }, text));
      numbers.replaceChildren(h('p', { class: 'quiet' }, text));
    },
  };
}

/** Draws series over steps. A series has name, run ("a" or "b"), points [[step, value]], and may be thick, dashed or dotted. Ticks are
 * round in a unit. */
export function lines(figure, title, series, { format = short, zero = false, unit = 1 } = {}) {
  const shown = series.filter(each => each.points.length > 0);
  if (shown.length === 0) {
    figure.say('Nothing to show yet: press Train.');
    return;
  }
  const xs = shown.flatMap(each => each.points.map(point => point[0]));
  const ys = shown.flatMap(each => each.points.map(point => point[1])).filter(Number.isFinite);
  const xTicks = ticks(Math.min(...xs), Math.max(Math.max(...xs), Math.min(...xs) + 1), 5).filter(Number.isInteger);
  const yTicks = ticks((zero ? Math.min(0, ...ys) : Math.min(...ys)) / unit, Math.max(...ys) / unit, 4).map(tick => tick * unit);
  const x = scale(Math.min(...xs), Math.max(Math.max(...xs), Math.min(...xs) + 1), Left, Width - Right);
  const y = scale(Math.min(yTicks[0], ...ys), Math.max(yTicks.at(-1), ...ys), Height - Bottom, Top);
  const last = shown.map(each => `${each.name} ${format(each.points.at(-1)[1])} at step ${each.points.at(-1)[0]}`).join('; ');
  const svg = s('svg', { viewBox: `0 0 ${Width} ${Height}`, role: 'img', 'aria-label': `${title}. ${last}`, tabindex: 0 });
  for (const tick of yTicks) {
    svg.append(s('line', { class: 'grid-line', x1: Left, x2: Width - Right, y1: y(tick), y2: y(tick) }),
      s('text', { x: Left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, format(tick)));
  }
  for (const tick of xTicks) {
    svg.append(s('text', { x: x(tick), y: Height - 10, 'text-anchor': 'middle' }, String(tick)));
  }
  svg.append(s('line', { class: 'axis', x1: Left, x2: Width - Right, y1: Height - Bottom, y2: Height - Bottom }));
  for (const each of shown) {
    const style = `${each.run} ${each.thick ? 'thick' : ''} ${each.dashed ? 'dashed' : ''}`;
    const path = each.points.map((point, at) => `${at ? 'L' : 'M'}${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`).join('');
    svg.append(s('path', {
      class: `line ${style}`, d: path, 'data-series': each.name, 'data-points': each.points.length,
      'data-last-step': each.points.at(-1)[0], 'data-last': each.points.at(-1)[1],
    }));
    if (each.dots || each.points.length === 1) {
      each.points.forEach(point => svg.append(s('circle', { class: `dot ${each.run}`, cx: x(point[0]), cy: y(point[1]), r: 3 })));
    }
  }
  readable(svg, figure.readout, shown, x, format);
  figure.draw(svg, ['step', ...shown.map(each => each.name)], rowsOf(shown, format), legendOf(shown));
}

/** A cursor that follows the pointer or the arrow keys and reads the values of a step. */
function readable(svg, readout, shown, x, format) {
  const steps = [...new Set(shown.flatMap(each => each.points.map(point => point[0])))].sort((one, other) => one - other);
  const cursor = s('line', { class: 'cursor', y1: Top, y2: Height - Bottom, visibility: 'hidden' });
  let at = steps.length - 1;
  svg.append(cursor);
  const show = index => {
    at = Math.max(0, Math.min(steps.length - 1, index));
    const step = steps[at];
    cursor.setAttribute('x1', x(step));
    cursor.setAttribute('x2', x(step));
    cursor.setAttribute('visibility', 'visible');
    readout.textContent = `step ${step}: ` + shown.map(each => [each, each.points.find(point => point[0] === step)])
      .filter(([, point]) => point).map(([each, point]) => `${each.name} ${format(point[1])}`).join(', ');
  };
  svg.addEventListener('pointermove', event => {
    const box = svg.getBoundingClientRect(), place = (event.clientX - box.left) / box.width * Width;
    show(steps.reduce((best, step, index) => Math.abs(x(step) - place) < Math.abs(x(steps[best]) - place) ? index : best, 0));
  });
  svg.addEventListener('keydown', event => {
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 };
    if (event.key in moves) {
      event.preventDefault();
      show(moves[event.key]);
    }
  });
}

function rowsOf(shown, format) {
  const steps = [...new Set(shown.flatMap(each => each.points.map(point => point[0])))].sort((one, other) => other - one);
  return steps.slice(0, 200).map(step => [step, ...shown.map(each => {
    const point = each.points.find(pair => pair[0] === step);
    return point ? format(point[1]) : '';
  })]);
}

function legendOf(shown) {
  return h('ul', { class: 'legend', 'aria-hidden': 'true' }, shown.map(each => h('li', {},
    s('svg', { viewBox: '0 0 26 8' }, s('path', { class: `line ${each.run} ${each.thick ? 'thick' : ''} ${each.dashed ? 'dashed' : ''}`, d: 'M0 4L26 4' })),
    each.name)));
}

/** Bars of named values, a group for each name and a bar for each run; with a logarithmic scale, zeros are drawn empty. */
export function bars(figure, title, names, series, { log = false, marks = [] } = {}) {
  const values = series.flatMap(each => each.values), top = Math.max(...values, 1e-12);
  const bottom = log ? Math.log10(top) - 8 : 0, from = log ? bottom : 0, to = log ? Math.log10(top) : top;
  const y = scale(from, to, Height - Bottom, Top);
  const place = value => log ? y(Math.max(bottom, Math.log10(Math.max(value, 1e-300)))) : y(value);
  const step = (Width - Left - Right) / names.length, width = Math.max(1.5, step * 0.8 / series.length);
  const svg = s('svg', {
    viewBox: `0 0 ${Width} ${Height}`, role: 'img',
    'aria-label': `${title}. ${series.map(each => `${each.name}: largest ${short(Math.max(...each.values))}`).join('; ')}`,
  });
  const yTicks = log ? [0, 2, 4, 6, 8].map(down => Math.floor(to) - down).filter(tick => tick >= bottom) : ticks(0, top, 4);
  for (const tick of yTicks) {
    svg.append(s('line', { class: 'grid-line', x1: Left, x2: Width - Right, y1: y(tick), y2: y(tick) }),
      s('text', { x: Left - 6, y: y(tick) + 4, 'text-anchor': 'end' }, log ? `1e${tick}` : short(tick)));
  }
  const every = Math.ceil(names.length / 8);
  names.forEach((name, at) => {
    if (at % every === 0) {
      svg.append(s('text', { x: Left + step * (at + 0.5), y: Height - 10, 'text-anchor': 'middle' }, name));
    }
  });
  series.forEach((each, run) => each.values.forEach((value, at) => {
    const end = place(value);
    svg.append(s('rect', {
      class: `bar ${each.run}`, x: Left + step * at + step * 0.1 + width * run, y: end, width, height: Math.max(0, Height - Bottom - end),
      'data-value': value, 'data-name': names[at], 'data-run': each.run,
    }, s('title', {}, `${each.name}, ${names[at]}: ${short(value)}`)));
  }));
  for (const mark of marks) {
    const at = Left + step * mark.at;
    svg.append(s('line', { class: `line dashed ${mark.run}`, x1: at, x2: at, y1: Top, y2: Height - Bottom }));
  }
  svg.append(s('line', { class: 'axis', x1: Left, x2: Width - Right, y1: Height - Bottom, y2: Height - Bottom }));
  figure.draw(svg, ['', ...series.map(each => each.name)], names.map((name, at) => [name, ...series.map(each => each.values[at] ?? '')]));
}

/** A heat map of values from 0 to a largest one. Labels may name rows and columns. */
export function heat(figure, title, cells, { largest, rowName = 'row', columnName = 'column', labels = null, columnLabels = labels } = {}) {
  const top = largest || Math.max(...cells.flat(), 1e-30), rows = cells.length, columns = cells[0].length;
  const left = labels ? 84 : 4, width = Width - left - 4, cell = width / columns, height = labels ? cell : Math.min(cell, 260 / rows);
  const svg = s('svg', {
    viewBox: `0 0 ${Width} ${rows * height + 8}`, role: 'img',
    'aria-label': `${title}: ${rows} by ${columns} cells, the largest ${short(Math.max(...cells.flat()))}`,
  }, s('rect', { class: 'frame', x: left, y: 4, width, height: rows * height }));
  const nameOf = (at, kind, texts) => texts ? texts[at] : `${kind} ${at}`;
  cells.forEach((row, i) => {
    if (labels) {
      const label = s('text', { x: left - 6, y: 4 + height * (i + 0.8), 'text-anchor': 'end' }, labels[i].trim().slice(0, 12));
      label.style.fontSize = `${Math.min(11, height)}px`;
      svg.append(label);
    }
    row.forEach((value, j) => svg.append(s('rect', {
      class: 'cell', x: (left + j * cell).toFixed(2), y: (4 + i * height).toFixed(2), width: cell.toFixed(2), height: height.toFixed(2),
      'fill-opacity': Math.min(1, value / top).toFixed(3), 'data-row': i, 'data-column': j, 'data-value': value,
    })));
  });
  svg.addEventListener('pointermove', event => {
    const { row, column, value } = event.target.dataset;
    if (value !== undefined) {
      figure.readout.textContent = `${nameOf(row, rowName, labels)} → ${nameOf(column, columnName, columnLabels)}: ${short(Number(value))}`;
    }
  });
  figure.draw(svg, [rowName, ...cells[0].map((_, at) => columnLabels ? columnLabels[at] : String(at))],
    cells.map((row, at) => [nameOf(at, rowName, labels), ...row]));
}

function scale(from, to, start, end) {
  return value => start + (value - from) / (to - from || 1) * (end - start);
}

/** Round numbers that span a range. */
function ticks(from, to, count) {
  const span = to - from || Math.abs(to) || 1, rough = span / count, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].find(each => each * power >= rough) * power, all = [];
  for (let at = Math.floor(from / size); at * size <= to + size * 0.999; at++) {
    all.push(Number((at * size).toPrecision(12)));
  }
  return all;
}
