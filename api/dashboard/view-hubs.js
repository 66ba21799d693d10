// The hubs: whether they take calls, and how much of their quota is used.
import { get, path } from './api.js';
import { h, update } from './dom.js';
import { ago, number, percent, plural, since, span, timeUntil } from './format.js';
import { keepLive, lastEventId } from './live.js';
import { badge, empty } from './parts.js';
import { hubState, meaningOf, nameOf } from './words.js';

const row = (name, ...value) => [h('dt', {}, name), h('dd', {}, value)];

function quota(hub) {
  const { messagesToday: used, messagesPerDay: all } = hub.quota;
  if (all === null) return h('p', {}, `${number(used)} messages today, no daily limit`);
  const part = Math.min(100, (used * 100) / all);
  return h(
    'div',
    {},
    h(
      'p',
      {},
      h('b', {}, percent(used, all)),
      ` of the daily quota: ${number(used)} of ${number(all)} messages, as we estimate`,
    ),
    h(
      'div',
      { class: 'bar', role: 'img', 'aria-label': `${percent(used, all)} of the daily quota used` },
      h('span', {
        class: part >= 90 ? 'fill-failed' : part >= 70 ? 'fill-doubtful' : 'fill-awaitingProof',
        style: { 'flex-basis': `${part}%` },
      }),
    ),
  );
}

function card(hub) {
  return h(
    'section',
    { class: 'panel', 'data-key': hub.name },
    h(
      'div',
      { class: 'lane-head' },
      h('h2', {}, hub.name),
      badge(hub.state, nameOf(hubState, hub.state)),
      h(
        'span',
        { class: 'note' },
        hub.sku === 'none' ? 'no pacing but what the hub teaches' : `${hub.sku} × ${hub.units}`,
        hub.reservePercent > 0 && `, ${hub.reservePercent} % left to others`,
      ),
    ),
    hub.state !== 'open' &&
      h(
        'p',
        {},
        `It ${meaningOf(hubState, hub.state)}, for `,
        since(hub.stateSince),
        hub.stateUntil && ['; until ', timeUntil(hub.stateUntil)],
        '.',
      ),
    quota(hub),
    h(
      'dl',
      { class: 'details' },
      row('Calls a minute', hub.quota.callsPerMinute === null ? 'no limit' : number(hub.quota.callsPerMinute)),
      hub.inUse.callsPerMinute !== hub.quota.callsPerMinute &&
        row(
          'Pace just now',
          `${number(hub.inUse.callsPerMinute)} calls a minute: it asked for less, or holds calls back`,
        ),
      row('Out now', `${plural(hub.inUse.inFlight, 'call')}, ${number(hub.inUse.queued)} queued`),
      row('Proofs awaited', number(hub.inUse.watched)),
      row(
        'Since the start',
        `${plural(hub.sinceStart.calls, 'call')}, ${plural(hub.sinceStart.pages, 'query page')}, `,
        `${plural(hub.sinceStart.reads, 'twin read')}; ${number(hub.sinceStart.throttled)} throttled`,
      ),
      row(
        'Throttled',
        hub.throttledSince
          ? ['for ', since(hub.throttledSince)]
          : hub.throttledAt
            ? ['last ', ago(hub.throttledAt)]
            : 'not yet',
      ),
      row('Query results', hub.queryLagMs === null ? 'none seen yet' : `up to ${span(hub.queryLagMs)} old`),
      row(
        'Its clock',
        Math.abs(hub.clockOffsetMs) < 1000
          ? 'agrees with ours'
          : `is ${span(Math.abs(hub.clockOffsetMs))} ${hub.clockOffsetMs > 0 ? 'ahead' : 'behind'}`,
      ),
      hub.lastError && row('Last error', hub.lastError, ' (', ago(hub.lastErrorAt), ')'),
    ),
  );
}

export async function show(root, { signal }) {
  const after = await lastEventId(signal);
  async function refresh() {
    const { value } = await get(path(['hubs']), signal);
    update(
      root,
      h('div', { class: 'head' }, h('h1', {}, 'Hubs')),
      value.length > 0 ? h('div', { class: 'cards' }, value.map(card)) : empty('No hub is configured.'),
    );
  }
  await refresh();
  keepLive({ after, refresh, signal });
  return 'Hubs';
}
