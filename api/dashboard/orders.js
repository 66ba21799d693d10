// The orders that people give, each with a sentence on what it will do.
import { campaignPath, send } from './api.js';
import { confirm } from './dialog.js';
import { h } from './dom.js';
import { devices, number, percent, time } from './format.js';
import { isOut, jsonInline } from './parts.js';
import { isFinal, nameOf, meaningOf, reason } from './words.js';

const p = (...text) => h('p', {}, text);
const waveName = (wave) => (wave.name ? `wave ${wave.index + 1} “${wave.name}”` : `wave ${wave.index + 1}`);

/** The wave whose gate has yet to be passed, and the one it would open; undefined where there is none. */
export const gateWave = (c) =>
  c.waves.find((w) => ['open', 'soaking', 'failed'].includes(w.state)) ?? c.waves.findLast((w) => w.state === 'passed');
export const nextWave = (c) => c.waves.find((w) => w.state === 'pending');

function pause(c) {
  return confirm({
    title: 'Pause this campaign',
    yes: 'Pause',
    body: [
      p('From the moment this is answered no new call leaves.'),
      p(
        isOut(c.counts) > 0
          ? `${devices(isOut(c.counts))} that have been called go on to their end. `
          : 'No device is between call and proof. ',
        `${devices(c.counts.waiting)} stay waiting until somebody resumes it.`,
      ),
      c.schedule?.endAt && p('Its end does not move: ', time(c.schedule.endAt), '.'),
    ],
    act: () => send('POST', campaignPath(c.id, 'pause')),
  });
}

function resume(c) {
  const failed = c.waves.find((w) => w.state === 'failed');
  return confirm({
    title: 'Resume this campaign',
    yes: 'Resume',
    body: [
      p(`Calls go out again to the ${devices(c.counts.waiting)} that wait, within the limits of the campaign.`),
      p('Abort rules count afresh from here.'),
      failed &&
        p(
          `The gate of ${waveName(failed)} has failed: its own devices go on, but the next wave opens only by an override.`,
        ),
    ],
    act: () => send('POST', campaignPath(c.id, 'resume')),
  });
}

function approve(c) {
  const next = nextWave(c);
  return confirm({
    title: 'Approve',
    yes: 'Approve',
    body: [
      p(
        next && next.index > 0
          ? `${waveName(next)[0].toUpperCase()}${waveName(next).slice(1)} opens, and its ${devices(next.size ?? 0)} may be called.`
          : `The campaign starts: ${devices(next?.size ?? c.counts.total)} of the first wave may be called.`,
      ),
      p('An approval cannot be taken back; you can still pause.'),
    ],
    act: () => send('POST', campaignPath(c.id, 'approve')),
  });
}

function override(c) {
  const failed = c.waves.find((w) => w.state === 'failed'),
    next = nextWave(c);
  const share = percent(failed.counts.succeeded - failed.relapsed, failed.counts.succeeded + failed.counts.failed);
  return confirm({
    title: 'Override a failed gate',
    yes: 'Override',
    isGrave: true,
    check: 'I have looked at what failed.',
    body: [
      p(
        `The gate of ${waveName(failed)} asks for ${failed.gate.minSuccessPercent} % proven, and of those that ended ${share} are.`,
      ),
      p(
        next ? `Overriding opens ${waveName(next)} all the same: ${devices(next.size ?? 0)} more may be called. ` : '',
        'Abort rules count afresh from here.',
      ),
    ],
    act: () => send('POST', campaignPath(c.id, 'approve'), { override: true }),
  });
}

function cancel(c) {
  return confirm({
    title: 'Cancel this campaign',
    yes: 'Cancel the campaign',
    isGrave: true,
    body: [
      p(`${devices(c.counts.waiting)} that wait will never be called by this campaign: they end as cancelled.`),
      p(
        isOut(c.counts) > 0
          ? `${devices(isOut(c.counts))} that have been called settle under their own reasons first.`
          : 'No device is between call and proof.',
      ),
      p('A cancelled campaign cannot be resumed. To stop for a while, pause it.'),
    ],
    act: () => send('POST', campaignPath(c.id, 'cancel')),
  });
}

