// The page: where we are (its address after #), who we are (a token, where the service asks for one), and how the
// connection is.
import { Problem, Unreachable, get, path } from './api.js';
import { h, update } from './dom.js';
import { startTicking } from './format.js';
import { trouble } from './parts.js';
import { forgetToken, keepToken, token } from './session.js';

const main = document.getElementById('main'),
  nav = document.getElementById('nav'),
  status = document.getElementById('status');
const routes = [
  [/^$/, 'campaigns'],
  [/^campaigns$/, 'campaigns'],
  [/^campaigns\/([^/]+)$/, 'campaign', 'id'],
  [/^campaigns\/([^/]+)\/(targets|events|spec)$/, 'campaign', 'id', 'tab'],
  [/^campaigns\/([^/]+)\/targets\/([^/]+)$/, 'target', 'id', 'device'],
  [/^devices\/([^/]+)$/, 'device', 'device'],
  [/^schedules$/, 'schedules'],
  [/^hubs$/, 'hubs'],
  [/^webhooks$/, 'webhooks'],
  [/^audit$/, 'audit'],
  [/^new(?:\/(schedules))?$/, 'new', 'kind'],
];
const places = [
  ['campaigns', 'Campaigns'],
  ['schedules', 'Schedules'],
  ['hubs', 'Hubs'],
  ['webhooks', 'Webhooks'],
  ['audit', 'Audit'],
];
let leave = new AbortController();

function match(address) {
  for (const [pattern, view, ...names] of routes) {
    const found = pattern.exec(address);
    if (found)
      return { view, ...Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(found[i + 1] ?? '')])) };
  }
  return null;
}

function drawNav(view) {
  update(
    nav,
    places.map(([place, text]) =>
      h('a', { href: `#/${place}`, 'aria-current': view?.startsWith(place.replace(/s$/, '')) ? 'page' : null }, text),
    ),
  );
}

const streams = {
  live: ['Live', 'Changes show as they happen.'],
  waiting: ['Reconnecting', 'The connection is lost; nothing is missed, it goes on where it was.'],
  refused: ['Not live', 'The service does not let us follow its events.'],
  off: ['', ''],
};
function drawStatus(stream) {
  const [text, title] = streams[stream] ?? streams.off;
  update(
    status,
    text &&
      h('span', { class: `stream stream-${stream}`, title }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), text),
    token() &&
      h(
        'button',
        {
          type: 'button',
          class: 'quiet',
          on: {
            click: () => {
              forgetToken();
              signIn();
            },
          },
        },
        'Sign out',
      ),
  );
}

function signIn(error) {
  leave.abort();
  document.title = 'Sign in · Rollcall';
  drawNav(null);
  drawStatus('off');
  const input = h('input', { type: 'password', id: 'token', autocomplete: 'off', required: true, spellcheck: 'false' });
  async function submit(event) {
    event.preventDefault();
    keepToken(input.value.trim());
    try {
      await get(path(['campaigns'], { limit: 1 }));
      open();
    } catch (problem) {
      forgetToken();
      signIn(problem);
    }
  }
  main.replaceChildren(
    h(
      'form',
      { class: 'panel sign-in', on: { submit } },
      h('h1', {}, 'Sign in'),
      h('p', {}, 'This service asks for a token. It is kept in this tab only, and forgotten when the tab closes.'),
      error && trouble(error),
      h('label', { for: 'token' }, 'Token'),
      input,
      h('div', { class: 'buttons' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in')),
    ),
  );
  input.focus();
}

function showTrouble(error) {
  leave.abort();
  if (!(error instanceof Problem) && !(error instanceof Unreachable)) console.error(error);
  main.replaceChildren(
    trouble(error),
    h(
      'p',
      { class: 'buttons' },
      h('button', { type: 'button', on: { click: open } }, 'Try again'),
      h('a', { class: 'button', href: '#/' }, 'To the campaigns'),
    ),
  );
}

async function open() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const [address, query] = location.hash.replace(/^#\/?/, '').split('?');
  const where = match(address);
  drawNav(where?.view);
  drawStatus('off');
  if (!where) {
    main.replaceChildren(h('h1', {}, 'There is no such page'), h('p', {}, h('a', { href: '#/' }, 'To the campaigns')));
    return;
  }
  const root = h('div', { class: `view view-${where.view}` });
  const waiting = setTimeout(() => main.replaceChildren(h('p', { class: 'loading' }, 'Loading …')), 300);
  const seen = new MutationObserver(() => {
    // a view is shown as soon as it has something to show
    seen.disconnect();
    clearTimeout(waiting);
    if (!signal.aborted) main.replaceChildren(root);
  });
  seen.observe(root, { childList: true });
  try {
    const view = await import(`./view-${where.view}.js`);
    const title = await view.show(root, { tab: '', params: new URLSearchParams(query ?? ''), ...where, signal });
    if (signal.aborted) return;
    document.title = `${title} · Rollcall`;
  } catch (error) {
    seen.disconnect();
    clearTimeout(waiting);
    if (signal.aborted || error.name === 'AbortError' || error.status === 401) return;
    showTrouble(error);
  }
}

document.addEventListener('rollcall:unauthenticated', () =>
  signIn(token() ? new Error('The token is not known any more.') : null),
);
document.addEventListener('rollcall:trouble', (event) => {
  if (event.detail.status !== 401) showTrouble(event.detail);
});
document.addEventListener('rollcall:stream', (event) => drawStatus(event.detail));
addEventListener('hashchange', () => {
  open().then(() => {
    if (document.activeElement === document.body) main.focus({ preventScroll: true });
  });
  scrollTo(0, 0);
});
startTicking();
open();
