// tests/dashboard: the dashboard in a real browser, against real rollcalld and hubsim. $ROLLCALLD and $HUBSIM name the
// programs; with $E2E_KEEP, a folder, pictures of what failed stay there.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { agree } from './agree.js';
import { flows } from './flows.js';
import { looks } from './looks.js';
import { million } from './million.js';
import { complaints, openPage, requests } from './pages.js';
import { resume } from './resume.js';
import { ask, folder, startBrowser, startHub, startService, stopAll } from './rig.js';
import { safety, signIn } from './safety.js';
import { finish, is, it } from './suite.js';

const times = { history: true, answerMs: [10, 60], reportMs: [20, 200], leaveMs: [20, 100], queryLagMs: 50 };

/** make(spec) for a service: a campaign, quick to be proven unless the spec says otherwise. */
const maker = (service) => (spec) =>
  ask(service, 'POST', '/v1/campaigns', {
    name: 'A campaign',
    action: { type: 'reboot' },
    targets: { all: true, seed: 7 },
    ...spec,
    verify: { settleSeconds: 0, timeoutSeconds: 20, ...spec.verify },
  });

/** Those of people with tokens. */
async function tokens(browser, hub) {
  const texts = { viewer: 'a-viewer-of-tests', operator: 'an-operator-of-tests' };
  const tokensFile = join(folder, 'tokens.json');
  const entries = Object.entries(texts).map(([role, text]) => ({
    name: role,
    role,
    sha256: createHash('sha256').update(text).digest('hex'),
  }));
  writeFileSync(tokensFile, JSON.stringify(entries), { mode: 0o600 });
  await signIn(await openPage(browser), await startService({ quick: hub }, { tokensFile }), texts);
}

/** A webhook whose receiver says that it is gone for good; gives the settings' file, and the receiver. */
async function goneWebhook() {
  const receiver = createServer((request, answer) => request.resume().on('end', () => answer.writeHead(410).end()));
  await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const [webhooksFile, secretFile] = ['webhooks.json', 'secret'].map((name) => join(folder, name));
  writeFileSync(secretFile, `whsec_${Buffer.alloc(24, 7).toString('base64')}`, { mode: 0o600 });
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  writeFileSync(webhooksFile, JSON.stringify([{ name: 'gone', url, secretFile }]), { mode: 0o600 });
  return { webhooksFile, receiver };
}

async function main() {
  const hubs = Object.fromEntries(
    await Promise.all(
      Object.entries({
        quick: startHub(120, times),
        sites: startHub(60, { ...times, siteSize: 12, tempers: { lying: 1 } }),
        half: startHub(160, { ...times, tempers: { refusing: 0.5 } }),
        busy: startHub(160, { ...times, tempers: { refusing: 0.5 } }),
        killed: startHub(1000, times),
      }).map(async ([name, hub]) => [name, await hub]),
    ),
  );
  const { busy, killed, ...ours } = hubs;
  const { webhooksFile, receiver } = await goneWebhook();
  const [service, browser] = await Promise.all([startService(ours, { webhooksFile }), startBrowser()]);
  const make = maker(service);
  try {
    // mostly they wait: three rows, none of which sees another's devices or campaigns
    await Promise.all([
      (async () => {
        const page = await openPage(browser);
        await flows(page, service, make);
        await safety(page, service, make);
        await looks(browser, service, make);
      })(),
      (async () => {
        const other = await startService({ busy });
        await agree(browser, other, maker(other));
      })(),
      (async () => {
        await tokens(browser, killed);
        await resume(await openPage(browser), killed);
      })(),
    ]);
    if (process.env.ROLLCALL_TEST_LONG === 'true') await million(browser, hubs.quick);
    await it('no page complained', async () => is(complaints, []));
    await it('no request left its origin', async () =>
      is([...new Set(requests.map((r) => new URL(r.url).hostname))], ['127.0.0.1']));
  } finally {
    await browser.close();
    receiver.close();
    await stopAll();
  }
  finish();
}

await main();
