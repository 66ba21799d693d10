// What a campaign comes to before it starts, and later its plan against what became of it.
import { h } from './dom.js';
import { ago, devices, moment, now, number, plural, span, time, took } from './format.js';
import { icon } from './icons.js';
import { jsonInline, table } from './parts.js';
import { meaningOf, nameOf, reason, spoken } from './words.js';

const bounds = {
  nothing: 'nothing is left to call',
  action: 'the devices’ own time to act',
  rate: 'calls a minute of the campaign',
  capacity: 'how many may be down at once',
  group: 'the slowest group',
  hubCalls: 'calls that the hub grants',
  hubReads: 'twin reads that the hub grants',
  hubProofs: 'queries that the hub grants',
  hubMessages: 'the hub’s daily quota',
  hubShut: 'the hub, which takes no calls now',
  out: 'devices that are out already',
};
const boundName = (bound) => bounds[bound] ?? spoken(bound);
const sources = {
  query: 'by a query, which may lag behind',
  deviceIds: 'as named',
  list: 'by the list',
  selection: 'as selected',
};

function never(p) {
  if (p.targets.neverCalled.length === 0) return null;
  return h(
    'ul',
    { class: 'reasons' },
    p.targets.neverCalled.map((n) =>
      h(
        'li',
        { 'data-key': n.reason },
        icon('skipped'),
        h(
          'div',
          {},
          h('b', {}, devices(n.count)),
          ' will not be called: ',
          nameOf(reason, n.reason).toLowerCase(),
          h(
            'div',
            { class: 'note' },
            meaningOf(reason, n.reason),
            n.deviceIds.length > 0 && [
              ' ',
              n.deviceIds.slice(0, 5).flatMap((id, i) => [i > 0 && ', ', jsonInline(id)]),
              n.count > 5 && ' …',
            ],
          ),
        ),
      ),
    ),
  );
}

const waveName = (wave) => (wave.name ? `${wave.index + 1} · ${wave.name}` : String(wave.index + 1));

function waveTable(p) {
  return h(
    'div',
    { class: 'table-box', tabindex: '0', role: 'region', 'aria-label': 'Waves' },
    h(
      'table',
      {},
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ['Wave', 'Devices', 'Opens', 'Ends', 'Takes so long by'].map((name, i) =>
            h('th', { scope: 'col', class: i === 1 ? 'num' : null }, name),
          ),
        ),
      ),
      h(
        'tbody',
        {},
        p.waves.map((w) =>
          h(
            'tr',
            { 'data-key': w.index },
            h('th', { scope: 'row' }, waveName(w)),
            h('td', { class: 'num' }, number(w.size)),
            h('td', {}, w.waitsForApproval ? 'when approved' : time(w.opensAt)),
            h('td', {}, time(w.finishesAt)),
            h('td', { class: 'note' }, boundName(w.boundedBy)),
          ),
        ),
      ),
    ),
  );
}

const hubLine = (hub) =>
  h(
    'li',
    { 'data-key': hub.name },
    h('b', {}, hub.name),
    `: ${plural(hub.calls, 'call')}, about ${plural(hub.messages, 'message')}`,
    hub.dailyQuotaPercent !== null
      ? ` (${hub.dailyQuotaPercent} % of its day; ${number(hub.messagesLeftToday)} are left today)`
      : ', no daily limit',
  );

