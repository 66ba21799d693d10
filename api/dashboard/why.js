// Why the rest waits, and until when, in sentences.
import { campaignPath, get, path } from './api.js';
import { h } from './dom.js';
import { devices, listed, number, percent, plural, since, span, timeUntil, until } from './format.js';
import { icon } from './icons.js';
import { link } from './parts.js';
import { gateWave, nextWave } from './orders.js';
import { hubState, meaningOf, nameOf, spoken, waitingFor, whyOne, whySeveral } from './words.js';

const whose = (g) => ({ group: g.group ?? '', ...(g.hub && { hub: g.hub }) });
const BLOCKED_SHOWN = 5,
  HELD_MAX = 200;
const hasClock = ['window', 'blackout', 'backoff', 'offline', 'health', 'hub'];

const doing = {
  failed: 'has failed',
  doubtful: 'is in doubt',
  invoking: 'is being called',
  awaitingProof: 'has not come back',
  settling: 'settles',
  offline: 'was found offline',
};

/** A group's name, with its hub: the same value on another hub is another group. */
export const groupName = (g, isAlone = true) => (g.group ?? '(no tag)') + (isAlone ? '' : ` on ${g.hub}`);

/** How many of a group may be down: a number, or a share of it, rounded down and at least one. */
export function groupLimit(campaign, group) {
  const limit = campaign.rollout.group.maxUnavailable;
  return typeof limit === 'number' ? limit : Math.max(1, Math.floor((group.size * parseInt(limit, 10)) / 100));
}

/** What the sentences need beside the campaign: hubs, one sample for each reason that has a clock, whom the
 * fullest groups hold back. */
export async function readWhy(campaign, groups, signal) {
  const reasons = Object.keys(campaign.waitingBy);
  const sample = (params) =>
    get(campaignPath(campaign.id, 'targets') + '?' + new URLSearchParams({ limit: 3, ...params }), signal).then(
      (page) => page.value,
    );
  const full = reasons.includes('group') ? groups.filter((g) => g.waiting > 0 && g.blockedBy.length > 0) : [];
  const [hubs, samples, blockers] = await Promise.all([
    reasons.includes('hub') ? get(path(['hubs']), signal).then((page) => page.value) : [],
    Promise.all(reasons.filter((r) => hasClock.includes(r)).map(async (r) => [r, await sample({ waitingFor: r })])),
    Promise.all(
      full
        .sort((a, b) => b.counts.failed - a.counts.failed || b.waiting - a.waiting)
        .slice(0, BLOCKED_SHOWN)
        .map(async (group) => ({
          group,
          held: await get(
            campaignPath(campaign.id, 'targets') +
              '?' +
              new URLSearchParams({ ...whose(group), waitingFor: 'group', limit: HELD_MAX }),
            signal,
          ),
        })),
    ),
  ]);
  return {
    hubs,
    samples: new Map(samples),
    blockers: blockers.filter((b) => b.held.value.length > 0),
    fullGroups: full.length,
  };
}

function gateSentence(c) {
  const wave = gateWave(c),
    next = nextWave(c);
  if (!wave || !next) return 'for their wave to open.';
  const g = wave.gate,
    left = wave.size - (wave.counts.succeeded + wave.counts.failed + wave.counts.skipped + wave.counts.cancelled);
  const judged = wave.counts.succeeded + wave.counts.failed;
  const name = `wave ${wave.index + 1}${wave.name ? ` “${wave.name}”` : ''}`;
  if (wave.state === 'failed') {
    const share = `${percent(wave.counts.succeeded - wave.relapsed, judged)} are proven and ${g.minSuccessPercent} % asked for`;
    return `for wave ${next.index + 1}, but the gate of ${name} has failed: ${share}.`;
  }
  if (wave.state === 'soaking' && g.soaksUntil) return [`for ${name} to soak until `, timeUntil(g.soaksUntil), '.'];
  const more = [
    left > 0 && `its last ${devices(left)} to end`,
    g.minSuccessPercent > 0 && `${g.minSuccessPercent} % of it to be proven`,
    g.soakSeconds > 0 && `${span(g.soakSeconds * 1000)} of soak`,
  ].filter(Boolean);
  return [
    `for wave ${next.index + 1} to open: ${name} still needs `,
    listed(more.length > 0 ? more : ['its gate']),
    '.',
  ];
}

function nextOf(why, kind) {
  const times = (why.samples.get(kind) ?? [])
    .map((t) => t.nextAt)
    .filter(Boolean)
    .sort();
  return times.length > 0 ? [' The next can go on ', until(times[0]), '.'] : null;
}

