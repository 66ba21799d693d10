// A campaign's devices in pages, with filters. Never more than one page is loaded, however many there are.
import { campaignPath, get, request } from './api.js';
import { h, update } from './dom.js';
import { ago, devices, number, until } from './format.js';
import { badge, empty, link, panel, table } from './parts.js';
import { TARGET_STATES, nameOf, reason, targetState, waitingFor, whyOne } from './words.js';

const PAGE = 50;
const FILTERS = ['state', 'reason', 'waitingFor', 'wave', 'group', 'hub', 'deviceId'];

function why(t) {
  if (t.state === 'waiting') return [whyOne(t.waitingFor), t.nextAt && [', ', until(t.nextAt)]];
  if (t.reason) return nameOf(reason, t.reason);
  return t.nextAt ? ['deadline ', until(t.nextAt)] : '';
}

const columns = (campaign) =>
  [
    {
      name: 'Device',
      cell: (t) =>
        h('a', { href: link(['campaigns', campaign.id, 'targets', t.deviceId], { hub: t.hub }) }, t.deviceId),
    },
    { name: 'State', cell: (t) => badge(t.state, nameOf(targetState, t.state)) },
    { name: 'Why', cell: why, kind: 'wide' },
    { name: 'Wave', cell: (t) => t.wave + 1, kind: 'num' },
    campaign.rollout?.group && { name: 'Group', cell: (t) => t.group ?? '–' },
    { name: 'Attempts', cell: (t) => number(t.attempt), kind: 'num' },
    { name: 'Answer', cell: (t) => t.methodStatus ?? '–', kind: 'num' },
    { name: 'Changed', cell: (t) => ago(t.changedAt) },
  ].filter(Boolean);

/** How many the filters find, where the campaign's counts tell. */
function known(c, params) {
  const set = FILTERS.filter((f) => params.has(f));
  if (set.length === 0) return c.counts.total;
  if (set.length > 1) return null;
  const value = params.get(set[0]);
  return (
    {
      state: c.counts[value],
      waitingFor: c.waitingBy[value] ?? 0,
      reason: c.failedBy[value] ?? c.skippedBy[value] ?? 0,
      wave: c.waves[value]?.size,
    }[set[0]] ?? null
  );
}

function filterForm(campaign, params) {
  const go = (form) => {
    const chosen = Object.fromEntries(FILTERS.map((f) => [f, form.elements[f]?.value || null]));
    if (params.get('group') === '' && chosen.group === null) chosen.group = '';
    location.hash = link(['campaigns', campaign.id, 'targets'], chosen).slice(1);
  };
  const pick = (name, text, options) =>
    h(
      'label',
      {},
      text,
      h(
        'select',
        { name, on: { change: (e) => go(e.target.form) } },
        h('option', { value: '' }, 'any'),
        options.map(([value, label]) => h('option', { value, selected: params.get(name) === String(value) }, label)),
      ),
    );
  const reasons = [
    ...new Set(
      [...Object.keys(campaign.failedBy), ...Object.keys(campaign.skippedBy), params.get('reason')].filter(Boolean),
    ),
  ];
  const waits = [...new Set([...Object.keys(campaign.waitingBy), params.get('waitingFor')].filter(Boolean))];
  return h(
    'form',
    {
      class: 'filters',
      role: 'search',
      'aria-label': 'Devices',
      on: {
        submit: (e) => {
          e.preventDefault();
          go(e.target);
        },
      },
    },
    pick(
      'state',
      'State',
      TARGET_STATES.map((v) => [v, nameOf(targetState, v)]),
    ),
    pick(
      'reason',
      'Reason',
      reasons.map((v) => [v, nameOf(reason, v)]),
    ),
    pick(
      'waitingFor',
      'Waits because',
      waits.map((v) => [v, nameOf(waitingFor, v)]),
    ),
    campaign.waves.length > 1 &&
      pick(
        'wave',
        'Wave',
        campaign.waves.map((w) => [w.index, w.name ? `${w.index + 1} · ${w.name}` : w.index + 1]),
      ),
    campaign.rollout?.group &&
      h('label', {}, 'Group', h('input', { name: 'group', value: params.get('group') ?? '', autocomplete: 'off' })),
    h(
      'label',
      {},
      'Device',
      h('input', {
        name: 'deviceId',
        value: params.get('deviceId') ?? '',
        autocomplete: 'off',
        placeholder: 'its whole id',
      }),
    ),
    h('button', { type: 'submit' }, 'Find'),
  );
}

/** Saves all that the filters find, as the service writes it. */
async function save(where, name) {
  const answer = await request('GET', where, { headers: { Accept: 'text/csv' } });
  const url = URL.createObjectURL(await answer.blob());
  h('a', { href: url, download: `${name}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export async function showTargets(root, id, campaign, params, signal) {
  const wanted = new URLSearchParams([
    ...FILTERS.filter((f) => params.has(f)).map((f) => [f, params.get(f)]),
    ['limit', PAGE],
  ]);
  const first = `${campaignPath(id, 'targets')}?${wanted}`;
  const all = new URLSearchParams([...wanted].filter(([name]) => name !== 'limit'));
  const before = []; // the pages that lead to this one
  let at = first,
    page,
    current = campaign;

  async function refresh(fresh) {
    current = fresh ?? current;
    page = await get(at, signal);
    draw();
  }
  const go = (where) => {
    at = where;
    return refresh();
  };
  function draw() {
    const n = known(current, params);
    update(
      root,
      panel(
        'Devices',
        {},
        filterForm(current, params),
        h(
          'p',
          { class: 'note', 'data-revision': page.revision },
          n === null ? `${number(page.value.length)} on this page` : devices(n),
          ', in the order in which they are called',
          before.length > 0 && `; page ${before.length + 1}`,
        ),
        page.value.length > 0
          ? table('Devices', columns(current), page.value, (t) => `${t.hub}/${t.deviceId}`)
          : empty(page.nextLink ? 'None on this page; there may be more on the next.' : 'No device is like that.'),
        h(
          'div',
          { class: 'pager' },
          before.length > 0 && h('button', { type: 'button', on: { click: () => go(before.pop()) } }, 'Previous'),
          page.nextLink &&
            h(
              'button',
              {
                type: 'button',
                on: {
                  click: () => {
                    before.push(at);
                    go(page.nextLink);
                  },
                },
              },
              'Next',
            ),
          page.value.length > 0 &&
            h(
              'button',
              {
                type: 'button',
                class: 'quiet',
                'data-key': 'csv',
                on: { click: () => save(`${campaignPath(id, 'targets')}?${all}`, id) },
              },
              'Save all as CSV',
            ),
        ),
      ),
    );
  }
  await refresh();
  return { refresh };
}
