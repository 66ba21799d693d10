// One campaign: how far it is, why the rest waits, its waves, groups and failures, kept live.
import { campaignPath, get } from './api.js';
import { h, say, update } from './dom.js';
import { ago, number, percent, plural, span, time, until } from './format.js';
import { groupMap } from './groups.js';
import { icon } from './icons.js';
import { keepLive, lastEventId } from './live.js';
import { campaignOrders } from './orders.js';
import { planLine, planTable } from './preview.js';
import { plot } from './plot.js';
import { badge, countsBar, countsLegend, empty, finals, isOut, json, link, panel, stateWords } from './parts.js';
import { eventLine, eventsBefore, showEvents } from './events.js';
import { showTargets } from './targets.js';
import { waves } from './waves.js';
import { readWhy, whyList } from './why.js';
import { actionName, campaignState, isFinal, meaningOf, nameOf, reason } from './words.js';

const GROUPS_PAGE = 1000;
const ACTIVITY = 12;
const SIDE_EVERY_MS = 2500; // groups and reasons, which cost more than the counts

const tabs = [
  ['', 'Overview'],
  ['targets', 'Devices'],
  ['events', 'Events'],
  ['spec', 'Spec'],
];

/** Why there is no forecast. */
const noForecast = (c) =>
  ({ paused: 'none in a pause', awaitingApproval: 'a person decides', cancelling: 'when what is out has settled' })[
    c.state
  ] ?? 'no forecast yet';

function figures(c) {
  const figure = (name, value, note, tone) =>
    h(
      'div',
      { class: `figure ${tone ?? ''}` },
      h('dt', {}, name),
      h('dd', {}, value, note && h('span', { class: 'note' }, note)),
    );
  const n = c.counts;
  return h(
    'dl',
    { class: 'figures', 'data-revision': c.revision },
    figure('Ended', `${c.progressPercent} %`, `${number(finals(n))} of ${number(n.total)}`),
    figure(
      'Proven',
      number(n.succeeded),
      n.succeeded + n.failed > 0 && [
        `${percent(n.succeeded, n.succeeded + n.failed)} of those called`,
        c.relapsed > 0 && h('span', { class: 'tone-bad' }, `, ${number(c.relapsed)} relapsed`),
      ],
    ),
    figure(
      'Failed',
      number(n.failed),
      n.failed > 0 &&
        Object.entries(c.failedBy)
          .sort((a, b) => b[1] - a[1])
          .slice(0, 2)
          .map(([k, v]) => `${number(v)} ${nameOf(reason, k).toLowerCase()}`)
          .join(', '),
      n.failed > 0 && 'tone-bad',
    ),
    figure('Acting now', number(isOut(n)), n.doubtful > 0 ? `${number(n.doubtful)} in doubt` : null),
    figure('Waiting', number(n.waiting)),
    c.finishedAt
      ? figure('Took', span(Date.parse(c.finishedAt) - Date.parse(c.startedAt ?? c.createdAt)), [
          'ended ',
          ago(c.finishedAt),
        ])
      : figure(
          'Predicted finish',
          c.predictedFinishAt ? time(c.predictedFinishAt) : '–',
          c.predictedFinishAt ? until(c.predictedFinishAt) : noForecast(c),
        ),
  );
}

function stateLine(c) {
  return h(
    'p',
    { class: 'state-line' },
    badge(c.state, nameOf(campaignState, c.state)),
    ' ',
    h('span', {}, stateWords(c)),
    h(
      'span',
      { class: 'note' },
      actionName(c.action),
      ' · made by ',
      c.createdBy ?? '–',
      ' ',
      ago(c.createdAt),
      c.retryOf && [' · retry of ', h('a', { href: link(['campaigns', c.retryOf]) }, 'an earlier one')],
      c.scheduleId && [' · by ', h('a', { href: link(['schedules']) }, 'a schedule')],
    ),
  );
}

function failures(c) {
  const all = [
    ...Object.entries(c.failedBy).map(([k, n]) => ['failed', k, n]),
    ...Object.entries(c.skippedBy).map(([k, n]) => ['skipped', k, n]),
  ];
  if (all.length === 0) return empty('Nothing has failed or been left out.');
  const most = Math.max(...all.map(([, , n]) => n));
  return h(
    'ul',
    { class: 'reasons' },
    all
      .sort((a, b) => (a[0] === b[0] ? b[2] - a[2] : a[0] === 'failed' ? -1 : 1))
      .map(([state, kind, n]) =>
        h(
          'li',
          { 'data-key': kind },
          icon(state),
          h(
            'div',
            {},
            h('a', { href: link(['campaigns', c.id, 'targets'], { reason: kind }) }, nameOf(reason, kind)),
            ' ',
            h('b', { 'data-reason': kind }, number(n)),
            h('span', { class: `meter fill-${state}`, style: { width: `${Math.max(1, (n * 100) / most)}%` } }),
            h('div', { class: 'note' }, meaningOf(reason, kind)),
          ),
        ),
      ),
  );
}

const perDevice = new Intl.NumberFormat('en-GB', { maximumFractionDigits: 1 });

function cost({ cost: c }) {
  return h(
    'p',
    {},
    h('b', {}, `about ${plural(c.messages, 'message')}`),
    c.messagesPerDevice !== null && ` (${perDevice.format(c.messagesPerDevice)} a device)`,
    `: ${plural(c.calls, 'call')}, ${plural(c.queryPages, 'query page')}, ${plural(c.pointReads, 'twin read')}.`,
  );
}

