// Small helpers to make elements. Texts are set as texts, never as HTML.

const SvgNamespace = 'http://www.w3.org/2000/svg';

/** An HTML element with attributes and children; a function is an event handler, false leaves an attribute out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An SVG element. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SvgNamespace, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name, value);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? '' : value);
    }
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined));
  return element;
}

/** A number for people: four digits that count. */
export function short(value) {
  if (!Number.isFinite(value)) {
    return 'none';
  }
  if (value === 0) {
    return '0';
  }
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** Bytes for people. */
export function bytes(value) {
  for (const [unit, size] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
    if (Math.abs(value) >= size) {
      return `${short(value / size)} ${unit}`;
    }
  }
  return `${value} B`;
}

/** A table of a header and rows; cells that are numbers are aligned to the right. */
export function table(caption, header, rows) {
  const cell = (name, value, scope) => h(name, { class: typeof value === 'number' ? 'number' : false, scope },
    value instanceof Node ? value : typeof value === 'number' ? short(value) : String(value));
  return h('table', {}, h('caption', { class: 'hidden' }, caption),
    h('thead', {}, h('tr', {}, header.map(text => cell('th', text, 'col')))),
    h('tbody', {}, rows.map(row => h('tr', {}, row.map((value, at) => at === 0 ? cell('th', value, 'row') : cell('td', value))))));
}
