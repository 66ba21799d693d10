// One device over all campaigns.
import { campaignPath, get, path } from './api.js';
import { h, update } from './dom.js';
import { ago, number } from './format.js';
import { badge, empty, link, panel, table } from './parts.js';
import { nameOf, reason, targetState } from './words.js';

export async function show(root, { device, signal }) {
  const rows = [],
    names = new Map();
  let next = path(['devices', device, 'history'], { limit: 50 });

  async function more() {
    const page = await get(next, signal);
    next = page.nextLink ?? null;
    rows.push(...page.value);
    await Promise.all(
      page.value.map(async ({ campaignId }) => {
        if (names.has(campaignId)) return;
        names.set(campaignId, campaignId);
        names.set(
          campaignId,
          await get(campaignPath(campaignId), signal).then(
            (c) => c.name,
            () => campaignId,
          ),
        );
      }),
    );
    draw();
  }
  const columns = [
    {
      name: 'Campaign',
      cell: (t) => h('a', { href: link(['campaigns', t.campaignId, 'targets', device]) }, names.get(t.campaignId)),
    },
    { name: 'State', cell: (t) => badge(t.state, nameOf(targetState, t.state)) },
    { name: 'Reason', cell: (t) => (t.reason ? nameOf(reason, t.reason) : ''), kind: 'wide' },
    { name: 'Calls', cell: (t) => number(t.calls), kind: 'num' },
    { name: 'Answer', cell: (t) => t.methodStatus ?? '–', kind: 'num' },
    { name: 'Last call', cell: (t) => ago(t.calledAt) },
    { name: 'Changed', cell: (t) => ago(t.changedAt) },
  ];
  function draw() {
    update(
      root,
      h('p', { class: 'crumbs' }, h('a', { href: '#/' }, 'Campaigns')),
      h('div', { class: 'head' }, h('h1', {}, device)),
      panel(
        'In every campaign, the newest first',
        {},
        rows.length > 0
          ? table(
              'History',
              columns,
              rows.map((t, i) => ({ ...t, i })),
              (t) => `${t.i}`,
            )
          : empty('No campaign had this device.'),
        h('div', { class: 'pager' }, next && h('button', { type: 'button', on: { click: more } }, 'Older')),
      ),
    );
  }
  await more();
  return device;
}
