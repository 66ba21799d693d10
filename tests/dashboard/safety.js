// tests/dashboard: hostile names, tokens, where requests go, how much is sent.
import { go } from './pages.js';
import { ask, until } from './rig.js';
import { holds, is, it } from './suite.js';

const hostile = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>"\'>&lt;b&gt;\u202e{{7*7}}';

export async function safety(page, service, make) {
  await it(
    'names that people chose are text, whatever is in them',
    async () => {
      const c = await make({
        hubs: ['quick'],
        name: hostile,
        rollout: {
          waves: [{ name: hostile.slice(0, 60), upToCount: 1 }, { upToPercent: 100 }],
          gate: { approval: 'start' },
        },
      });
      for (const where of [
        '#/',
        `#/campaigns/${c.id}`,
        `#/campaigns/${c.id}/spec`,
        `#/campaigns/${c.id}/events`,
        `#/devices/${encodeURIComponent(hostile.replaceAll('/', ''))}`,
      ]) {
        await go(page, service, where);
        await page.getByText('<img src=x onerror=').first().or(page.locator('.events')).first().waitFor();
        is(
          await page.evaluate(() => [window.hacked ?? null, document.querySelectorAll('main img, main script').length]),
          [null, 0],
          where,
        );
      }
      await ask(service, 'POST', `/v1/campaigns/${c.id}/cancel`);
    },
    page,
  );

  await it(
    'whatever a device or a hub says is text, too',
    async () => {
      const c = await make({ hubs: ['quick'], targets: { deviceIds: ['dev-000001'] } });
      await until('its end', async () => (await ask(service, 'GET', `/v1/campaigns/${c.id}`)).state === 'completed');
      const isTime = (text) => /^\d{4}-\d\d-\d\dT/.test(text);
      const spoil = (value) =>
        typeof value === 'string' && !isTime(value)
          ? hostile
          : Array.isArray(value)
            ? value.map(spoil)
            : value && typeof value === 'object'
              ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, spoil(v)]))
              : value;
      await page.route('**/v1/**', async (route) => {
        if (route.request().headers().accept !== 'application/json') return route.continue();
        const answer = await route.fetch();
        return route.fulfill({ response: answer, json: spoil(await answer.json()) });
      });
      for (const where of [
        '#/',
        `#/campaigns/${c.id}/targets`,
        `#/campaigns/${c.id}/events`,
        `#/campaigns/${c.id}/targets/dev-000001`,
        '#/devices/dev-000001',
        '#/hubs',
      ]) {
        await go(page, service, where);
        await page.locator('main', { hasText: '<script>window.hacked=2' }).waitFor();
        is(
          await page.evaluate(() => [typeof window.hacked, document.querySelectorAll('main img, main script').length]),
          ['undefined', 0],
          where,
        );
      }
      await page.unrouteAll({ behavior: 'wait' });
    },
    page,
  );

  await it('the page is small: less than 150 KB for all of it, compressed', async () => {
    const take = async (path) => {
      const answer = await fetch(service.url + path, { headers: { 'Accept-Encoding': 'gzip' } });
      is([answer.status, answer.headers.get('content-encoding')], [200, 'gzip'], path);
      return { text: await answer.text(), bytes: Number(answer.headers.get('content-length')) };
    };
    const { text, bytes } = await take('/');
    let sum = bytes;
    for (const [, path] of text.matchAll(/"(\/dashboard\/[^"]+)"/g))
      if (!path.endsWith('/app.js') || sum === bytes) sum += (await take(path)).bytes;
    console.log(`        ${sum} bytes`);
    holds(sum < 150000, `${sum} bytes`);
  });
}

/** With tokens: signing in and out, and where the token is. */
export async function signIn(page, service, tokens) {
  await it(
    'a token is asked for, kept in the tab only, and forgotten when asked',
    async () => {
      await go(page, service, '#/');
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await page.getByLabel('Token').fill('not-a-token');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.getByRole('alert').getByText('A valid bearer token is needed').waitFor();
      await page.getByLabel('Token').fill(tokens.viewer);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Campaigns', level: 1 }).waitFor();
      const kept = await page.evaluate(() => ({
        session: Object.values(sessionStorage),
        local: localStorage.length,
        cookie: document.cookie,
        url: location.href,
      }));
      is([kept.session, kept.local, kept.cookie], [[tokens.viewer], 0, '']);
      holds(!kept.url.includes(tokens.viewer), kept.url);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      is(await page.evaluate(() => sessionStorage.length), 0);
    },
    page,
  );

  await it(
    'an order that the role does not allow says which role is needed',
    async () => {
      await page.getByLabel('Token').fill(tokens.viewer);
      await page.getByRole('button', { name: 'Sign in' }).click();
      const c = await ask(
        service,
        'POST',
        '/v1/campaigns',
        {
          name: 'Somebody else’s',
          action: { type: 'reboot' },
          targets: { all: true },
          rollout: { gate: { approval: 'start' }, waves: [{ upToPercent: 50 }, { upToPercent: 100 }] },
        },
        { Authorization: `Bearer ${tokens.operator}` },
      );
      await page.getByRole('link', { name: 'Somebody else’s' }).click();
      await page.getByRole('button', { name: 'Cancel …' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel the campaign' }).click();
      await page.getByRole('dialog').getByText("role operator is needed, the token's is viewer").waitFor();
      await page.keyboard.press('Escape');
      is(
        (await ask(service, 'GET', `/v1/campaigns/${c.id}`, undefined, { Authorization: `Bearer ${tokens.viewer}` }))
          .state !== 'cancelled',
        true,
      );
    },
    page,
  );
}
