// Pieces that several views are made of.
import { h } from './dom.js';
import { number } from './format.js';
import { icon } from './icons.js';
import { TARGET_STATES, campaignState, meaningOf, nameOf, targetState } from './words.js';

export const badge = (state, name) => h('span', { class: `badge state-${state}` }, icon(state), h('span', {}, name));

/** Where things go: the addresses of this page. */
const join = (parts) => `#/${parts.map((p) => encodeURIComponent(p)).join('/')}`;
export function link(parts, params = {}) {
  const query = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== null && v !== undefined));
  return query.size > 0 ? `${join(parts)}?${query}` : join(parts);
}

/** Counts as one bar; what it shows is said in words, too. */
export function countsBar(counts, label) {
  const shown = TARGET_STATES.filter((state) => counts[state] > 0);
  const words = shown.map((state) => `${number(counts[state])} ${nameOf(targetState, state).toLowerCase()}`).join(', ');
  return h(
    'div',
    { class: 'bar', role: 'img', 'aria-label': `${label}: ${words || 'no devices'}` },
    shown.map((state) =>
      h('span', { class: `fill-${state}`, 'data-key': state, style: { 'flex-grow': counts[state] } }),
    ),
  );
}

/** Counts as a legend; href(state) makes each a link. */
export function countsLegend(counts, href) {
  const shown = TARGET_STATES.filter((state) => counts[state] > 0);
  return h(
    'ul',
    { class: 'legend' },
    shown.map((state) => {
      const inside = [
        icon(state),
        h('span', {}, nameOf(targetState, state)),
        ' ',
        h('b', { class: 'count', 'data-state': state }, number(counts[state])),
      ];
      return h('li', { 'data-key': state }, href ? h('a', { href: href(state) }, inside) : inside);
    }),
  );
}

/** Why a campaign is in its state: a person is asked in our own words, the rest the service says. */
export function stateWords(c) {
  const next = c.waves.find((w) => w.state === 'pending');
  if (c.state === 'awaitingApproval' && next)
    return `a person has to approve wave ${next.index + 1}${next.name ? ` “${next.name}”` : ''}`;
  return c.stateReason ?? meaningOf(campaignState, c.state);
}

export const isOut = (counts) => counts.invoking + counts.doubtful + counts.awaitingProof;
export const finals = (counts) => counts.succeeded + counts.failed + counts.skipped + counts.cancelled;

export const panel = (title, props, ...children) =>
  h('section', { class: 'panel', ...props }, h('h2', {}, title), children);

export const empty = (text) => h('p', { class: 'empty' }, text);

/** What went wrong, as a box. */
export function trouble(error) {
  return h(
    'div',
    { class: 'trouble', role: 'alert' },
    icon('failed'),
    h(
      'div',
      {},
      h('p', {}, error.title && error.title !== error.message ? `${error.title}: ${error.message}` : error.message),
      error.faults?.length > 0 &&
        h(
          'ul',
          {},
          error.faults.map((f) => h('li', {}, h('code', {}, f.pointer ?? f.parameter ?? ''), ' ', f.detail)),
        ),
    ),
  );
}

/** A table that can be scrolled sideways by keyboard; on a phone each row is a block (the roles keep it a table).
 * columns: [{name, cell(row), kind}]. */
export function table(caption, columns, rows, keyOf) {
  return h(
    'div',
    { class: 'table-box', tabindex: '0', role: 'region', 'aria-label': caption },
    h(
      'table',
      { class: 'stacks', role: 'table' },
      h('caption', { class: 'hidden' }, caption),
      h(
        'thead',
        { role: 'rowgroup' },
        h(
          'tr',
          { role: 'row' },
          columns.map((c) => h('th', { scope: 'col', role: 'columnheader', class: c.kind }, c.name)),
        ),
      ),
      h(
        'tbody',
        { role: 'rowgroup' },
        rows.map((row) =>
          h(
            'tr',
            { role: 'row', 'data-key': keyOf(row) },
            columns.map((c, i) =>
              h(
                i === 0 ? 'th' : 'td',
                {
                  scope: i === 0 ? 'row' : null,
                  role: i === 0 ? 'rowheader' : 'cell',
                  class: c.kind,
                  'data-name': c.name,
                },
                c.cell(row),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** Any JSON, as text. */
export const json = (value) => h('pre', { class: 'json', tabindex: '0' }, JSON.stringify(value, null, 2));
export const jsonInline = (value) =>
  h('code', { class: 'value' }, value === null ? 'null' : typeof value === 'string' ? value : JSON.stringify(value));
