// tests/dashboard: how long a page takes with a campaign of a million devices: by hand (node million.js), and with
// ROLLCALL_TEST_LONG. $ROLLCALLD and $HUBSIM name the programs.
import { pathToFileURL } from 'node:url';
import { openPage } from './pages.js';
import { ask, startBrowser, startHub, startService, stopAll, until } from './rig.js';
import { holds, it } from './suite.js';

const DEVICES = 1000000,
  TIMES = 5;
const PATIENCE_MS = 300000;

/** In the page: when the first of what it is for had been painted, in ms since the navigation began. */
function timed(selector) {
  const look = () =>
    document.querySelector(selector)
      ? requestAnimationFrame(() => setTimeout(() => (window.usefulAt = performance.now()))) // after that frame
      : requestAnimationFrame(look);
  look();
}

/** Opens an address TIMES times, each in a browser profile of its own; gives the ms, and the bytes of the API's answers. */
async function open(browser, service, address, selector) {
  const times = [];
  let bytes;
  for (let i = 0; i < TIMES; i++) {
    const page = await openPage(browser);
    bytes = 0;
    page.on('response', async (answer) => {
      if (answer.url().includes('/v1/') && !answer.url().includes('/events')) bytes += (await answer.body()).length;
    });
    await page.addInitScript(timed, selector);
    await page.goto(`${service.url}/${address}`);
    times.push(Math.round(await page.waitForFunction(() => window.usefulAt).then((found) => found.jsonValue())));
    await page.context().close();
  }
  return { times: times.sort((a, b) => a - b), bytes };
}

/** Makes the campaign, and tells of each kind of page how long it took. */
export async function million(browser, hub) {
  await it('with a million devices a page shows the first of what it is for within a second (median)', async () => {
    const service = await startService({ large: hub });
    const ids = Array.from({ length: DEVICES }, (_, i) => `device-${i}`).join('\n');
    const put = await fetch(`${service.url}/v1/device-lists/million`, {
      method: 'PUT',
      body: ids,
      headers: { 'Content-Type': 'text/plain' },
    });
    holds(put.status === 201, await put.text());
    const c = await ask(service, 'POST', '/v1/campaigns', {
      name: 'A million',
      action: { type: 'reboot' },
      targets: { list: 'million' },
      rollout: { gate: { approval: 'start' }, waves: [{ upToPercent: 1 }, { upToPercent: 100 }] },
      verify: { by: 'none' },
    });
    const where = `/v1/campaigns/${c.id}`;
    await until('its devices', async () => (await ask(service, 'GET', where)).state === 'awaitingApproval', PATIENCE_MS);
    for (const [name, address, selector] of [
      ['all campaigns', '#/', '.view-campaigns .bar'],
      ['the campaign', `#/campaigns/${c.id}`, '.figures dd'],
      ['its devices', `#/campaigns/${c.id}/targets`, 'tbody tr'],
    ]) {
      const { times, bytes } = await open(browser, service, address, selector);
      console.log(`        ${name}: ${times.join(', ')} ms; the API's answers: ${bytes} bytes`);
      holds(times[(TIMES - 1) / 2] < 1000, `${name}: ${times} ms`);
    }
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const browser = await startBrowser();
  try {
    await million(browser, await startHub(1));
  } finally {
    await browser.close();
    await stopAll();
  }
}
