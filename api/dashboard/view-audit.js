// Who did what, when and from where: the orders that changed something, the newest first.
import { get, path } from './api.js';
import { h, update } from './dom.js';
import { time } from './format.js';
import { empty, jsonInline, link, panel, table } from './parts.js';

const PAGE = 50;

const columns = [
  { name: 'When', cell: (e) => time(e.at, true) },
  { name: 'Who', cell: (e) => [h('b', {}, e.actor), ' ', h('span', { class: 'note' }, e.role ?? 'the service')] },
  { name: 'From', cell: (e) => e.address ?? '–' },
  {
    name: 'Order',
    kind: 'wide',
    cell: (e) => [
      e.method ? jsonInline(`${e.method} ${e.path}`) : 'retention',
      e.campaignId && [' ', h('a', { href: link(['campaigns', e.campaignId]) }, 'campaign')],
    ],
  },
  { name: 'Change', cell: (e) => (e.before && e.role ? `${e.before} → ${e.after}` : e.after) },
  { name: 'Request', cell: (e) => (e.requestId ? jsonInline(e.requestId) : '–') },
];

export async function show(root, { params, signal }) {
  const page = await get(path(['audit'], { limit: PAGE, cursor: params.get('cursor') }), signal);
  const next = page.nextLink && new URL(page.nextLink, location.origin).searchParams.get('cursor');
  update(
    root,
    h('div', { class: 'head' }, h('h1', {}, 'Audit')),
    panel(
      'Orders that changed something, the newest first',
      {},
      page.value.length > 0
        ? table('Orders', columns, page.value, (e) => e.no)
        : empty('Nobody has ordered anything yet.'),
      h(
        'div',
        { class: 'pager' },
        params.get('cursor') && h('a', { href: link(['audit']) }, 'Newest'),
        next && h('a', { href: link(['audit'], { cursor: next }) }, 'Older'),
      ),
    ),
  );
  return 'Audit';
}