async function retry(c) {
  const key = crypto.randomUUID();
  const kinds = Object.entries(c.failedBy);
  const made = await confirm({
    title: 'Retry what failed',
    yes: 'Make the campaign',
    body: [
      p('Makes a new campaign with the same spec over the devices that failed for these reasons. It starts at once.'),
      h(
        'fieldset',
        {},
        h('legend', {}, 'Reasons'),
        kinds.map(([kind, n]) =>
          h(
            'p',
            { class: 'check' },
            h('input', {
              type: 'checkbox',
              name: 'reason',
              value: kind,
              id: `retry-${kind}`,
              checked: kind !== 'unknown',
            }),
            h(
              'label',
              { for: `retry-${kind}` },
              h('b', {}, nameOf(reason, kind)),
              ` ${number(n)} `,
              h('span', { class: 'note' }, meaningOf(reason, kind)),
            ),
          ),
        ),
      ),
    ],
    act: async (form) => {
      const reasons = [...form.querySelectorAll('[name=reason]:checked')].map((box) => box.value);
      if (reasons.length === 0) throw new Error('Choose at least one reason.');
      return send('POST', campaignPath(c.id, 'retry'), { reasons }, { key });
    },
  });
  if (made) location.hash = `#/campaigns/${encodeURIComponent(made.id)}`;
}

async function forget(c) {
  const done = await confirm({
    title: 'Delete this campaign',
    yes: 'Delete',
    isGrave: true,
    body: [
      p(
        `The record of what came of its ${devices(c.counts.total)} goes with it. Its events stay for as long as events are kept.`,
      ),
    ],
    act: async () => {
      await send('DELETE', campaignPath(c.id));
      return true;
    },
  });
  if (done) location.hash = '#/';
}

/** The orders that a campaign can be given now, as buttons; done() after one was. */
export function campaignOrders(c, done) {
  const button = (name, order, kind) =>
    h(
      'button',
      {
        type: 'button',
        class: kind,
        'data-key': name,
        on: {
          click: async () => {
            if (await order(c)) done();
          },
        },
      },
      name,
    );
  const isGateFailed = c.state === 'paused' && c.waves.some((w) => w.state === 'failed') && nextWave(c);
  return [
    c.state === 'awaitingApproval' && button('Approve …', approve, 'primary'),
    isGateFailed && button('Override …', override),
    c.state === 'paused' && button('Resume …', resume, isGateFailed ? null : 'primary'),
    ['scheduled', 'selecting', 'awaitingApproval', 'running'].includes(c.state) && button('Pause …', pause),
    !isFinal(c) && c.state !== 'cancelling' && button('Cancel …', cancel),
    Object.keys(c.failedBy).length > 0 && button('Retry failed …', retry, isFinal(c) ? 'primary' : null),
    isFinal(c) && button('Delete …', forget),
  ];
}

/** The orders that one device of a campaign can be given now. */
export function targetOrders(campaignId, t, done) {
  if (t.state !== 'waiting') return [];
  const where = (order) =>
    `${campaignPath(campaignId, 'targets', t.deviceId, order)}${t.hub ? `?hub=${encodeURIComponent(t.hub)}` : ''}`;
  const ask =
    (title, yes, ...body) =>
    async () => {
      if (await confirm({ title, yes, body, act: () => send('POST', where(yes === 'Skip' ? 'skip' : 'retry')) }))
        done();
    };
  const device = jsonInline(t.deviceId);
  return [
    h(
      'button',
      {
        type: 'button',
        'data-key': 'skip',
        on: {
          click: ask(
            'Skip this device',
            'Skip',
            p(
              device,
              ' will not be called by this campaign: it ends as skipped, by an operator. This cannot be undone.',
            ),
          ),
        },
      },
      'Skip …',
    ),
    ['offline', 'backoff', 'health'].includes(t.waitingFor) &&
      h(
        'button',
        {
          type: 'button',
          'data-key': 'retry',
          on: {
            click: ask(
              'Try this device now',
              'Try now',
              p('Ends its wait: ', device, ' is called as soon as everything else allows.'),
            ),
          },
        },
        'Try now …',
      ),
  ];
}
