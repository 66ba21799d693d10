// tests/dashboard: the service is killed and comes back; the page goes on without a reload, and nothing is missing.
import { go, waitState } from './pages.js';
import { ask, folder, kill, startService, until } from './rig.js';
import { holds, is, it } from './suite.js';
import { join } from 'node:path';

async function allEvents(service, c) {
  const all = [];
  for (let next = `/v1/campaigns/${c.id}/events?limit=1000`; next;) {
    const answer = await ask(service, 'GET', next);
    all.push(...answer.value.map((e) => e.id));
    next = answer.nextLink;
  }
  return all;
}

/** The ids of the events on the page, in their order. */
const shown = (page) =>
  page.evaluate(() => [...document.querySelectorAll('.events li')].map((e) => Number(e.dataset.id)).reverse());

export async function resume(page, hub) {
  await it(
    'a page goes on where it was after the service was killed, with each event once and in order',
    async () => {
      const settings = { database: join(folder, 'resume.db') };
      let service = await startService({ quick: hub }, settings);
      const listen = service.url.replace('http://', '');
      const c = await ask(service, 'POST', '/v1/campaigns', {
        name: 'Goes on',
        action: { type: 'reboot' },
        targets: { all: true },
        rollout: { maxUnavailable: 4 }, // of a thousand, so that it is not over before it is paused
        verify: { settleSeconds: 0 },
      });
      await go(page, service, `#/campaigns/${c.id}/events`);
      const counted = () => page.locator('.events li').count();
      await until('some events', async () => (await counted()) > 40);
      const before = (await shown(page)).at(-1);
      for (let i = 0; i < 2; i++) {
        await kill(service.child);
        await page.locator('.stream', { hasText: 'Reconnecting' }).waitFor();
        service = await startService({ quick: hub }, { ...settings, listen });
        await page.locator('.stream', { hasText: 'Live' }).waitFor();
      }
      await ask(service, 'POST', `/v1/campaigns/${c.id}/pause`); // calls whose answers were lost keep their places for long
      await until('nothing under way but calls in doubt', async () => {
        const { counts } = await ask(service, 'GET', `/v1/campaigns/${c.id}`);
        return counts.invoking + counts.awaitingProof === 0;
      });
      const [all, seen] = await until('the page to show the last event', async () => {
        const pair = [await allEvents(service, c), await shown(page)];
        return pair[0].at(-1) === pair[1].at(-1) && pair;
      });
      holds(seen.length > 40 && seen.at(-1) > before, `${seen.length} are shown, from before the first kill and after`);
      is(seen, all.slice(-seen.length));
    },
    page,
  );

  await it(
    'a hidden page lets go of its stream, and has all that it missed when it is seen again',
    async () => {
      const service = await startService({ quick: hub });
      const c = await ask(service, 'POST', '/v1/campaigns', {
        name: 'Unseen',
        action: { type: 'reboot' },
        targets: { deviceIds: Array.from({ length: 120 }, (_, i) => `dev-${String(i).padStart(6, '0')}`) },
        rollout: { waves: [{ upToCount: 1 }, { upToPercent: 100 }], gate: { approval: 'start' } },
        verify: { settleSeconds: 0 },
      });
      await go(page, service, `#/campaigns/${c.id}/events`);
      await page.locator('.stream', { hasText: 'Live' }).waitFor();
      await waitState(page, 'Needs approval');
      await until('the page to show events', async () => (await shown(page)).length > 0);
      const hide = (isHidden) =>
        page.evaluate((value) => {
          Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
          document.dispatchEvent(new Event('visibilitychange'));
        }, isHidden);
      await hide(true);
      await page.locator('.stream').waitFor({ state: 'detached' });
      await ask(service, 'POST', `/v1/campaigns/${c.id}/approve`);
      await until('its end', async () => (await ask(service, 'GET', `/v1/campaigns/${c.id}`)).state === 'completed');
      const all = await allEvents(service, c);
      holds((await shown(page)).at(-1) < all.at(-1), 'nobody has looked yet');
      await hide(false);
      await waitState(page, 'Completed');
      await until('the page to show the last event', async () => (await shown(page)).at(-1) === all.at(-1));
      const seen = await shown(page);
      is(seen, all.slice(-seen.length));
    },
    page,
  );
}
