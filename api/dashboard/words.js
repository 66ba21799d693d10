// What the API's words are called here, and what they mean.

export const TARGET_STATES = [
  'succeeded',
  'failed',
  'doubtful',
  'awaitingProof',
  'invoking',
  'waiting',
  'skipped',
  'cancelled',
];

export const targetState = {
  succeeded: ['Proven', 'Proven done by what its twin says.'],
  failed: ['Failed', 'Will not be called again by this campaign.'],
  doubtful: ['In doubt', 'The call left and its answer is lost: it may have acted or not.'],
  awaitingProof: ['Awaiting proof', 'The device accepted; its twin does not show it yet.'],
  invoking: ['Being called', 'The call is on its way.'],
  waiting: ['Waiting', 'No call is out.'],
  skipped: ['Skipped', 'Never acted on.'],
  cancelled: ['Cancelled', 'Was waiting when the campaign was cancelled.'],
};

export const campaignState = {
  scheduled: ['Scheduled', 'starts later'],
  selecting: ['Selecting', 'finds its devices'],
  awaitingApproval: ['Needs approval', 'waits for a person'],
  running: ['Running', ''],
  paused: ['Paused', 'makes no new call'],
  cancelling: ['Cancelling', 'waits for calls that are out'],
  completed: ['Completed', ''],
  cancelled: ['Cancelled', ''],
  failed: ['Failed', 'its devices could not be selected'],
};
export const LIVE_STATES = ['scheduled', 'selecting', 'awaitingApproval', 'running', 'paused', 'cancelling'];
export const isFinal = (campaign) => !LIVE_STATES.includes(campaign.state);

export const waveState = {
  pending: 'Not open yet',
  open: 'Open',
  soaking: 'Soaking',
  passed: 'Passed',
  failed: 'Gate failed',
};

export const reason = {
  refused: ['Refused', 'The device answered with a status outside 200–299.'],
  noMethod: ['No such method', 'The device does not know the method.'],
  deviceFailed: ['Device says failed', 'Its twin says that the action failed.'],
  noProof: ['No proof', 'It accepted, and a twin read after the deadline still shows nothing.'],
  unknown: ['Unknown', 'A call may have acted, and nobody can tell: look at the device before you try again.'],
  offlineExpired: ['Offline too long', 'It was not connected for as long as the campaign waits.'],
  hubRejected: ['Hub rejected', 'The hub refused the request itself.'],
  gone: ['Gone', 'Deleted, disabled or re-created after it had been called.'],
  notFound: ['Not found', 'The hub does not know it.'],
  disabled: ['Disabled', 'Disabled in the hub’s registry.'],
  excluded: ['Excluded', 'Named in the campaign’s exclusions.'],
  alreadyDone: ['Already done', 'The condition held before any call.'],
  precheck: ['Pre-check', 'The pre-check did not hold.'],
  groupBlocked: ['Group blocked', 'Failed devices of its group use up the group’s budget.'],
  windowEnded: ['Window ended', 'Its window closed for the last time.'],
  campaignEnded: ['Campaign ended', 'The campaign’s end came first.'],
  byOperator: ['By an operator', 'Somebody left it out.'],
};

/** Name; why one device waits; why several do. */
export const waitingFor = {
  paused: ['Paused', 'the campaign is paused'],
  selection: ['Selection', 'the devices are still being found'],
  start: ['Start', 'the campaign has not started yet'],
  approval: ['Approval', 'a person has to approve'],
  wave: ['Wave', 'its wave is not open yet', 'their wave is not open yet'],
  blackout: ['Blackout', 'it is a blackout day'],
  window: ['Window', 'its window is closed', 'their window is closed'],
  hub: ['Hub', 'the hub takes no calls'],
  device: ['Busy elsewhere', 'another campaign is busy with it', 'another campaign is busy with them'],
  offline: ['Offline', 'it is not connected', 'they are not connected'],
  backoff: ['Back-off', 'it rests before it is called again', 'they rest before they are called again'],
  health: ['Pre-check', 'its pre-check does not hold yet', 'their pre-check does not hold yet'],
  group: ['Group', 'too many of its group are down', 'too many of their group are down'],
  capacity: ['Capacity', 'as many devices are down as the campaign allows'],
  rate: ['Rate', 'calls go out one after the other'],
};
export const whyOne = (kind) => waitingFor[kind]?.[1] ?? `of ${spoken(kind)}`;
export const whySeveral = (kind) => waitingFor[kind]?.at(-1) ?? `of ${spoken(kind)}`;

export const action = {
  reboot: ['Reboot', 'reboots'],
  factoryReset: ['Factory reset', 'resets to factory state'],
  firmwareUpdate: ['Firmware update', 'updates the firmware of'],
  method: ['Method', 'calls a method on'],
};
export const actionName = (a) => (a.type === 'method' ? `Method “${a.methodName}”` : nameOf(action, a.type));

export const webhookState = {
  idle: ['Up to date', 'has been told all'],
  sending: ['Sending', 'is being told'],
  waiting: ['Failing', 'did not take the last message, which is sent again'],
};
export const hubState = {
  open: ['Open', 'takes calls'],
  starting: ['Starting', 'is read for the first time'],
  ambiguousAnswers: ['Unclear answers', 'answered ambiguously too often: calls wait until a read works'],
  down: ['Down', 'cannot be reached'],
  unauthorised: ['Unauthorised', 'does not take our key'],
  throttled: ['Throttled', 'asks for a rest'],
  quota: ['Quota used up', 'takes no more messages today'],
};

export const strength = {
  attemptId: 'our attempt id',
  bootId: 'a new boot id',
  value: 'a new value',
  predicate: 'the condition holds',
  accepted: 'its answer alone',
  reconnect: 'it reconnected',
  none: 'no proof',
};
export const source = {
  reply: 'the device’s answer',
  read: 'a read of its twin',
  query: 'a query',
  event: 'an event',
  none: 'nothing',
};

/** "awaitingProof" → "awaiting proof": for a word that this version does not know. */
export const spoken = (word) => String(word).replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`);
export const nameOf = (table, word) => (Object.hasOwn(table, word) ? [table[word]].flat()[0] : spoken(word));
export const meaningOf = (table, word) => (Object.hasOwn(table, word) ? [table[word]].flat().at(-1) : '');
