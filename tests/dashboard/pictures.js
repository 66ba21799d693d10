// tests/dashboard: takes the pictures that the README shows: node pictures.js FOLDER. $ROLLCALLD and $HUBSIM name the
// programs.
import { join } from 'node:path';
import { go, openPage } from './pages.js';
import { ask, startBrowser, startHub, startService, stopAll, until } from './rig.js';

const folder = process.argv[2];
const times = { history: true, answerMs: [100, 600], reportMs: [200, 1500], leaveMs: [100, 300], queryLagMs: 50 };

async function fleet() {
  const kiosks = await startHub(400, {
    ...times,
    idPrefix: 'kiosk-',
    siteSize: 20,
    tempers: { refusing: 0.01, lying: 0.015, slow: 0.1 },
    slowReportMs: [3000, 9000],
  });
  const tills = await startHub(200, { ...times, idPrefix: 'till-', siteSize: 4, tempers: { refusing: 0.12 } });
  return startService({ gbg: { ...kiosks, settings: { sku: 'S1' } }, malmo: { ...tills, settings: { sku: 'S2' } } });
}

async function campaigns(service) {
  const make = (spec) =>
    ask(service, 'POST', '/v1/campaigns', {
      action: { type: 'reboot' },
      targets: { all: true, seed: 5 },
      ...spec,
      verify: { settleSeconds: 1, timeoutSeconds: 600, ...spec.verify },
    });
  const stateIs = (c, state) =>
    until(state, async () => (await ask(service, 'GET', `/v1/campaigns/${c.id}`)).state === state);
  const done = await make({
    name: 'Kiosks of site 12, after the power cut',
    hubs: ['gbg'],
    targets: { where: "tags.site = 'site-012'" },
    rollout: { maxUnavailable: 20 },
  });
  const nightly = {
    action: { type: 'reboot' },
    hubs: ['gbg'],
    rollout: { group: { by: 'tags.site', maxUnavailable: 1 } },
  };
  await ask(service, 'POST', '/v1/schedules', {
    name: 'Kiosks, every Sunday night',
    recurrence: { cron: '30 2 * * 0', timeZone: 'Europe/Stockholm', from: '2027-03-10T00:00:00Z' },
    campaign: { ...nightly, name: 'Kiosks, Sunday night', targets: { all: true } },
  });
  await ask(service, 'POST', '/v1/schedules', {
    name: 'Tills, last Monday of the month',
    recurrence: { rrule: 'FREQ=MONTHLY;BYDAY=-1MO;BYHOUR=4;BYMINUTE=0', timeZone: 'America/New_York' },
    overlap: 'queue',
    campaign: { ...nightly, hubs: ['malmo'], name: 'Tills, monthly', targets: { all: true } },
  });
  await make({
    name: 'Chargers, weekly reboot',
    hubs: ['gbg'],
    schedule: { startAt: new Date(Date.now() + 3 * 3600000).toISOString() },
  });
  const approval = await make({
    name: 'Tills in Malmö, canaries first',
    hubs: ['malmo'],
    targets: { where: "tags.site IN ['site-000', 'site-001', 'site-002', 'site-003', 'site-004']" },
    rollout: { waves: [{ name: 'canary', upToCount: 4 }, { upToPercent: 100 }], gate: { approval: 'each' } },
  });
  const paused = await make({
    name: 'Tills, all sites',
    hubs: ['malmo'],
    targets: { all: true },
    rollout: { maxUnavailable: 12 },
    abort: [{ percent: 8, minFinished: 20 }],
  });
  await Promise.all([stateIs(done, 'completed'), stateIs(approval, 'awaitingApproval'), stateIs(paused, 'paused')]);
  return make({
    name: 'Kiosks, canary first',
    hubs: ['gbg'],
    rollout: {
      waves: [
        { name: 'canary', upToCount: 12 },
        { name: 'early', upToPercent: 30 },
        { name: 'rest', upToPercent: 100 },
      ],
      gate: { minSuccessPercent: 80, soakSeconds: 3 },
      maxUnavailable: '10%',
      group: { by: 'tags.site', maxUnavailable: 1 },
    },
    abort: [{ percent: 20, minFinished: 20 }],
  });
}

async function take(browser, service, name, address, before = async () => {}) {
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ]) {
    for (const dark of [false, true]) {
      const page = await openPage(browser, { width, height, dark });
      await go(page, service, address);
      await before(page);
      await page.evaluate(() => scrollTo(0, 0));
      await page.locator('.stream', { hasText: 'Live' }).or(page.locator('.new')).waitFor();
      await page.screenshot({ path: join(folder, `${name}-${width}-${dark ? 'dark' : 'light'}.png`), fullPage: true });
      await page.context().close();
    }
  }
}

const service = await fleet(),
  browser = await startBrowser();
try {
  const c = await campaigns(service);
  const now = () => ask(service, 'GET', `/v1/campaigns/${c.id}`);
  await take(browser, service, 'new', '#/new', async (page) => {
    await page.getByLabel('Name', { exact: true }).fill('Kiosks, canary first');
    await page.getByLabel('Condition, in the hub').fill("tags.site <> 'site-012'");
    await page.getByLabel('Groups by a tag').fill('tags.site');
    await page.getByRole('button', { name: 'Preview' }).click();
    await page.getByText('will be called').first().waitFor();
  });
  await until(
    'the second wave, held up',
    async () => {
      const { counts, waitingBy } = await now();
      return counts.succeeded + counts.failed > 60 && waitingBy.group > 0;
    },
    120000,
  );
  await take(browser, service, 'campaign', `#/campaigns/${c.id}`, (page) => page.locator('.plot').waitFor());
  await take(browser, service, 'campaigns', '#/');
  await take(browser, service, 'schedules', '#/schedules');
  await take(browser, service, 'hubs', '#/hubs');
  const [failed] = (await ask(service, 'GET', `/v1/campaigns/${c.id}/targets?state=succeeded&limit=1`)).value;
  await take(browser, service, 'device', `#/campaigns/${c.id}/targets/${failed.deviceId}`);
} finally {
  await browser.close();
  await stopAll();
}
