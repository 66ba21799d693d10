// States over time: stacked areas, drawn from the service's own record, with the plan as a line over them.
import { h, s, update } from './dom.js';
import { moment, number } from './format.js';
import { icon } from './icons.js';

const layers = [
  // from the bottom up
  ['succeeded', 'Proven', (c) => c.succeeded],
  ['failed', 'Failed', (c) => c.failed],
  ['skipped', 'Skipped or cancelled', (c) => c.skipped + c.cancelled],
  ['awaitingProof', 'Acting', (c) => c.invoking + c.doubtful + c.awaitingProof],
  ['waiting', 'Waiting', (c) => c.waiting],
];
const HEIGHT = 220,
  LEFT = 44,
  RIGHT = 10,
  TOP = 8,
  BOTTOM = 24;

function stripes(id, kind, angle) {
  return s(
    'pattern',
    { id, width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: `rotate(${angle})` },
    s('rect', { width: 6, height: 6, class: `area-${kind}` }),
    s('rect', { width: 2, height: 6, class: 'stripe' }),
  );
}

function ticks(from, to, width) {
  const steps = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000,
  ];
  const most = Math.max(2, Math.floor(width / 110));
  const step = (steps.find((t) => (to - from) / 1000 / t <= most) ?? 2592000) * 1000;
  const zone = new Date(from).getTimezoneOffset() * 60000,
    list = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) list.push(at);
  return { list, withSeconds: step < 60000 };
}

/** plan: [{at, ended}], instants and how many should have ended by then; may be empty. */
function picture(buckets, plan, width, pointed) {
  const from = Date.parse(buckets[0].from);
  const to = Math.max(Date.parse(buckets.at(-1).until), from + 1000, ...plan.map((p) => p.at));
  const total = Math.max(1, ...buckets.map((b) => b.counts.total));
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - RIGHT);
  const y = (n) => TOP + (1 - n / total) * (HEIGHT - TOP - BOTTOM);
  const points = buckets.map((b) => ({ x: x(Date.parse(b.until)), counts: b.counts }));
  points.unshift({ ...points[0], x: x(from) });
  const floor = points.map(() => 0);
  const areas = layers.map(([kind, , pick]) => {
    const below = [...floor];
    points.forEach((p, i) => {
      floor[i] += pick(p.counts);
    });
    const edge = (list) => list.map((n, i) => `${points[i].x.toFixed(1)},${y(n).toFixed(1)}`);
    return s('polygon', {
      points: [...edge(floor), ...edge(below).reverse()].join(' '),
      class: `area-${kind}`,
      fill: { failed: 'url(#stripes-failed)', awaitingProof: 'url(#stripes-acting)' }[kind],
    });
  });
  const { list, withSeconds } = ticks(from, to, width);
  return s(
    'svg',
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      class: 'plot',
      role: 'img',
      'aria-label': 'States over time; the table below says the same',
    },
    s('defs', {}, stripes('stripes-failed', 'failed', 45), stripes('stripes-acting', 'awaitingProof', -45)),
    areas,
    [0, 0.5, 1].map((part) => [
      s('line', { x1: LEFT, x2: width - RIGHT, y1: y(part * total), y2: y(part * total), class: 'rule' }),
      s(
        'text',
        { x: LEFT - 6, y: y(part * total) + 4, class: 'axis', 'text-anchor': 'end' },
        number(Math.round(part * total)),
      ),
    ]),
    list.map((at) => [
      s('line', { x1: x(at), x2: x(at), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4, class: 'rule' }),
      s(
        'text',
        x(at) > width - 40 // half of the widest there is
          ? { x: width, y: HEIGHT - 6, class: 'axis', 'text-anchor': 'end' }
          : { x: x(at), y: HEIGHT - 6, class: 'axis', 'text-anchor': 'middle' },
        moment(at, withSeconds),
      ),
    ]),
    plan.length > 1 &&
      s('polyline', {
        points: plan.map((p) => `${x(p.at).toFixed(1)},${y(p.ended).toFixed(1)}`).join(' '),
        class: 'plan',
      }),
    pointed !== null &&
      s('line', {
        x1: x(Date.parse(buckets[pointed].until)),
        x2: x(Date.parse(buckets[pointed].until)),
        y1: TOP,
        y2: HEIGHT - BOTTOM,
        class: 'pointer',
      }),
  );
}

const words = (bucket) =>
  layers
    .filter(([, , pick]) => pick(bucket.counts) > 0)
    .map(([, text, pick]) => `${number(pick(bucket.counts))} ${text.toLowerCase()}`)
    .join(', ');

function asTable(buckets) {
  const step = Math.ceil(buckets.length / 12);
  const shown = buckets.filter((_, i) => (buckets.length - 1 - i) % step === 0);
  return h(
    'details',
    {},
    h('summary', {}, 'As a table'),
    h(
      'div',
      { class: 'table-box', tabindex: '0', role: 'region', 'aria-label': 'States over time' },
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Until'),
            layers.map(([, text]) => h('th', { scope: 'col', class: 'num' }, text)),
          ),
        ),
        h(
          'tbody',
          {},
          shown.map((b) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, moment(Date.parse(b.until), true)),
              layers.map(([, , pick]) => h('td', { class: 'num' }, number(pick(b.counts)))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** A plot that lives in root; gives draw(buckets, plan). */
export function plot(root) {
  let buckets = [],
    plan = [],
    pointed = null;
  const box = h('div', {
    class: 'plot-box',
    on: {
      pointermove(event) {
        const rect = box.getBoundingClientRect(),
          part = (event.clientX - rect.left - LEFT) / (rect.width - LEFT - RIGHT);
        const from = Date.parse(buckets[0].from),
          to = Math.max(Date.parse(buckets.at(-1).until), ...plan.map((p) => p.at));
        const at = from + part * (to - from),
          found = buckets.findIndex((b) => Date.parse(b.until) >= at);
        pointed = found < 0 ? buckets.length - 1 : found;
        draw();
      },
      pointerleave() {
        pointed = null;
        draw();
      },
    },
  });
  const line = h('p', { class: 'note readout' }),
    legend = h('ul', { class: 'legend' }),
    table = h('div', {});
  root.replaceChildren(box, line, legend, table);
  new ResizeObserver(() => draw()).observe(box);
  function draw() {
    if (buckets.length === 0) return;
    pointed = pointed === null ? null : Math.min(pointed, buckets.length - 1);
    update(box, picture(buckets, plan, Math.max(260, Math.round(box.clientWidth || 600)), pointed));
    const b = buckets[pointed ?? buckets.length - 1];
    line.textContent = `${moment(Date.parse(b.until), true)}: ${words(b)}`;
    update(
      legend,
      layers
        .filter(([, , pick]) => buckets.some((e) => pick(e.counts) > 0))
        .map(([kind, text]) => h('li', { 'data-key': kind }, icon(kind), text)),
      plan.length > 1 &&
        h(
          'li',
          { 'data-key': 'plan' },
          h('span', { class: 'plan-key', 'aria-hidden': 'true' }),
          'Planned to have ended',
        ),
    );
    update(table, asTable(buckets));
  }
  return (newBuckets, newPlan = []) => {
    buckets = newBuckets;
    plan = newPlan;
    draw();
  };
}
