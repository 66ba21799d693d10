// tests/dashboard: what people do: watch, pause, resume, approve, override, retry, skip, find out why a device waits.
import { readFileSync } from 'node:fs';
import { go, order, waitState } from './pages.js';
import { ask, until } from './rig.js';
import { holds, is, it } from './suite.js';

const get = (service, campaign) => ask(service, 'GET', `/v1/campaigns/${campaign.id}`);
const address = (campaign, rest = '') => `#/campaigns/${campaign.id}${rest}`;

/** What the page shows of counts, by state. */
const shownCounts = (page) =>
  page.evaluate(() =>
    Object.fromEntries(
      [...document.querySelectorAll('.view > .legend .count')].map((b) => [
        b.dataset.state,
        Number(b.textContent.replaceAll(',', '')),
      ]),
    ),
  );

export async function flows(page, service, make) {
  await it(
    'a campaign is made: faults at their fields, a preview, and a start only of what was previewed',
    async () => {
      await go(page, service, '#/');
      await page.getByRole('link', { name: 'New campaign' }).click();
      const start = page.getByRole('button', { name: 'Start …' }),
        preview = page.getByRole('button', { name: /^Preview/ });
      const name = page.getByLabel('Name', { exact: true }),
        json = page.getByLabel('The spec as JSON');
      await preview.click();
      await page.getByRole('alert').getByText('2 things are wrong').waitFor();
      is(await name.getAttribute('aria-invalid'), 'true');
      holds(
        /must have 1 to 200 characters/.test(
          await page.locator(`[id="${await name.getAttribute('id')}-fault"]`).innerText(),
        ),
        'the fault is at the field',
      );
      await page.getByRole('alert').getByRole('link').first().click();
      is(await name.evaluate((input) => input === document.activeElement), true, 'the fault leads to the field');
      await name.fill('Made by hand');
      await page.getByLabel('every device of the hubs').check();
      await page.getByLabel('Gate: soak, in minutes').fill('0');
      const spec = JSON.parse(await json.inputValue());
      is([spec.name, spec.targets, spec.rollout.gate.soakSeconds], ['Made by hand', { all: true }, 0]);
      await json.fill(JSON.stringify({ ...spec, hubs: ['quick'], verify: { settleSeconds: 0 }, abort: undefined }));
      is(await page.getByLabel('Stop when so many % fail').inputValue(), '', 'the form follows the JSON');
      is(await start.isDisabled(), true);
      await preview.click();
      await page.locator('.headline', { hasText: '120 devices will be called' }).waitFor();
      await page.getByText('nothing stops the campaign, however many devices fail').waitFor();
      is(await page.getByRole('region', { name: 'Waves' }).locator('tbody tr td:nth-child(2)').allInnerTexts(), [
        '1',
        '11',
        '108',
      ]);
      await page.getByLabel('Down at once, at most').fill('50%');
      is(await start.isDisabled(), true, 'what has changed cannot start');
      await preview.click();
      await page.getByRole('button', { name: 'Preview again' }).waitFor();
      const said = await order(page, 'Start …', 'Start');
      holds(/Made by hand reboots 120 devices/.test(said), said);
      await page.getByRole('heading', { name: 'Made by hand' }).waitFor();
      await waitState(page, 'Completed');
      await page.getByText('Planned to be done').waitFor();
      const made = await ask(service, 'GET', `/v1/campaigns/${page.url().split('/').at(-1)}`);
      is([made.counts.succeeded, made.rollout.maxUnavailable, made.hubs], [120, '50%', ['quick']]);
    },
    page,
  );

  await it(
    'a campaign is watched to its end without a reload',
    async () => {
      const c = await make({
        hubs: ['quick'],
        rollout: {
          waves: [{ name: 'canary', upToCount: 6 }, { upToPercent: 100 }],
          gate: { approval: 'afterFirst' },
          maxUnavailable: 40,
        },
      });
      await go(page, service, address(c));
      await page.locator('.figure dd', { hasText: '5 %' }).first().waitFor();
      await ask(service, 'POST', `/v1/campaigns/${c.id}/approve`);
      await waitState(page, 'Completed');
      is(await shownCounts(page), { succeeded: (await get(service, c)).counts.total });
      is(await page.locator('.stream').innerText(), 'Live');
      await page.getByText('all of it ended').waitFor();
    },
    page,
  );

  await it(
    'pause and resume say what they will do, do it, and can be left alone',
    async () => {
      const c = await make({ hubs: ['quick'], rollout: { maxUnavailable: 1 } });
      await go(page, service, address(c));
      await waitState(page, 'Running');
      await page.getByRole('button', { name: 'Pause …' }).click();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      is((await get(service, c)).state, 'running');
      const said = await order(page, 'Pause …', 'Pause');
      holds(/no new call leaves/.test(said), said);
      await waitState(page, 'Paused');
      is((await get(service, c)).state, 'paused');
      await page.locator('[data-wait=paused]', { hasText: 'They go on when somebody resumes it' }).waitFor();
      await order(page, 'Resume …', 'Resume');
      await waitState(page, 'Running');
      is((await get(service, c)).state, 'running');
      const last = await order(page, 'Cancel …', 'Cancel the campaign');
      holds(/will never be called by this campaign/.test(last), last);
      await waitState(page, 'Cancelled');
    },
    page,
  );

  await it(
    'what changes while a page opens is shown, though no event follows',
    async () => {
      const c = await make({ hubs: ['quick'], schedule: { startAt: '2099-01-01T00:00:00Z' } });
      await page.route(/after=9007199254740991/, async (route) => {
        await ask(service, 'POST', `/v1/campaigns/${c.id}/cancel`);
        await route.continue();
      });
      await go(page, service, address(c));
      await waitState(page, 'Cancelled');
      await page.unroute(/after=9007199254740991/);
    },
    page,
  );

  await it(
    'a schedule is made, and tells its next occurrences on the clocks of its zone',
    async () => {
      await go(page, service, '#/schedules');
      await page.getByRole('link', { name: 'New schedule' }).click();
      await page.getByLabel('Name of the schedule').fill('Sundays at half past two');
      await page.getByLabel('Cron').fill('30 2 * * 0');
      await page.getByLabel('Time zone').first().fill('Europe/Atlantis');
      await page.getByLabel('From').fill('2027-03-20T00:00');
      await page.getByLabel('Name', { exact: true }).fill('Reboot by schedule');
      await page.getByLabel('those named here').check();
      await page.getByLabel('Device ids').fill('dev-000001 dev-000002');
      await page.getByLabel('A proven device settles').fill('0');
      const json = page.getByLabel('The spec as JSON'),
        spec = JSON.parse(await json.inputValue());
      await json.fill(JSON.stringify({ ...spec, campaign: { ...spec.campaign, hubs: ['quick'] } }));
      await page.getByRole('button', { name: /^Preview/ }).click();
      await page.locator('.headline', { hasText: 'will be called' }).waitFor();
      await page.getByRole('button', { name: 'Make the schedule …' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
      await page.getByRole('dialog').getByRole('alert').waitFor();
      await page.keyboard.press('Escape');
      is(await page.getByLabel('Time zone').first().getAttribute('aria-invalid'), 'true', 'a zone that is none');
      await page.getByLabel('Time zone').first().fill('Europe/Stockholm');
      holds(
        (await order(page, 'Make the schedule …', 'Make it')).includes('starts a new campaign each time'),
        'it says so',
      );
      const card = page.locator('.panel', { has: page.getByRole('heading', { name: 'Sundays at half past two' }) });
      await card.locator('.occurrences').waitFor();
      is(
        (await card.locator('.occurrences li span:first-child').allInnerTexts()).slice(0, 3),
        ['Sun 21 Mar 2027, 02:30 (+01:00)', 'Sun 28 Mar 2027, 03:30 (+02:00)', 'Sun 4 Apr 2027, 02:30 (+02:00)'].map(
          (text) => text.replace(/^(\w+) /, '$1, '),
        ),
      );
      await card.getByText('the clock leaps over it').waitFor();
      await order(page, 'Pause …', 'Pause');
      await card.getByText('none of these starts a campaign').waitFor();
      await order(page, 'Resume …', 'Resume');
      await order(page, 'Run now …', 'Run now');
      await card.getByRole('link', { name: 'Its campaigns' }).click();
      await page.getByRole('link', { name: 'Reboot by schedule' }).click();
      await page.locator('.state-line', { hasText: 'by a schedule' }).waitFor();
    },
    page,
  );

  await it(
    'a wave that waits for a person is approved, and the list shows it first',
    async () => {
      const c = await make({
        hubs: ['quick'],
        name: 'Needs somebody',
        rollout: {
          waves: [
            { name: 'canary', upToCount: 3 },
            { name: 'rest', upToPercent: 100 },
          ],
          gate: { approval: 'each' },
          maxUnavailable: 40,
        },
      });
      await go(page, service, '#/');
      await page
        .getByRole('region', { name: 'Campaigns that need a person' })
        .getByRole('link', { name: 'Needs somebody' })
        .click();
      await waitState(page, 'Needs approval');
      await page.locator('[data-wait=approval]', { hasText: 'for a person to approve wave 2' }).waitFor();
      const said = await order(page, 'Approve …', 'Approve');
      holds(/Wave 2 “rest” opens/.test(said), said);
      await waitState(page, 'Completed');
      is(
        (await get(service, c)).waves.map((w) => w.gate.isApproved),
        [true, false],
      );
    },
    page,
  );

  await it(
    'why a device waits is told with the device that holds it back',
    async () => {
      const c = await make({
        hubs: ['sites'],
        rollout: { group: { by: 'tags.site', maxUnavailable: 1 } },
        verify: { timeoutSeconds: 600, settleSeconds: 0 },
      });
      // every device of this hub answers and does nothing, so the first of each site holds back the rest of it
      await until('one device of each site to be out', async () => {
        const { counts } = await get(service, c);
        return counts.awaitingProof === 5 && counts.invoking === 0;
      });
      const [stuck] = (await ask(service, 'GET', `/v1/campaigns/${c.id}/targets?state=awaitingProof`)).value;
      await go(page, service, address(c));
      const sentence = page.locator('.sentences li', { hasText: stuck.deviceId });
      await sentence.getByText(stuck.deviceId).waitFor();
      holds(
        new RegExp(`^11 devices at ${stuck.group} wait because ${stuck.deviceId} has not come back \\(.*\\)\\.$`).test(
          (await sentence.innerText()).trim(),
        ),
        await sentence.innerText(),
      );
      await page.locator(`.map a[aria-label^="${stuck.group}: busy"]`).waitFor();
      await sentence.getByRole('link').first().click();
      const row = page.getByRole('row').nth(1);
      await row.getByText('too many of its group are down').waitFor();
      await row.getByRole('link').click();
      await page.locator('.state-line', { hasText: `waits because ${stuck.deviceId} has not come back` }).waitFor();
      const said = await order(page, 'Skip …', 'Skip');
      holds(/will not be called by this campaign/.test(said), said);
      await page.locator('.state-line', { hasText: 'Somebody left it out' }).waitFor();
      await go(page, service, address(c, `/targets/${stuck.deviceId}`));
      await page.getByText('The device answered 200').waitFor();
      await page.getByText('Baseline').waitFor();
      await ask(service, 'POST', `/v1/campaigns/${c.id}/cancel`);
    },
    page,
  );

  await it(
    'a gate that failed is overridden only by somebody who has looked, and what failed is retried',
    async () => {
      const c = await make({
        hubs: ['half'],
        rollout: {
          maxUnavailable: 100,
          waves: [{ name: 'canary', upToCount: 20 }, { upToPercent: 100 }],
          gate: { minSuccessPercent: 90 },
        },
      });
      await go(page, service, address(c));
      await waitState(page, 'Paused');
      await page.locator('.lane-failed', { hasText: 'Gate failed' }).waitFor();
      await page.getByRole('button', { name: 'Override …' }).click();
      const yes = page.getByRole('dialog').getByRole('button', { name: 'Override' });
      is(await yes.isDisabled(), true);
      await page.getByLabel('I have looked at what failed.').check();
      await yes.click();
      await waitState(page, 'Completed');
      const { failedBy } = await get(service, c);
      is(await page.locator('[data-reason=refused]').innerText(), String(failedBy.refused));
      await page.getByRole('button', { name: 'Retry failed …' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Make the campaign' }).click();
      await page.getByText('retry of').waitFor();
      const made = await ask(service, 'GET', `/v1/campaigns/${decodeURIComponent(page.url().split('/').at(-1))}`);
      is([made.retryOf, made.counts.total], [c.id, failedBy.refused]);
    },
    page,
  );

  await it(
    'webhooks tell what was given up, until it is forgotten',
    async () => {
      await go(page, service, '#/webhooks');
      await page.getByRole('row', { name: /gone.*answered 410/ }).getByRole('link').click();
      await page.getByRole('row', { name: /campaign\.created.*answered 410/ }).first().waitFor();
      const { value } = await ask(service, 'GET', '/v1/webhooks');
      holds((await order(page, 'Forget them …', 'Forget')).includes('will not be listed any more'), 'it says what is done');
      await page.getByText('Nothing.').waitFor();
      holds(value[0].deadLetters > 0, 'there were some');
      is((await ask(service, 'GET', '/v1/webhooks')).value[0].deadLetters, 0);
    },
    page,
  );

  await it(
    'the audit tells who did what',
    async () => {
      await go(page, service, '#/audit');
      await page
        .getByRole('row', { name: /local admin.*POST \/v1\/campaigns\/[^/]+\/retry/ })
        .first()
        .waitFor();
      await page
        .getByRole('row', { name: /POST \/v1\/campaigns\/.*approve.*paused → approved, overriding the gate/ })
        .first()
        .waitFor();
    },
    page,
  );

  await it(
    'devices come a page at a time, found by state, reason and id',
    async () => {
      const c = await make({ hubs: ['half'], rollout: { maxUnavailable: 100 } });
      await until('its end', async () => (await get(service, c)).state === 'completed');
      const { counts } = await get(service, c);
      await go(page, service, address(c, '/targets'));
      await page.getByText(`${counts.total} devices, in the order`).waitFor();
      is(await page.locator('tbody tr').count(), 50);
      const first = await page.locator('tbody tr').first().innerText();
      await page.getByRole('button', { name: 'Next' }).click();
      await page.getByText('page 2').waitFor();
      holds((await page.locator('tbody tr').first().innerText()) !== first, 'another page');
      await page.getByRole('button', { name: 'Previous' }).click();
      await page.locator('tbody tr', { hasText: first.split('\t')[0] }).waitFor();
      await page.getByLabel('State').selectOption('failed');
      await page.getByText(`${counts.failed} devices, in the order`).waitFor();
      const id = (await page.locator('tbody th').first().innerText()).trim();
      const saving = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Save all as CSV' }).click();
      const text = readFileSync(await (await saving).path(), 'utf8');
      is(text.trim().split('\n').length, counts.failed + 1, 'lines of the CSV, with its head');
      await go(page, service, address(c, '/targets'));
      await page.getByLabel('Device', { exact: true }).fill(id);
      await page.getByRole('button', { name: 'Find' }).click();
      await page
        .getByText('1 on this page')
        .or(page.locator('tbody tr').filter({ hasText: id }))
        .first()
        .waitFor();
      await page.locator('tbody').getByRole('link', { name: id }).click();
      await page.getByRole('link', { name: 'Its history' }).click();
      await page.getByRole('heading', { name: id }).waitFor();
      await page.getByRole('row').nth(1).waitFor();
    },
    page,
  );
}
