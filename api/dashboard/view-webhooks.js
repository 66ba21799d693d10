// Who is told of campaigns and waves: how far each has been told, and what was given up.
import { Unreachable, get, path, send } from './api.js';
import { confirm } from './dialog.js';
import { h, update } from './dom.js';
import { ago, number, plural, since, time, timeUntil } from './format.js';
import { badge, empty, jsonInline, link, panel, table } from './parts.js';
import { nameOf, webhookState } from './words.js';

const AGAIN_MS = 5000; // no event tells of deliveries
const PAGE = 50;

const hooks = [
  { name: 'Webhook', cell: (w) => [h('b', {}, w.name), ' ', h('span', { class: 'note' }, w.host)] },
  {
    name: 'State',
    cell: (w) => [
      badge(w.state === 'waiting' ? 'failing' : w.state, nameOf(webhookState, w.state)),
      w.nextAt && [' again ', timeUntil(w.nextAt)],
    ],
  },
  { name: 'Waiting', cell: (w) => [number(w.queued), w.oldestAt && [', for ', since(w.oldestAt)]] },
  { name: 'Last delivery', cell: (w) => (w.deliveredAt ? ago(w.deliveredAt) : '–') },
  { name: 'Last error', kind: 'wide', cell: (w) => (w.lastError ? [w.lastError, ' (', ago(w.lastErrorAt), ')'] : '–') },
  {
    name: 'Given up',
    cell: (w) => (w.deadLetters > 0 ? h('a', { href: link(['webhooks'], { of: w.name }) }, number(w.deadLetters)) : '0'),
  },
];

const letters = [
  { name: 'Given up', cell: (l) => time(l.givenUpAt, true) },
  { name: 'What', cell: (l) => jsonInline(l.body.type) },
  {
    name: 'Campaign',
    cell: (l) => h('a', { href: link(['campaigns', l.body.data.campaignId]) }, l.body.data.campaignId),
  },
  { name: 'Attempts', cell: (l) => number(l.attempts) },
  { name: 'Error', kind: 'wide', cell: (l) => l.error },
];

function forget(hook, refresh) {
  const act = async () => (await send('DELETE', path(['webhooks', hook.name, 'dead-letters'])), true);
  const click = async () => {
    const body = h('p', {}, `${plural(hook.deadLetters, 'notification')} will not be listed any more, nor sent again.`);
    if (await confirm({ title: 'Forget what was given up', yes: 'Forget', isGrave: true, body, act })) refresh();
  };
  return h('button', { type: 'button', 'data-key': 'forget', on: { click } }, 'Forget them …');
}

export async function show(root, { params, signal }) {
  const of = params.get('of');
  async function refresh() {
    const { value } = await get(path(['webhooks']), signal);
    const hook = value.find((w) => w.name === of);
    const page =
      hook &&
      (await get(path(['webhooks', of, 'dead-letters'], { limit: PAGE, cursor: params.get('cursor') }), signal));
    const next = page?.nextLink && new URL(page.nextLink, location.origin).searchParams.get('cursor');
    update(
      root,
      h('div', { class: 'head' }, h('h1', {}, 'Webhooks')),
      value.length > 0
        ? panel('Who is told', {}, table('Webhooks', hooks, value, (w) => w.name))
        : empty('No webhook is configured.'),
      page &&
        panel(
          `Given up: ${of}`,
          { 'data-key': 'letters' },
          page.value.length > 0
            ? [
                table('Given up', letters, page.value, (l) => l.eventId),
                h(
                  'div',
                  { class: 'pager' },
                  next && h('a', { href: link(['webhooks'], { of, cursor: next }) }, 'Newer'),
                  forget(hook, refresh),
                ),
              ]
            : empty('Nothing.'),
        ),
    );
  }
  await refresh();
  const timer = setInterval(async () => {
    try {
      await refresh();
    } catch (error) {
      if (!signal.aborted && !(error instanceof Unreachable))
        document.dispatchEvent(new CustomEvent('rollcall:trouble', { detail: error }));
    }
  }, AGAIN_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  return 'Webhooks';
}