function hubSentence(why) {
  const shut = why.hubs.filter((hub) => hub.state !== 'open');
  if (shut.length === 0) return ['for the hub.', nextOf(why, 'hub')];
  return [
    'for ',
    listed(
      shut.map((hub) => [
        `hub ${hub.name}, which ${meaningOf(hubState, hub.state)}`,
        hub.stateUntil && [' until ', timeUntil(hub.stateUntil)],
      ]),
    ),
    '.',
  ];
}

function sentence(c, why, kind, n) {
  switch (kind) {
    case 'paused':
      return [
        'because the campaign is paused',
        c.stateReason && ` (${c.stateReason})`,
        '. They go on when somebody resumes it.',
      ];
    case 'selection':
      return `while the devices are being found: ${number(c.selected ?? c.counts.total)} so far.`;
    case 'start':
      return c.schedule?.startAt ? ['for the start at ', timeUntil(c.schedule.startAt), '.'] : 'for the start.';
    case 'approval':
      return ['for a person to approve', nextWave(c) && ` wave ${nextWave(c).index + 1}`, '.'];
    case 'wave':
      return gateSentence(c);
    case 'hub':
      return hubSentence(why);
    case 'capacity':
      return `because ${c.rollout?.maxUnavailable ?? 100} may be down at once, and that many are.`;
    case 'rate':
      return c.rollout?.ratePerMinute
        ? `their turn: ${plural(c.rollout.ratePerMinute, 'call')} a minute go out.`
        : 'their turn: calls go out one after the other.';
    default:
      return [`because ${n === 1 ? whyOne(kind) : whySeveral(kind)}.`, nextOf(why, kind)];
  }
}

/** Who of a group is down, in words: "kiosk-7 has not come back (14 min)". */
export function whoIsDown(campaignId, group) {
  const named = group.blockedBy
    .slice(0, 2)
    .map((by) => [
      h(
        'a',
        { href: link(['campaigns', by.campaignId ?? campaignId, 'targets', by.deviceId], { hub: group.hub }) },
        by.deviceId,
      ),
      ` ${doing[by.state] ?? spoken(by.state)}`,
      by.campaignId !== campaignId && by.campaignId !== null && ' in another campaign',
      by.since && [' (', since(by.since), ')'],
    ]);
  const more = group.unavailable - named.length;
  return listed([...named, ...(more > 0 ? [`${number(more)} more ${more === 1 ? 'is' : 'are'} down`] : [])]);
}

function blockerSentence(c, { group, held }) {
  const n = held.value.length,
    count = held.nextLink ? `more than ${number(n)} devices` : devices(n);
  return h(
    'li',
    { 'data-key': `g-${group.hub}/${group.group}`, class: 'inner' },
    icon('lock'),
    h(
      'span',
      {},
      h('a', { href: link(['campaigns', c.id, 'targets'], { ...whose(group), waitingFor: 'group' }) }, count),
      ` at ${groupName(group, c.hubs.length < 2)} ${n === 1 ? 'waits' : 'wait'} because `,
      whoIsDown(c.id, group),
      '.',
    ),
  );
}

/** A list of sentences; each count leads to the devices. */
export function whyList(c, why) {
  return Object.entries(c.waitingBy)
    .filter(([, n]) => n > 0)
    .sort((a, b) => b[1] - a[1])
    .flatMap(([kind, n]) => {
      const head = h(
        'li',
        { 'data-key': kind, 'data-wait': kind },
        icon('waiting'),
        h(
          'span',
          {},
          h(
            'a',
            {
              href: link(['campaigns', c.id, 'targets'], { waitingFor: kind }),
              'aria-label': `${devices(n)}: ${nameOf(waitingFor, kind)}`,
            },
            h('b', {}, devices(n)),
          ),
          n === 1 ? ' waits ' : ' wait ',
          kind === 'group' && why.blockers.length > 0
            ? `because too many of ${n === 1 ? 'its' : 'their'} group are down:`
            : sentence(c, why, kind, n),
        ),
      );
      return kind === 'group'
        ? [
            head,
            ...why.blockers.map((b) => blockerSentence(c, b)),
            why.fullGroups > BLOCKED_SHOWN &&
              h(
                'li',
                { 'data-key': 'more-groups', class: 'inner note' },
                `… and so at up to ${plural(why.fullGroups - why.blockers.length, 'other group')}.`,
              ),
          ]
        : [head];
    });
}
