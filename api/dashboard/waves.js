// Waves as lanes, one below the other, each with the gate that stands before the next.
import { h } from './dom.js';
import { devices, number, percent, plural, span, timeUntil } from './format.js';
import { icon } from './icons.js';
import { badge, countsBar, finals } from './parts.js';
import { waveState } from './words.js';

function condition(isMet, isLost, ...text) {
  const state = isMet ? 'good' : isLost ? 'bad' : 'waiting';
  return h(
    'li',
    { class: `gate-${state}` },
    icon(state),
    h('span', { class: 'hidden' }, isMet ? 'met: ' : isLost ? 'not met: ' : 'open: '),
    h('span', {}, text),
  );
}

const asksFor = (wave) => wave.gate.approval === 'each' || (wave.gate.approval === 'afterFirst' && wave.index === 0);

function gate(wave) {
  const { gate: g, counts } = wave;
  const judged = counts.succeeded + counts.failed,
    isPassed = wave.state === 'passed';
  const isOver = finals(counts) === wave.size;
  const conditions = [condition(isPassed || (wave.size !== null && isOver), false, 'all of it ended')];
  if (g.minSuccessPercent > 0) {
    const good = counts.succeeded - wave.relapsed; // what came back and went again counts as failed here
    const isMet = judged > 0 && good * 100 >= g.minSuccessPercent * judged;
    conditions.push(
      condition(
        isMet && (isOver || isPassed),
        wave.state === 'failed' && !isMet,
        `${g.minSuccessPercent} % proven`,
        judged > 0 && ` (${percent(good, judged)} now)`,
      ),
    );
  }
  if (g.soakSeconds > 0)
    conditions.push(
      condition(
        isPassed,
        false,
        `${span(g.soakSeconds * 1000)} of soak`,
        wave.state === 'soaking' && g.soaksUntil && [', until ', timeUntil(g.soaksUntil)],
      ),
    );
  if (asksFor(wave)) conditions.push(condition(g.isApproved, false, g.isApproved ? 'approved' : 'an approval'));
  if (g.isOverridden) conditions.push(condition(true, false, 'overridden by a person'));
  return h('div', { class: 'gate' }, h('span', { class: 'gate-name' }, 'Gate'), h('ul', {}, conditions));
}

function lane(wave, isLast) {
  return h(
    'li',
    { class: `lane lane-${wave.state}`, 'data-key': `wave-${wave.index}` },
    h(
      'div',
      { class: 'lane-head' },
      h('h3', {}, `${wave.index + 1}`, wave.name && [' · ', wave.name]),
      badge(wave.state, waveState[wave.state] ?? wave.state),
      h(
        'span',
        { class: 'note' },
        wave.size === null ? 'size not known yet' : `${number(finals(wave.counts))} of ${devices(wave.size)} ended`,
        wave.counts.failed > 0 && `, ${number(wave.counts.failed)} failed`,
        wave.relapsed > 0 && `, ${number(wave.relapsed)} relapsed`,
      ),
    ),
    countsBar(wave.counts, `Wave ${wave.index + 1}`),
    !isLast && gate(wave),
  );
}

export function waves(campaign) {
  const list = campaign.waves;
  return [
    h(
      'p',
      { class: 'note' },
      list.length === 1
        ? 'One wave of all devices.'
        : `${plural(list.length, 'wave')}; each opens when the gate of the one before has passed.`,
    ),
    h(
      'ol',
      { class: 'lanes' },
      list.map((wave, i) => lane(wave, i === list.length - 1)),
    ),
  ];
}
