// All campaigns: those that need a person first, then the newest.
import { get, path } from './api.js';
import { h, update } from './dom.js';
import { ago, number, plural, timeUntil } from './format.js';
import { keepLive, lastEventId } from './live.js';
import { badge, countsBar, empty, finals, isOut, link, stateWords, table } from './parts.js';
import { LIVE_STATES, actionName, campaignState, isFinal, nameOf } from './words.js';

const PAGE = 25;

function name(c) {
  return h(
    'div',
    { class: 'name-cell' },
    h('a', { href: link(['campaigns', c.id]) }, c.name),
    h('div', { class: 'note' }, actionName(c.action), ' · by ', c.createdBy ?? '–', ' ', ago(c.createdAt)),
  );
}

function state(c) {
  return h(
    'div',
    {},
    badge(c.state, nameOf(campaignState, c.state)),
    !isFinal(c) && h('div', { class: 'note' }, stateWords(c)),
  );
}

function progress(c) {
  const { counts } = c;
  if (c.state === 'scheduled')
    return h('div', {}, c.schedule?.startAt ? ['Starts ', timeUntil(c.schedule.startAt)] : 'Starts later');
  if (c.state === 'selecting') return h('div', {}, `${plural(c.selected ?? 0, 'device')} found so far`);
  return h(
    'div',
    { class: 'progress-cell' },
    countsBar(counts, 'Progress'),
    h(
      'div',
      { class: 'note', 'data-revision': c.revision },
      h('b', {}, `${c.progressPercent} %`),
      ` · ${number(counts.succeeded)} of ${number(counts.total)} proven`,
      counts.failed > 0 && h('span', { class: 'tone-bad' }, ` · ${number(counts.failed)} failed`),
      isOut(counts) > 0 && ` · ${number(isOut(counts))} acting`,
      finals(counts) < counts.total && ` · ${number(counts.waiting)} waiting`,
    ),
  );
}

function finish(c) {
  if (c.finishedAt) return h('span', { class: 'note' }, 'ended ', ago(c.finishedAt));
  return c.predictedFinishAt ? h('span', {}, timeUntil(c.predictedFinishAt)) : h('span', { class: 'note' }, '–');
}

const columns = [
  { name: 'Campaign', cell: name },
  { name: 'State', cell: state },
  { name: 'Progress', cell: progress, kind: 'wide' },
  { name: 'Finish', cell: finish },
];
const list = (caption, rows) => table(caption, columns, rows, (c) => c.id);

const filters = [
  ['', 'All'],
  ...LIVE_STATES.map((s) => [s, nameOf(campaignState, s)]),
  ['completed', 'Completed'],
  ['cancelled', 'Cancelled'],
  ['failed', 'Failed'],
];

export async function show(root, { params, signal }) {
  const chosen = params.get('state'),
    cursor = params.get('cursor'),
    schedule = params.get('schedule');
  const after = await lastEventId(signal);

  async function refresh() {
    const isFirst = !cursor && !chosen && !schedule;
    const [page, paused, asking] = await Promise.all([
      get(path(['campaigns'], { state: chosen, schedule, limit: PAGE, cursor }), signal),
      isFirst ? get(path(['campaigns'], { state: 'paused', limit: PAGE }), signal) : { value: [] },
      isFirst ? get(path(['campaigns'], { state: 'awaitingApproval', limit: PAGE }), signal) : { value: [] },
    ]);
    const needed = [...asking.value, ...paused.value];
    const rest = page.value.filter((c) => !needed.some((n) => n.id === c.id));
    const next = page.nextLink && new URL(page.nextLink, location.origin).searchParams.get('cursor');
    update(
      root,
      h(
        'div',
        { class: 'head' },
        h('h1', {}, schedule ? 'Campaigns of a schedule' : 'Campaigns'),
        h('a', { class: 'button primary', href: '#/new' }, 'New campaign'),
      ),
      h(
        'nav',
        { class: 'chips', 'aria-label': 'State' },
        filters.map(([value, text]) =>
          h(
            'a',
            {
              href: link(['campaigns'], { state: value || null, schedule }),
              'aria-current': (value || null) === chosen ? 'true' : null,
              'data-key': value || 'all',
            },
            text,
          ),
        ),
      ),
      needed.length > 0 &&
        h(
          'section',
          { class: 'panel attention', 'data-key': 'needed' },
          h('h2', {}, needed.length === 1 ? 'One campaign needs a person' : `${needed.length} campaigns need a person`),
          list('Campaigns that need a person', needed),
        ),
      h(
        'section',
        { class: 'panel', 'data-key': 'rest' },
        h('h2', { class: needed.length > 0 ? '' : 'hidden' }, needed.length > 0 ? 'Others' : 'Campaigns'),
        rest.length > 0
          ? list('Campaigns, the newest first', rest)
          : empty(
              chosen
                ? 'No campaign is in this state.'
                : needed.length > 0
                  ? 'No other campaign.'
                  : 'No campaign yet. Make the first one.',
            ),
        h(
          'div',
          { class: 'pager' },
          cursor && h('a', { href: link(['campaigns'], { state: chosen, schedule }) }, 'Newest'),
          next && h('a', { href: link(['campaigns'], { state: chosen, schedule, cursor: next }) }, 'Older'),
        ),
      ),
    );
  }
  await refresh();
  keepLive({ after, refresh, signal });
  return 'Campaigns';
}
