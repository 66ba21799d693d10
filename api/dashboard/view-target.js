// One device in one campaign: its attempts and evidence on a time line.
import { campaignPath, get } from './api.js';
import { h, update } from './dom.js';
import { ago, time, timeUntil, took } from './format.js';
import { icon } from './icons.js';
import { keepLive, lastEventId } from './live.js';
import { targetOrders } from './orders.js';
import { badge, empty, jsonInline, link, panel } from './parts.js';
import { whoIsDown } from './why.js';
import { meaningOf, nameOf, reason, source, spoken, strength, targetState, whyOne } from './words.js';

const item = (at, key, kind, title, ...body) => ({
  at: Date.parse(at),
  node: h(
    'li',
    { class: `step step-${kind}`, 'data-key': key },
    icon(kind),
    h(
      'div',
      {},
      h('p', { class: 'step-head' }, h('b', {}, title), ' ', h('span', { class: 'note' }, time(at, true))),
      body,
    ),
  ),
});
const detail = (name, value) =>
  value !== null && value !== undefined && value !== false && [h('dt', {}, name), h('dd', {}, value)];

function attemptItems(a) {
  const id = `a-${a.call}`;
  const items = [
    a.calledAt &&
      item(
        a.calledAt,
        `${id}-call`,
        'called',
        a.number ? `Call ${a.call}, attempt ${a.number}` : `Call ${a.call}`,
        h(
          'dl',
          { class: 'details' },
          detail('attempt id', jsonInline(a.attemptId)),
          detail('by the hub’s clock', a.hubAt && time(a.hubAt, true)),
        ),
      ),
  ];
  if (a.endedAt) {
    const isGood = a.methodStatus >= 200 && a.methodStatus < 300;
    items.push(
      item(
        a.endedAt,
        `${id}-end`,
        isGood ? 'answered' : 'doubtful',
        a.methodStatus ? `The device answered ${a.methodStatus}` : `Ended: ${spoken(a.outcome ?? 'no answer')}`,
        h(
          'dl',
          { class: 'details' },
          detail('outcome', a.outcome && spoken(a.outcome)),
          detail('after', a.calledAt && took(Date.parse(a.endedAt) - Date.parse(a.calledAt))),
          detail('hub', a.hubCode ? `${a.httpStatus}, code ${a.hubCode}` : a.httpStatus),
          detail('payload', a.payload !== null && jsonInline(a.payload)),
          detail('tracking id', a.trackingId && jsonInline(a.trackingId)),
          a.number === null && detail('counted', 'no: it surely did not reach the device'),
        ),
      ),
    );
  }
  return items;
}

function evidenceItem(e, i) {
  const isProof = e.verdict === 'proven' || e.verdict === 'succeeded';
  const title = e.isBaseline
    ? 'Baseline: what its twin said before the first call'
    : e.verdict
      ? `Evidence: ${spoken(e.verdict)}`
      : 'Evidence';
  return item(
    e.at ?? e.hubAt,
    `e-${i}`,
    isProof ? 'succeeded' : 'evidence',
    title,
    h(
      'dl',
      { class: 'details' },
      detail('from', nameOf(source, e.source)),
      e.strength !== 'none' && detail('strength', nameOf(strength, e.strength)),
      detail('value', e.value !== null && jsonInline(e.value)),
      detail('last updated', e.lastUpdated && time(e.lastUpdated, true)),
      detail('answer’s time at the hub', e.hubAt && time(e.hubAt, true)),
      e.isLate && detail('late', 'it came after the end, so it changed nothing'),
    ),
  );
}

function lines(t) {
  const items = [
    ...t.attempts.flatMap(attemptItems),
    ...t.evidence.filter((e) => e.at ?? e.hubAt).map(evidenceItem),
  ].filter(Boolean);
  return items.sort((a, b) => a.at - b.at).map((i) => i.node);
}

const GROUPS_PAGE = 1000;

/** Finds the group of a target, page by page at first, then on its own page. */
function groupFinder(id, signal) {
  const first = `${campaignPath(id, 'groups')}?limit=${GROUPS_PAGE}`;
  let known = null;
  return async (t) => {
    for (let at = known ?? first; at; ) {
      const page = await get(at, signal);
      const found = page.value.find((g) => g.group === t.group && g.hub === t.hub);
      if (found) {
        known = at;
        return found;
      }
      at = page.nextLink;
    }
    return null;
  };
}

function stateText(t, id, group) {
  if (t.state === 'waiting' && group?.blockedBy.length > 0) return ['waits because ', whoIsDown(id, group)];
  if (t.state === 'waiting')
    return ['waits because ', whyOne(t.waitingFor), t.nextAt && [', until ', timeUntil(t.nextAt)]];
  if (t.reason) return [nameOf(reason, t.reason), '. ', meaningOf(reason, t.reason)];
  return [meaningOf(targetState, t.state), t.nextAt && [' Its deadline is ', timeUntil(t.nextAt), '.']];
}

export async function show(root, { id, device, params, signal }) {
  const hub = params.get('hub');
  const where = campaignPath(id, 'targets', device) + (hub ? `?hub=${encodeURIComponent(hub)}` : '');
  const after = await lastEventId(signal);
  const campaign = await get(campaignPath(id), signal);

  const groupOf = groupFinder(id, signal);

  async function refresh() {
    const t = await get(where, signal);
    const group = t.waitingFor === 'group' ? await groupOf(t) : null;
    update(
      root,
      h(
        'p',
        { class: 'crumbs' },
        h('a', { href: '#/' }, 'Campaigns'),
        ' / ',
        h('a', { href: link(['campaigns', id]) }, campaign.name),
        ' / ',
        h('a', { href: link(['campaigns', id, 'targets']) }, 'Devices'),
      ),
      h(
        'div',
        { class: 'head' },
        h('h1', {}, t.deviceId),
        h(
          'div',
          { class: 'buttons' },
          targetOrders(id, t, refresh),
          h('a', { class: 'button', href: link(['devices', t.deviceId]) }, 'Its history'),
        ),
      ),
      h(
        'p',
        { class: 'state-line' },
        badge(t.state, nameOf(targetState, t.state)),
        ' ',
        h('span', {}, stateText(t, id, group)),
        h('span', { class: 'note' }, 'changed ', ago(t.changedAt)),
      ),
      h(
        'dl',
        { class: 'figures' },
        [
          ['Hub', t.hub ?? '–'],
          ['Wave', t.wave + 1],
          ['Group', t.group ?? '–'],
          ['Attempts', t.attempt],
          ['Last answer', t.methodStatus ?? '–'],
        ].map(([name, value]) => h('div', { class: 'figure' }, h('dt', {}, name), h('dd', {}, value))),
      ),
      panel(
        'What happened',
        {},
        t.attempts.length + t.evidence.length > 0
          ? h('ol', { class: 'timeline' }, lines(t))
          : empty('It has not been called yet.'),
      ),
    );
  }
  await refresh();
  keepLive({ campaign: id, after, refresh, signal });
  return device;
}
