// tests/dashboard: what the page shows of one campaign agrees with itself and with whoever else tells of it (P8).
import { go, openPage, stateOf } from './pages.js';
import { ask, until } from './rig.js';
import { holds, is, it } from './suite.js';

// That the page shows and everybody else tells, too.
const REVISIONS = process.env.ROLLCALL_TEST_LONG === 'true' ? 1000 : 50;
const PATIENCE_MS = 100_000 + 500 * REVISIONS;
const STATES = ['waiting', 'invoking', 'doubtful', 'awaitingProof', 'succeeded', 'failed', 'skipped', 'cancelled'];

/** A page's rests between two readings are cut to a tenth, so that it shows more of what there was. */
function hurry() {
  const after = window.setTimeout.bind(window);
  window.setTimeout = (what, ms, ...rest) => after(what, ms > 100 ? ms / 10 : ms, ...rest);
}

/** Reads all counts that the page shows, by the revision that they are of, whenever it changes. */
function watch() {
  window.seen = new Map();
  const number = (text) => Number((text ?? '0').replaceAll(/[^0-9]/g, ''));
  const sum = (selector) => [...document.querySelectorAll(selector)].reduce((n, e) => n + number(e.textContent.split(' of ')[0]), 0);
  const look = () => {
    const figures = document.querySelector('.figures');
    if (!figures) return;
    const counts = Object.fromEntries(
      [...document.querySelectorAll('.view > .legend .count')].map((b) => [b.dataset.state, number(b.textContent)]),
    );
    const [ended, proven, failed, acting, waiting] = [...figures.querySelectorAll('dd')].map((d) =>
      number(d.firstChild.textContent),
    );
    window.seen.set(Number(figures.dataset.revision), {
      counts,
      figures: { proven, failed, acting, waiting },
      ended: number(figures.querySelector('.note').textContent.split(' of ')[0]),
      waits: document.querySelector('.why') && sum('[data-wait] b'),
      reasons: sum('[data-reason]'),
      waves: sum('.lane-head .note'),
    });
  };
  new MutationObserver(look).observe(document.querySelector('main'), {
    childList: true,
    subtree: true,
    characterData: true,
    attributes: true,
  });
  setInterval(look, 7);
}

const counted = (states) => STATES.map((state) => states.filter((s) => s === state).length);

/** The counts by state of one campaign, in the order of STATES, as each tells them: [revision, counts]. */
function tellers(service, id) {
  const text = async (path, headers) => {
    const answer = await fetch(service.url + path, { headers });
    return [await answer.text(), answer.headers];
  };
  return {
    campaign: async () => {
      const { revision, counts } = await ask(service, 'GET', `/v1/campaigns/${id}`);
      return [revision, STATES.map((state) => counts[state])];
    },
    list: async () => {
      const { revision, value } = await ask(service, 'GET', `/v1/campaigns/${id}/targets?limit=1000`);
      return [revision, counted(value.map((target) => target.state))];
    },
    csv: async () => {
      const [csv, head] = await text(`/v1/campaigns/${id}/targets`, { Accept: 'text/csv' });
      const [names, ...rows] = csv.trim().split('\r\n');
      const column = names.split(',').indexOf('state');
      return [Number(head.get('X-Revision')), counted(rows.map((row) => row.split(',')[column]))];
    },
    metrics: async () => {
      const [all] = await text('/metrics');
      const of = (state) => all.match(`campaign="${id}",state="${state}"} ([0-9]+)`)?.[1] ?? 0;
      return [Number(all.match(/^rollcall_revision ([0-9]+)$/m)[1]), STATES.map((state) => Number(of(state)))];
    },
  };
}

export async function agree(browser, service, make) {
  const page = await openPage(browser);
  await it(
    `at ${REVISIONS} revisions the page’s counts agree with each other, the campaign, the list, its CSV and the metrics`,
    async () => {
      const c = await make({
        rollout: {
          ratePerMinute: 240,
          waves: [{ upToPercent: 20 }, { upToPercent: 100 }],
          gate: { minSuccessPercent: 0 },
        },
        retry: { maxAttempts: 100, on: ['refused'], backoffSeconds: 1, backoffMaxSeconds: 1 },
      });
      await page.addInitScript(hurry);
      await go(page, service, `#/campaigns/${c.id}`);
      await page.evaluate(watch);
      const told = new Map(); // revision: { who: counts }
      const who = Object.entries(tellers(service, c.id));
      const isWhole = (revision) => Object.keys(told.get(revision) ?? {}).length === who.length;
      await until(`${REVISIONS} revisions`, async () => {
        for (const [name, [revision, counts]] of await Promise.all(who.map(async ([n, tell]) => [n, await tell()])))
          told.set(revision, { ...told.get(revision), [name]: counts });
        return (await page.evaluate(() => [...window.seen.keys()])).filter(isWhole).length > REVISIONS;
      }, PATIENCE_MS);
      await ask(service, 'POST', `/v1/campaigns/${c.id}/cancel`);
      await until('the page to show it', async () => (await stateOf(page)) === 'Cancelled');
      const seen = new Map(await page.evaluate(() => [...window.seen]));
      let compared = 0;
      for (const [revision, { counts, figures, ended, waits, reasons, waves }] of seen) {
        const of = (...names) => names.reduce((n, s) => n + (counts[s] ?? 0), 0);
        if (of(...STATES) === 0) continue; // not selected yet
        const at = `revision ${revision}`;
        is(of(...STATES), 160, `${at}: the sum`);
        is(
          figures,
          {
            proven: of('succeeded'),
            failed: of('failed'),
            acting: of('invoking', 'doubtful', 'awaitingProof'),
            waiting: of('waiting'),
          },
          at,
        );
        is(ended, of('succeeded', 'failed', 'skipped', 'cancelled'), `${at}: ended`);
        is(waves, ended, `${at}: ended, over the waves`);
        is(reasons, of('failed', 'skipped'), `${at}: their reasons`);
        if (waits !== null) is(waits, of('waiting'), `${at}: why they wait`);
        for (const [name, those] of Object.entries(told.get(revision) ?? {}))
          is(
            STATES.map((state) => counts[state] ?? 0),
            those,
            `${at}: the ${name}`,
          );
        compared += isWhole(revision);
      }
      console.log(`        ${seen.size} revisions shown, ${compared} of them told by all others, too`);
      holds(compared >= REVISIONS, 'enough were compared');
    },
    page,
  );
  await page.context().close();
}
