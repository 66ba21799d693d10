// tests/dashboard: what the page shows of one campaign agrees at every instant (P8).
import { go, stateOf } from './pages.js';
import { ask, until } from './rig.js';
import { holds, is, it } from './suite.js';

/** Reads all counts that the page shows, by the revision that they are of, whenever it changes. */
function watch() {
  window.seen = new Map();
  window.instants = 0;
  const number = (text) => Number((text ?? '0').replaceAll(/[^0-9]/g, ''));
  const sum = (selector) => [...document.querySelectorAll(selector)].reduce((n, e) => n + number(e.textContent), 0);
  const look = () => {
    const figures = document.querySelector('.figures');
    if (!figures) return;
    window.instants++;
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
      waits: sum('[data-wait] b'),
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

export async function agree(page, service, make) {
  await it(
    'at 1,000 instants the page’s counts agree with each other, the list and the campaign of the same revision',
    async () => {
      const c = await make({
        hubs: ['half'],
        rollout: {
          maxUnavailable: 8,
          waves: [{ upToPercent: 20 }, { upToPercent: 100 }],
          gate: { minSuccessPercent: 0 },
        },
        retry: { maxAttempts: 2, on: ['refused'], backoffSeconds: 1 },
      });
      await go(page, service, `#/campaigns/${c.id}`);
      await page.evaluate(watch);
      const lists = new Map(),
        campaigns = new Map();
      const states = (rows) => rows.reduce((n, t) => ({ ...n, [t.state]: (n[t.state] ?? 0) + 1 }), {});
      await until('its end', async () => {
        const list = await ask(service, 'GET', `/v1/campaigns/${c.id}/targets?limit=1000`);
        lists.set(list.revision, states(list.value));
        const now = await ask(service, 'GET', `/v1/campaigns/${c.id}`);
        campaigns.set(now.revision, now.counts);
        return now.state === 'completed' && (await page.evaluate(() => window.instants)) >= 1000;
      });
      await until('the page to show it', async () => (await stateOf(page)) === 'Completed');
      const seen = new Map(await page.evaluate(() => [...window.seen]));
      const total = 160,
        sorted = (o) =>
          Object.fromEntries(
            Object.entries(o)
              .filter(([, n]) => n > 0)
              .sort(),
          );
      let compared = 0;
      for (const [revision, { counts, figures, ended }] of seen) {
        const of = (...names) => names.reduce((n, s) => n + (counts[s] ?? 0), 0);
        if (of(...Object.keys(counts)) === 0) continue; // not selected yet
        is(of(...Object.keys(counts)), total, `revision ${revision}: the sum`);
        is(
          figures,
          {
            proven: of('succeeded'),
            failed: of('failed'),
            acting: of('invoking', 'doubtful', 'awaitingProof'),
            waiting: of('waiting'),
          },
          `revision ${revision}`,
        );
        is(ended, of('succeeded', 'failed', 'skipped', 'cancelled'), `revision ${revision}: ended`);
        if (lists.has(revision)) is(sorted(counts), sorted(lists.get(revision)), `revision ${revision}: the list`);
        if (campaigns.has(revision))
          is(sorted({ ...counts, total }), sorted(campaigns.get(revision)), `revision ${revision}: the campaign`);
        compared += lists.has(revision) || campaigns.has(revision) ? 1 : 0;
      }
      console.log(
        `        ${await page.evaluate(() => window.instants)} instants, ${seen.size} revisions, ${compared} compared with the API`,
      );
      holds(compared >= 3, 'some were compared');
    },
    page,
  );
}
