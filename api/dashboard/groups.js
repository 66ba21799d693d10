// The group map: one cell a group, which are busy, blocked (failures use up what may be down), done. One stop for the
// tab key; arrows move inside.
import { h } from './dom.js';
import { devices, number, plural } from './format.js';
import { link } from './parts.js';
import { groupLimit, groupName } from './why.js';

const kinds = {
  blocked: ['Blocked', (g, c) => g.waiting > 0 && g.counts.failed >= groupLimit(c, g)],
  busy: ['Busy', (g) => g.unavailable - g.counts.failed > 0],
  failed: ['Ended with failures', (g) => g.counts.failed > 0],
  done: ['Done', (g) => g.waiting === 0],
  waiting: ['Waiting', () => true],
};
const kindOf = (group, campaign) => Object.keys(kinds).find((kind) => kinds[kind][1](group, campaign));

function words(group, kind, isAlone) {
  const parts = [devices(group.size), `${number(group.counts.succeeded)} proven`];
  if (group.waiting > 0) parts.push(`${number(group.waiting)} waiting`);
  if (group.unavailable - group.counts.failed > 0)
    parts.push(`${number(group.unavailable - group.counts.failed)} down`);
  if (group.counts.failed > 0) parts.push(`${number(group.counts.failed)} failed`);
  return `${groupName(group, isAlone)}: ${kinds[kind][0].toLowerCase()}; ${parts.join(', ')}`;
}

function move(event) {
  const cells = [...event.currentTarget.querySelectorAll('a')];
  const at = cells.indexOf(document.activeElement);
  if (at < 0) return;
  const across = cells.findIndex((c) => c.offsetTop > cells[0].offsetTop);
  const step = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: across,
    ArrowUp: -across,
    Home: -at,
    End: cells.length - 1 - at,
  }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = cells[Math.min(cells.length - 1, Math.max(0, at + step))];
  document.activeElement.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

export function groupMap(campaign, groups, isMore, onMore) {
  const named = groups.map((group) => [group, kindOf(group, campaign)]);
  const count = (kind) => named.filter(([, k]) => k === kind).length;
  return [
    h(
      'p',
      { class: 'note' },
      `${plural(groups.length, 'group')}${isMore ? ' so far' : ''} by ${campaign.rollout.group.by}; `,
      `at most ${campaign.rollout.group.maxUnavailable} down at once.`,
    ),
    h(
      'ul',
      { class: 'legend' },
      Object.entries(kinds)
        .filter(([kind]) => count(kind) > 0)
        .map(([kind, [text]]) =>
          h(
            'li',
            { 'data-key': kind },
            h('span', { class: `cell cell-${kind}`, 'aria-hidden': 'true' }),
            text,
            ' ',
            h('b', {}, number(count(kind))),
          ),
        ),
    ),
    h(
      'ul',
      { class: 'map', on: { keydown: move } },
      named.map(([group, kind], i) =>
        h(
          'li',
          { 'data-key': `g-${group.hub}/${group.group}` },
          h('a', {
            class: `cell cell-${kind}`,
            href: link(['campaigns', campaign.id, 'targets'], { group: group.group ?? '', hub: group.hub }),
            tabindex: i === 0 ? 0 : -1,
            title: words(group, kind, campaign.hubs.length < 2),
            'aria-label': words(group, kind, campaign.hubs.length < 2),
          }),
        ),
      ),
    ),
    isMore && h('p', {}, h('button', { type: 'button', on: { click: onMore } }, 'Show more groups')),
  ];
}
