// Schedules, with their next occurrences in their own zones.
import { get, path, send } from './api.js';
import { confirm } from './dialog.js';
import { h, update } from './dom.js';
import { number, plural, span, time, until } from './format.js';
import { keepLive, lastEventId } from './live.js';
import { badge, empty, jsonInline, link, panel } from './parts.js';
import { actionName, spoken } from './words.js';

const NEXT = 5;
const changes = { gap: 'the clock leaps over it: later by the gap', overlap: 'the clock shows it twice: the first' };
const overlaps = { skip: 'is skipped', queue: 'waits for it', allow: 'starts beside it' };

/** A local time as it stands on the wall there: "Sun 29 Mar 2026, 03:30 (+02:00)". */
function wall(local) {
  const [, date, clock, zone] = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::[\d.]+)?(Z|[+-]\d\d:\d\d)$/.exec(local) ?? [];
  if (!date) return local;
  const day = new Intl.DateTimeFormat('en-GB', {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
  }).format(new Date(`${date}T00:00:00Z`));
  return `${day}, ${clock} (${zone === 'Z' ? 'UTC' : zone})`;
}

const occurrence = (o, i) =>
  h(
    'li',
    { 'data-key': o.at },
    h('span', {}, wall(o.local)),
    ' ',
    h(
      'span',
      { class: 'note' },
      i === 0 ? until(o.at) : null,
      o.clockChange && ` · ${changes[o.clockChange] ?? o.clockChange}`,
    ),
  );

function orders(schedule, done) {
  const p = (...text) => h('p', {}, text);
  const at = (...rest) => path(['schedules', schedule.id, ...rest]);
  const button = (name, question) =>
    h(
      'button',
      {
        type: 'button',
        'data-key': name,
        on: {
          click: async () => {
            if ((await confirm({ title: `${name} “${schedule.name}”`, ...question })) !== undefined) done();
          },
        },
      },
      `${name} …`,
    );
  return [
    button('Run now', {
      yes: 'Run now',
      body: p('Starts its campaign once, now, beside what the recurrence starts.'),
      act: () => send('POST', at('run')),
    }),
    schedule.state === 'paused'
      ? button('Resume', {
          yes: 'Resume',
          body: p('Its next occurrence starts a campaign again.'),
          act: () => send('POST', at('resume')),
        })
      : button('Pause', {
          yes: 'Pause',
          body: p('Starts no further campaign until somebody resumes it. Campaigns that run go on.'),
          act: () => send('POST', at('pause')),
        }),
    button('Delete', {
      yes: 'Delete',
      isGrave: true,
      body: p('Starts no further campaign, and is forgotten. Campaigns that it started stay.'),
      act: async () => {
        await send('DELETE', at());
        return true;
      },
    }),
  ];
}

function card(schedule, occurrences, done) {
  const { recurrence: r } = schedule;
  return h(
    'section',
    { class: 'panel', 'data-key': schedule.id },
    h(
      'div',
      { class: 'lane-head' },
      h('h2', {}, schedule.name),
      badge(schedule.state, spoken(schedule.state)[0].toUpperCase() + spoken(schedule.state).slice(1)),
    ),
    h(
      'p',
      {},
      jsonInline(r.cron ?? r.rrule),
      ` in ${r.timeZone ?? 'UTC'}`,
      r.from && [', from ', time(r.from)],
      r.until && [', until ', time(r.until)],
    ),
    h(
      'p',
      { class: 'note' },
      `${actionName(schedule.campaign.action)} · while the last one runs, the next ${overlaps[schedule.overlap] ?? schedule.overlap}`,
      schedule.catchUpSeconds > 0 && ` · a missed one starts up to ${span(schedule.catchUpSeconds * 1000)} late`,
    ),
    schedule.lastAt &&
      h(
        'p',
        { class: 'note' },
        'Last ',
        time(schedule.lastAt),
        schedule.lastCampaignId && [
          ', ',
          h('a', { href: link(['campaigns', schedule.lastCampaignId]) }, 'its campaign'),
        ],
        `. So far ${
          Object.entries(schedule.occurrences)
            .filter(([, n]) => n > 0)
            .map(([kind, n]) => `${number(n)} ${spoken(kind)}`)
            .join(', ') || 'none'
        }.`,
      ),
    schedule.queuedAt &&
      h('p', {}, 'The occurrence of ', time(schedule.queuedAt), ' waits until the one before has ended.'),
    schedule.state === 'paused' ? h('p', { class: 'tone-warn' }, 'Paused: none of these starts a campaign.') : null,
    h('h3', {}, occurrences.length > 0 ? `Next ${plural(occurrences.length, 'occurrence')}` : 'No further occurrence'),
    h('ol', { class: 'occurrences' }, occurrences.map(occurrence)),
    h(
      'div',
      { class: 'buttons' },
      orders(schedule, done),
      h('a', { class: 'button', href: link(['campaigns'], { schedule: schedule.id }) }, 'Its campaigns'),
    ),
  );
}

export async function show(root, { params, signal }) {
  const after = await lastEventId(signal);
  async function refresh() {
    const page = await get(path(['schedules'], { limit: 20, cursor: params.get('cursor') }), signal);
    const next = await Promise.all(
      page.value.map((s) =>
        get(path(['schedules', s.id, 'occurrences'], { count: NEXT }), signal).then((o) => o.value),
      ),
    );
    const cursor = page.nextLink && new URL(page.nextLink, location.origin).searchParams.get('cursor');
    update(
      root,
      h(
        'div',
        { class: 'head' },
        h('h1', {}, 'Schedules'),
        h('a', { class: 'button primary', href: '#/new/schedules' }, 'New schedule'),
      ),
      page.value.length > 0
        ? h(
            'div',
            { class: 'cards' },
            page.value.map((s, i) => card(s, next[i], refresh)),
          )
        : panel('Schedules', {}, empty('No schedule yet.')),
      h('div', { class: 'pager' }, cursor && h('a', { href: link(['schedules'], { cursor }) }, 'More')),
    );
  }
  await refresh();
  keepLive({ after, refresh, signal });
  return 'Schedules';
}