export async function show(root, { id, tab, params, signal }) {
  const base = campaignPath(id);
  const after = await lastEventId(signal); // first: what changes from now on is told
  let campaign = await get(base, signal),
    progress = null,
    plan = null,
    drawPlot = null,
    groups = [],
    groupsNext = null,
    groupPages = 1,
    why = null,
    sideAt = -Infinity;
  const activity = [];

  async function readGroups() {
    groups = [];
    groupsNext = campaignPath(id, 'groups') + `?limit=${GROUPS_PAGE}`;
    for (let i = 0; i < groupPages && groupsNext; i++) {
      const page = await get(groupsNext, signal);
      groups.push(...page.value);
      groupsNext = page.nextLink ?? null;
    }
  }
  async function readSide() {
    if (campaign.rollout?.group) await readGroups();
    [progress, plan] = await Promise.all([
      get(campaignPath(id, 'progress'), signal),
      get(campaignPath(id, 'plan'), signal),
    ]);
    why = isFinal(campaign) ? null : await readWhy(campaign, groups, signal);
    sideAt = performance.now();
  }

  function overview() {
    const c = campaign;
    return [
      !isFinal(c) &&
        c.counts.waiting > 0 &&
        why &&
        panel(
          'Why the rest waits',
          { class: 'panel why', 'data-key': 'why' },
          h('ul', { class: 'sentences' }, whyList(c, why)),
        ),
      h(
        'div',
        { class: 'column', 'data-key': 'main' },
        panel('Waves', { 'data-key': 'waves' }, waves(c)),
        panel('States over time', { 'data-key': 'progress' }, h('div', { 'data-own': true, 'data-key': 'plot' })),
        plan?.plan && panel('Plan against actual', { 'data-key': 'plan' }, planTable(plan)),
      ),
      h(
        'div',
        { class: 'column', 'data-key': 'side' },
        panel('Failures and omissions', { 'data-key': 'failures' }, failures(c)),
        c.rollout?.group &&
          panel(
            'Groups',
            { 'data-key': 'groups' },
            groups.length > 0
              ? groupMap(c, groups, Boolean(groupsNext), async () => {
                  groupPages++;
                  await readGroups();
                  draw();
                })
              : empty('The groups are not known yet.'),
          ),
        panel(
          'Latest events',
          { 'data-key': 'activity' },
          activity.length > 0
            ? h(
                'ol',
                { class: 'events' },
                activity.map((e) => eventLine(e, id)),
              )
            : empty('No event is kept of this campaign.'),
          h('p', {}, h('a', { href: link(['campaigns', id, 'events']) }, 'All events')),
        ),
        panel('What it has cost its hubs', { 'data-key': 'cost' }, cost(c)),
      ),
    ];
  }
  const body = {
    '': overview,
    targets: () => h('div', { 'data-own': true, 'data-key': 'targets', class: 'own' }),
    events: () => h('div', { 'data-own': true, 'data-key': 'events', class: 'own' }),
    spec: () => panel('Spec, with its defaults', { 'data-key': 'spec' }, json(specOf(campaign))),
  };
  function draw() {
    const c = campaign;
    update(
      root,
      h('p', { class: 'crumbs' }, h('a', { href: '#/' }, 'Campaigns')),
      h('div', { class: 'head' }, h('h1', {}, c.name), h('div', { class: 'buttons' }, campaignOrders(c, refresh))),
      stateLine(c),
      figures(c),
      countsBar(c.counts, 'All devices'),
      countsLegend(c.counts, (state) => link(['campaigns', id, 'targets'], { state })),
      h(
        'nav',
        { class: 'tabs', 'aria-label': 'Campaign' },
        tabs.map(([name, text]) =>
          h(
            'a',
            {
              href: link(name ? ['campaigns', id, name] : ['campaigns', id]),
              'aria-current': name === tab ? 'page' : null,
              'data-key': name || 'overview',
            },
            text,
          ),
        ),
      ),
      h('div', { class: `tab tab-${tab || 'overview'}` }, body[tab]()),
    );
    const place = root.querySelector('[data-key=plot]');
    if (place && progress) (drawPlot ??= plot(place))(progress.value, planLine(plan));
  }

  async function refresh() {
    const before = campaign.state;
    campaign = await get(base, signal);
    const rest = sideAt + SIDE_EVERY_MS - performance.now();
    if (tab === '' && rest <= 0) await readSide();
    if (campaign.state !== before) say(`${campaign.name}: ${nameOf(campaignState, campaign.state)}`);
    draw();
    await own?.refresh(campaign);
    return tab === '' && rest > 0 ? rest : 0; // once more for the side
  }
  function onEvent(event) {
    activity.unshift(event);
    activity.length = Math.min(activity.length, ACTIVITY);
    own?.onEvent?.(event);
  }

  draw();
  if (tab === '') {
    const [recent] = await Promise.all([eventsBefore(id, after + 1, ACTIVITY, signal), readSide()]);
    activity.push(...recent.events);
    draw();
  }
  const place = root.querySelector('.own');
  const own =
    tab === 'targets'
      ? await showTargets(place, id, campaign, params, signal)
      : tab === 'events'
        ? await showEvents(place, id, after, signal)
        : null;
  keepLive({ campaign: id, after, refresh, onEvent, signal });
  return campaign.name;
}

const members = [
  'name',
  'hubs',
  'action',
  'targets',
  'rollout',
  'schedule',
  'retry',
  'offline',
  'verify',
  'precheck',
  'abort',
];
const specOf = (c) => Object.fromEntries(members.filter((m) => m in c).map((m) => [m, c[m]]));
