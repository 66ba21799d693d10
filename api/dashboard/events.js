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

/** All events, from the newest back, growing as they come; older ones in steps. */
export async function showEvents(root, campaignId, last, signal) {
  const step = 1000;
  let events = [],
    from = last + 1;

  async function readBack() {
    // ids of other campaigns lie between ours, so a step may hold few of ours
    const floor = Math.max(0, from - 1 - step);
    const page = await get(path(['campaigns', campaignId, 'events'], { after: floor, limit: step }), signal);
    events = [...events, ...page.value.filter((e) => e.id < from).reverse()];
    from = Math.max(floor + 1, page.firstKeptId ?? 0);
    if (floor + 1 < (page.firstKeptId ?? 0)) from = 0;
    return floor > 0 && from > 0;
  }
  let hasMore = true;
  for (let i = 0; i < 5 && hasMore && events.length < 50; i++) hasMore = await readBack();

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
                    hasMore = await readBack();
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
        from = events.at(-1).id;
        hasMore = true;
      }
    },
    refresh: draw,
  };
}
