// tests/dashboard: every view by axe-core in light and dark, on a phone, and by keyboard.
import { fits, go, isAccessible, openPage } from './pages.js';
import { ask, until } from './rig.js';
import { holds, is, it } from './suite.js';

export async function looks(browser, service, make) {
  const c = await make({
    hubs: ['half'],
    name: 'A campaign with everything',
    rollout: {
      waves: [{ name: 'canary', upToCount: 40 }, { upToPercent: 100 }],
      gate: { soakSeconds: 1, approval: 'each' },
      group: { by: 'tags.site', maxUnavailable: '100%' },
    },
  });
  await until(
    'a wave that is over',
    async () => (await ask(service, 'GET', `/v1/campaigns/${c.id}`)).state === 'awaitingApproval',
  );
  const views = {
    campaigns: '#/',
    campaign: `#/campaigns/${c.id}`,
    devices: `#/campaigns/${c.id}/targets`,
    events: `#/campaigns/${c.id}/events`,
    spec: `#/campaigns/${c.id}/spec`,
    target: `#/campaigns/${c.id}/targets/dev-000001`,
    device: '#/devices/dev-000001',
    hubs: '#/hubs',
    new: '#/new',
    webhooks: '#/webhooks?of=gone',
    audit: '#/audit',
    schedules: '#/schedules',
    'a new schedule': '#/new/schedules',
  };

  const dark = ['campaigns', 'campaign', 'devices', 'target', 'new']; // between them every kind of piece
  async function look(size, names) {
    const page = await openPage(browser, size);
    for (const name of names) {
      await go(page, service, views[name]);
      await isAccessible(page, name);
      await fits(page, name);
    }
    await go(page, service, views.campaign);
    await page.getByRole('button', { name: 'Pause …' }).click();
    await isAccessible(page, 'a question');
    await page.context().close();
  }
  await it('axe-core finds nothing serious in any view, light at a desk and dark on a phone, where all fits', () =>
    Promise.all([look({}, Object.keys(views)), look({ width: 390, height: 844, dark: true }, dark)]));

  await it('everything can be reached and done by keyboard', async () => {
    const page = await openPage(browser);
    await go(page, service, views.campaign);
    await page.keyboard.press('Tab');
    is(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    const reached = new Set();
    for (let i = 0; i < 60; i++) {
      reached.add(
        await page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.ariaLabel),
      );
      await page.keyboard.press('Tab');
    }
    for (const name of ['Pause …', 'Cancel …', 'Devices', 'Campaigns'])
      holds(reached.has(name), `${name} is reached: ${[...reached].join(', ')}`);
    await page.locator('.map a').first().focus();
    await page.keyboard.press('ArrowRight');
    is(await page.evaluate(() => [...document.querySelectorAll('.map a')].indexOf(document.activeElement)), 1);
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Devices' }).waitFor();
    await go(page, service, views.campaign);
    await page.getByRole('button', { name: 'Pause …' }).focus();
    await page.keyboard.press('Enter');
    is(await page.evaluate(() => document.activeElement.textContent), 'Pause');
    for (let i = 0; i < 5; i++) {
      await page.keyboard.press('Tab');
      holds(
        await page.evaluate(
          () => document.activeElement === document.body || Boolean(document.activeElement.closest('dialog')),
        ),
        'the question keeps the focus',
      );
    }
    await page.keyboard.press('Escape');
    is(await page.evaluate(() => document.activeElement.textContent), 'Pause …', 'and gives it back:');
    await page.context().close();
  });
  await ask(service, 'POST', `/v1/campaigns/${c.id}/cancel`);
}
