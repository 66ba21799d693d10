// Events as lines, newest first, and a campaign's whole record in pages.
import { get, path } from './api.js';
import { h, update } from './dom.js';
import { time } from './format.js';
import { icon } from './icons.js';
import { empty, link, panel } from './parts.js';
import { campaignState, nameOf, reason, spoken, targetState, waveState } from './words.js';

const SHOWN_MAX = 500;

function words(event) {
  const { type, from, to } = event;
  if (type === 'target')
    return [
      nameOf(targetState, to),
      event.reason && ` (${nameOf(reason, event.reason).toLowerCase()})`,
      from && h('span', { class: 'note' }, ` · was ${nameOf(targetState, from).toLowerCase()}`),
    ];
  const by = event.by && ` by ${event.by}`;
  if (type === 'campaign')
    return [
      'Campaign ',
      event.created ? 'made' : to ? nameOf(campaignState, to).toLowerCase() : 'changed',
      by,
      event.stateReason && `: ${event.stateReason}`,
    ];
  if (type === 'wave')
    return [
      `Wave ${event.wave + 1}`,
      event.name && ` “${event.name}”`,
      ` ${nameOf(waveState, event.stage).toLowerCase()}`,
      by,
    ];
  if (type === 'schedule') return ['Schedule: ', spoken(event.change ?? 'changed'), by];
  return [spoken(type), event.hub && ` ${event.hub}`, ` ${spoken(event.state ?? to ?? '')}`];
}

export const eventLine = (event, campaignId) =>
  h(
    'li',
    { 'data-key': `e-${event.id}`, 'data-id': event.id },
    time(event.at, true),
    icon(event.to ?? event.stage ?? event.state ?? 'evidence'),
    h(
      'span',
      {},
      event.deviceId && [
        h('a', { href: link(['campaigns', campaignId, 'targets', event.deviceId]) }, event.deviceId),
        ' ',
      ],
      words(event),
    ),
  );

/** The newest n of a campaign's events with ids below before, newest first, and whether older ones are kept. Ids of other
 * campaigns lie between, many or few: the reach is widened until it holds enough, and halved where it holds more than a
 * page. */
export async function eventsBefore(campaignId, before, n, signal) {
  const limit = 4 * n;
  let reach = limit,
    few = before - 1, // behind this id there are too few
    many = null; // behind this one too many
  for (;;) {
    const after = many === null ? Math.max(0, before - 1 - reach) : Math.floor((few + many) / 2);
    const page = await get(path(['campaigns', campaignId, 'events'], { after, limit }), signal);
    const events = page.value.filter((e) => e.id < before);
    const isAll = after + 1 <= page.firstKeptId || after === 0;
    if (events.length === limit && after + 1 < few) many = after;
    else if (events.length >= n || isAll || few - after <= 1)
      return { events: events.reverse().slice(0, n), hasMore: !isAll || events.length > n };
    else {
      few = after;
      reach *= 16;
    }
  }
}

/** All events, from the newest back, growing as they come; older ones in steps. */
export async function showEvents(root, campaignId, last, signal) {
  const step = 100;
  let events = [],
    hasMore = true;

  async function readBack() {
    const older = await eventsBefore(campaignId, events.at(-1)?.id ?? last + 1, step, signal);
    events = [...events, ...older.events];
    hasMore = older.hasMore;
  }
  await readBack();

  function draw() {
    update(
      root,
      panel(
        'Events, the newest first',
        {},
        events.length > 0
          ? h(
              'ol',
              { class: 'events' },
              events.map((e) => eventLine(e, campaignId)),
            )
          : empty('No event is kept of this campaign.'),
        hasMore &&
          h(
            'p',
            {},
            h(
              'button',
              {
                type: 'button',
                on: {
                  click: async () => {
                    await readBack();
                    draw();
                  },
                },
              },
              'Show older events',
            ),
          ),
      ),
    );
  }
  draw();
  return {
    onEvent(event) {
      events.unshift(event);
      if (events.length > SHOWN_MAX) {
        // older ones can be asked for again
        events.length = SHOWN_MAX;
        hasMore = true;
      }
    },
    refresh: draw,
  };
}
