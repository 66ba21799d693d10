// A shape for each state, so that colour never says anything alone.
import { s } from './dom.js';

const disc = (kind, ...marks) => [s('circle', { cx: 8, cy: 8, r: 7, class: kind }), ...marks];
const line = (d) => s('path', { d, class: 'mark' });
const stroke = (d) => s('path', { d, class: 'stroke' });
const shapes = {
  check: () => disc('fill', line('m4.8 8.2 2.2 2.3 4.3-4.8')),
  cross: () => [s('path', { d: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z', class: 'fill' }), line('m5.5 5.5 5 5m0-5-5 5')],
  question: () => [
    s('path', { d: 'M8 .8 15.5 14.500H.5z', class: 'fill' }),
    line('M6.3 7.200c0-2.3 3.5-2.2 3.5 0 0 1.3-1.7 1.4-1.7 2.7'),
    s('circle', { cx: 8.1, cy: 12, r: 0.9, class: 'dot' }),
  ],
  half: () => [
    s('circle', { cx: 8, cy: 8, r: 6.2, class: 'stroke' }),
    s('path', { d: 'M8 3.500a4.5 4.5 0 0 1 0 9z', class: 'fill' }),
  ],
  arrow: () => disc('fill', line('M4.5 8h6.500M8.2 5l3 3-3 3')),
  ring: () => [s('circle', { cx: 8, cy: 8, r: 6, class: 'stroke' })],
  dash: () => [s('rect', { x: 2, y: 2, width: 12, height: 12, rx: 2, class: 'stroke' }), stroke('M5 8h6')],
  slash: () => [s('circle', { cx: 8, cy: 8, r: 6, class: 'stroke' }), stroke('m4 12 8-8')],
  play: () => disc('fill', s('path', { d: 'M6.3 4.800v6.400L11.3 8z', class: 'dot' })),
  pause: () => disc('fill', line('M6.3 5.300v5.400M9.7 5.300v5.4')),
  hand: () => [
    s('rect', { x: 1, y: 1, width: 14, height: 14, rx: 3, class: 'fill' }),
    line('M8 4v5'),
    s('circle', { cx: 8, cy: 11.7, r: 1, class: 'dot' }),
  ],
  clock: () => [s('circle', { cx: 8, cy: 8, r: 6.2, class: 'stroke' }), stroke('M8 4.500V8l2.5 1.5')],
  search: () => [s('circle', { cx: 7, cy: 7, r: 4.5, class: 'stroke' }), stroke('m10.5 10.5 4 4')],
  lock: () => [
    s('rect', { x: 3, y: 7, width: 10, height: 7, rx: 1.5, class: 'fill' }),
    stroke('M5.3 7V4.700a2.7 2.7 0 0 1 5.4 0V7'),
  ],
  drop: () => [stroke('M8 2v8M5 7l3 3 3-3M3 13h10')],
};

const icons = {
  succeeded: ['check', 'ok'],
  failed: ['cross', 'bad'],
  doubtful: ['question', 'warn'],
  awaitingProof: ['half', 'info'],
  invoking: ['arrow', 'info'],
  waiting: ['ring', 'calm'],
  skipped: ['dash', 'calm'],
  cancelled: ['slash', 'calm'],
  scheduled: ['clock', 'calm'],
  selecting: ['search', 'info'],
  awaitingApproval: ['hand', 'warn'],
  running: ['play', 'info'],
  paused: ['pause', 'warn'],
  cancelling: ['slash', 'warn'],
  completed: ['check', 'ok'],
  pending: ['lock', 'calm'],
  open: ['play', 'info'],
  soaking: ['clock', 'info'],
  passed: ['check', 'ok'],
  active: ['play', 'info'],
  ended: ['check', 'calm'],
  throttled: ['pause', 'warn'],
  quota: ['pause', 'warn'],
  down: ['cross', 'bad'],
  unauthorised: ['cross', 'bad'],
  starting: ['clock', 'calm'],
  ambiguousAnswers: ['question', 'warn'],
  called: ['arrow', 'info'],
  answered: ['ring', 'calm'],
  evidence: ['search', 'info'],
  lock: ['lock', 'calm'],
  idle: ['check', 'ok'],
  sending: ['arrow', 'info'],
  failing: ['pause', 'warn'],
  good: ['check', 'ok'],
  bad: ['cross', 'bad'],
};

/** The picture of a state; says nothing to screen readers, since its name stands beside it. */
export function icon(state) {
  const [shape, tone] = icons[state] ?? ['ring', 'calm'];
  return s(
    'svg',
    { viewBox: '0 0 16 16', class: `icon ${tone}`, 'aria-hidden': 'true', focusable: 'false' },
    shapes[shape](),
  );
}