export function previewOf(p) {
  return [
    h(
      'p',
      { class: 'headline' },
      h('b', {}, devices(p.targets.toCall)),
      p.targets.toCall === p.targets.total ? ' will be called' : ` of ${number(p.targets.total)} will be called`,
      h('span', { class: 'note' }, ` counted ${sources[p.targets.countedBy] ?? spoken(p.targets.countedBy)}`),
    ),
    p.warnings.length > 0 &&
      h(
        'ul',
        { class: 'warnings', 'aria-label': 'Warnings' },
        p.warnings.map((w) =>
          h('li', { 'data-key': `${w.code}${w.detail}` }, icon('doubtful'), h('span', {}, w.detail)),
        ),
      ),
    never(p),
    waveTable(p),
    h(
      'p',
      {},
      p.finishesAt
        ? [
            'Done by ',
            h('b', {}, time(p.finishesAt)),
            `, ${span(Date.parse(p.finishesAt) - Date.parse(p.startsAt ?? p.madeAt))} after its start`,
          ]
        : 'When it will be done cannot be told',
      p.approvals > 0 && ` and as long as ${plural(p.approvals, 'approval')} ${p.approvals === 1 ? 'takes' : 'take'}`,
      '.',
    ),
    h(
      'p',
      { class: 'note' },
      `If nothing fails, and a device takes ${took(p.times.actionSeconds * 1000)} to act `,
      p.times.from === 'seen' ? '(as was seen before).' : '(assumed).',
      ` At most ${number(p.maxUnavailable)} are down at once.`,
    ),
    p.groups &&
      h(
        'p',
        { class: 'note' },
        `${plural(p.groups.count, 'group')} by ${p.groups.by}, the largest of ${devices(p.groups.largest[0]?.size ?? 0)}.`,
      ),
    p.windows &&
      h(
        'p',
        { class: 'note' },
        'Windows: ',
        p.windows
          .slice(0, 3)
          .map((w) => `${moment(Date.parse(w.from))} – ${moment(Date.parse(w.until))}`)
          .join('; '),
      ),
    h('ul', { class: 'note' }, p.hubs.map(hubLine)),
  ];
}

/** The plan as a line: how many should have ended by when. answer: of GET …/plan. */
export function planLine(answer) {
  const points = [];
  let ended = 0;
  for (const { planned, index } of answer.waves) {
    if (!answer.plan || !planned.opensAt || !planned.finishesAt) break;
    points.push({ at: Date.parse(planned.opensAt), ended });
    ended += answer.plan.waves[index].size;
    points.push({ at: Date.parse(planned.finishesAt), ended });
  }
  return points;
}

function late(planned, actual) {
  if (!planned || !actual) return null;
  const by = Date.parse(actual) - Date.parse(planned);
  if (Math.abs(by) < 5000) return h('div', { class: 'note' }, 'as planned');
  return h('div', { class: by > 0 ? 'tone-warn' : 'note' }, `${span(Math.abs(by))} ${by > 0 ? 'later' : 'earlier'}`);
}

/** One instant as it was, or is expected now, and by how much that is not as planned. */
const became = (isShort, planned, actual, predicted) => [
  actual ? time(actual, isShort) : predicted ? ['about ', time(predicted, isShort)] : '–',
  late(planned, actual ?? predicted),
];

const isOver = (at) => at && Date.parse(at) < now();

/** Plan against actual, wave by wave. */
export function planTable(answer) {
  const { plan, planned, actual, predictedFinishAt } = answer;
  const finish = actual.finishedAt ?? predictedFinishAt;
  const isShort = Date.parse(planned.finishesAt) - Date.parse(plan.startsAt ?? plan.madeAt) < 1800000;
  return [
    h(
      'p',
      {},
      planned.finishesAt ? ['Planned to be done ', h('b', {}, time(planned.finishesAt))] : 'No end was foretold',
      actual.finishedAt
        ? ['; done ', h('b', {}, time(actual.finishedAt))]
        : finish
          ? ['; now expected ', h('b', {}, time(finish))]
          : isOver(planned.finishesAt) && ['; that was ', ago(planned.finishesAt)],
      '.',
    ),
    table(
      'Plan against actual',
      [
        { name: 'Wave', cell: (w) => waveName(plan.waves[w.index]) },
        { name: 'Opens: plan', cell: (w) => time(w.planned.opensAt, isShort) },
        { name: 'Opens: actual', cell: (w) => became(isShort, w.planned.opensAt, w.actual.openedAt, w.predicted?.opensAt) },
        { name: 'Ends: plan', cell: (w) => time(w.planned.finishesAt, isShort) },
        {
          name: 'Ends: actual',
          cell: (w) => became(isShort, w.planned.finishesAt, w.actual.finishedAt, w.predicted?.finishesAt),
        },
      ],
      answer.waves,
      (w) => w.index,
    ),
    h('details', {}, h('summary', {}, 'The plan as it was made'), previewOf(plan)),
  ];
}
