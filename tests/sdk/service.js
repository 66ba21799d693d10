// tests/sdk: the unmodified service SDK, azure-iothub, against hubsim. $HUB and $TROUBLE are connection strings of an
// owner; at the second everything goes wrong in a known order.
'use strict';
const { Registry, Client, JobClient } = require('azure-iothub');
const { NoRetry } = require('azure-iot-common');
const { assert, it, failure, until, finish } = require('./suite.js');

const registry = Registry.fromConnectionString(process.env.HUB);
const client = Client.fromConnectionString(process.env.HUB);
const troubled = Client.fromConnectionString(process.env.TROUBLE);
client.setRetryPolicy(new NoRetry());
troubled.setRetryPolicy(new NoRetry());

const jobs = JobClient.fromConnectionString(process.env.TROUBLE); // an S1: one job at a time
const troubledRegistry = Registry.fromConnectionString(process.env.TROUBLE);

const body = (answer) => answer.responseBody ?? answer.result; // the SDK has both names
const reboot = (who, device, more) =>
  who.invokeDeviceMethod(device, { methodName: 'reboot', payload: null, responseTimeoutInSeconds: 5, ...more });

async function registryTests() {
  await it('a device that is created without keys gets them from the hub', async () => {
    const device = body(await registry.create({ deviceId: 'till-1' }));
    assert.equal(device.deviceId, 'till-1');
    assert.equal(device.status, 'enabled');
    assert.equal(Buffer.from(device.authentication.symmetricKey.primaryKey, 'base64').length >= 16, true);
    assert.notEqual(device.authentication.symmetricKey.primaryKey, device.authentication.symmetricKey.secondaryKey);
    assert.deepEqual(body(await registry.get('till-1')), device);
  });
  await it('a device of that name cannot be created again: DeviceAlreadyExistsError', async () => {
    assert.equal((await failure(registry.create({ deviceId: 'till-1' }))).name, 'DeviceAlreadyExistsError');
  });
  await it('an update changes status and keeps the keys that are sent along', async () => {
    const device = body(await registry.get('till-1'));
    const changed = body(await registry.update({ ...device, status: 'disabled', statusReason: 'stolen' }));
    assert.equal(changed.status, 'disabled');
    assert.equal(changed.statusReason, 'stolen');
    assert.deepEqual(changed.authentication.symmetricKey, device.authentication.symmetricKey);
    assert.notEqual(changed.etag, device.etag);
  });
  await it('a device of an id with every permitted character is found by it', async () => {
    const deviceId = "a-.%_*?!(),=@$'";
    await registry.create({ deviceId });
    assert.equal(body(await registry.get(deviceId)).deviceId, deviceId);
    assert.equal(body(await registry.getTwin(deviceId)).deviceId, deviceId);
    await registry.delete(deviceId);
  });
  await it('a device that is not there cannot be read, updated or deleted: DeviceNotFoundError', async () => {
    assert.equal((await failure(registry.get('nobody'))).name, 'DeviceNotFoundError');
    assert.equal((await failure(registry.update({ deviceId: 'nobody', status: 'enabled' }))).name, 'DeviceNotFoundError');
    assert.equal((await failure(registry.delete('nobody'))).name, 'DeviceNotFoundError');
  });
  await it('many are created and removed at once', async () => {
    const many = Array.from({ length: 30 }, (_, i) => ({ deviceId: `meter-${i}`, status: 'enabled' }));
    assert.equal(body(await registry.addDevices(many)).isSuccessful, true);
    assert.equal(body(await registry.get('meter-29')).deviceId, 'meter-29');
    assert.equal(body(await registry.removeDevices(many, true)).isSuccessful, true);
    assert.equal((await failure(registry.get('meter-29'))).name, 'DeviceNotFoundError');
  });
  await it('all are listed and counted', async () => {
    const counts = body(await registry.getRegistryStatistics());
    assert.equal(counts.totalDeviceCount, 251);
    assert.equal(counts.disabledDeviceCount, 1);
    assert.equal(body(await registry.list()).length, 251);
  });
  await it('a device that is deleted is gone', async () => {
    await registry.delete('till-1');
    assert.equal((await failure(registry.get('till-1'))).name, 'DeviceNotFoundError');
  });
}

async function twinTests() {
  await it('a twin has tags, desired and reported properties', async () => {
    const twin = body(await registry.getTwin('dev-000001'));
    assert.equal(twin.tags.site, 'site-000');
    assert.equal(typeof twin.properties.desired.$version, 'number');
    assert.equal(typeof twin.properties.reported.$version, 'number');
  });
  await it('a patch merges, and null removes', async () => {
    const patch = { tags: { floor: 3 }, properties: { desired: { rate: { slow: 1, fast: 2 } } } };
    await registry.updateTwin('dev-000001', patch, '*');
    const twin = body(await registry.updateTwin('dev-000001', { properties: { desired: { rate: { slow: null } } } }, '*'));
    assert.equal(twin.tags.floor, 3);
    assert.equal(twin.tags.site, 'site-000');
    assert.deepEqual(twin.properties.desired.rate, { fast: 2 });
  });
  await it('a twin object updates itself', async () => {
    const twin = body(await registry.getTwin('dev-000001'));
    assert.equal(body(await twin.update({ tags: { floor: 4 } })).tags.floor, 4);
  });
  await it('an etag that is stale is refused: InvalidEtagError', async () => {
    const { etag } = body(await registry.getTwin('dev-000001'));
    await registry.updateTwin('dev-000001', { tags: { floor: 5 } }, etag);
    assert.equal((await failure(registry.updateTwin('dev-000001', { tags: { floor: 6 } }, etag))).name, 'InvalidEtagError');
  });
}

async function rows(query) {
  const all = [], pages = [];
  do {
    const page = body(await query.nextAsTwin());
    pages.push(page.length);
    all.push(...page);
  } while (query.hasMoreResults);
  return { all, pages };
}

async function queryTests() {
  await it('a query gives each device once, page by page', async () => {
    const { all, pages } = await rows(registry.createQuery('SELECT * FROM devices', 100));
    assert.deepEqual(pages, [100, 100, 50]);
    assert.equal(new Set(all.map((twin) => twin.deviceId)).size, 250);
    assert.equal(typeof all[0].update, 'function');
  });
  await it('a condition chooses', async () => {
    const { all } = await rows(registry.createQuery("SELECT * FROM devices WHERE tags.site = 'site-001' AND NOT IS_DEFINED(properties.reported.none)", 100));
    assert.equal(all.length, 50);
    assert.ok(all.every((twin) => twin.tags.site === 'site-001'));
  });
  await it('counts come by group', async () => {
    const query = registry.createQuery('SELECT tags.site AS site, COUNT() AS n FROM devices GROUP BY tags.site', 100);
    const groups = body(await query.next(undefined));
    assert.deepEqual(Object.fromEntries(groups.map((row) => [row.site, row.n])),
      { 'site-000': 50, 'site-001': 50, 'site-002': 50, 'site-003': 50, 'site-004': 50 });
    assert.equal(query.hasMoreResults, false);
  });
  await it('a query that makes no sense is refused: ArgumentError', async () => {
    assert.equal((await failure(registry.createQuery('SELECT * FROM devices WHERE', 10).nextAsTwin())).name, 'ArgumentError');
  });
}

async function methodTests() {
  await it('a method is answered with status and payload', async () => {
    const { result } = await reboot(client, 'dev-000002', { timeoutInSeconds: 30 });
    assert.deepEqual(result, { status: 200, payload: 'Reboot started' });
  });
  await it('a time-out that is out of range is refused: ArgumentError', async () => {
    assert.equal((await failure(reboot(client, 'dev-000003', { responseTimeoutInSeconds: 4 }))).name, 'ArgumentError');
    assert.equal((await failure(reboot(client, 'dev-000003', { connectTimeoutInSeconds: 301 }))).name, 'ArgumentError');
  });
  await it('a device that is not there or not connected is plain "Not found", told apart by the body', async () => {
    const codes = [];
    await registry.create({ deviceId: 'silent' });
    for (const device of ['nobody', 'silent']) {
      const error = await failure(reboot(client, device));
      assert.equal(error.response.statusCode, 404);
      codes.push(JSON.parse(JSON.parse(error.responseBody).Message).errorCode);
    }
    assert.deepEqual(codes, [404001, 404103]);
    await registry.delete('silent');
  });
  await it('a key that is wrong is refused: UnauthorizedError', async () => {
    const stranger = Client.fromConnectionString(process.env.HUB.replace(/SharedAccessKey=.*/, 'SharedAccessKey=AAAA'));
    stranger.setRetryPolicy(new NoRetry());
    assert.equal((await failure(reboot(stranger, 'dev-000004'))).name, 'UnauthorizedError');
  });
  await it('a policy without the right is refused: UnauthorizedError', async () => {
    const error = await failure(Registry.fromConnectionString(process.env.HUB_SERVICE).get('dev-000004'));
    assert.equal(error.name, 'UnauthorizedError');
  });
  await it('a throttled call is a ThrottlingError, the quota a TooManyDevicesError', async () => {
    assert.equal((await failure(reboot(troubled, 'dev-000001'))).name, 'ThrottlingError');
    assert.equal((await failure(reboot(troubled, 'dev-000001'))).name, 'TooManyDevicesError');
  });
  await it('a call that nobody answers is a GatewayTimeoutError', async () => {
    assert.equal((await failure(reboot(troubled, 'dev-000001'))).name, 'GatewayTimeoutError');
  });
  await it('trouble of the hub is InternalServerError, BadDeviceResponseError or ServiceUnavailableError', async () => {
    const seen = new Set();
    for (let i = 0; i < 60 && seen.size < 3; i++) seen.add((await failure(reboot(troubled, 'dev-000001'))).name);
    assert.deepEqual([...seen].sort(), ['BadDeviceResponseError', 'InternalServerError', 'ServiceUnavailableError']);
  });
}

const statusOf = async (jobId) => (await jobs.getJob(jobId)).jobStatus;

async function jobTests() {
  await troubledRegistry.create({ deviceId: 'silent' });
  await it('a job calls a method on the devices of a condition, and counts what came of it', async () => {
    const scheduled = (await jobs.scheduleDeviceMethod('wave-1', "deviceId IN ['dev-000001', 'dev-000002', 'silent']",
      { methodName: 'lockDoor', payload: { a: 1 }, responseTimeoutInSeconds: 5 }, new Date(), 60)).jobStatus;
    assert.equal(scheduled.jobId, 'wave-1');
    const job = await until(async () => {
      const status = await statusOf('wave-1');
      return ['completed', 'failed'].includes(status.status) && status;
    });
    assert.equal(job.status, 'completed');
    assert.equal(job.type, 'scheduleDeviceMethod');
    const { deviceCount, failedCount, succeededCount, pendingCount, runningCount } = job.deviceJobStatistics;
    assert.deepEqual([deviceCount, failedCount, succeededCount, pendingCount, runningCount], [3, 3, 0, 0, 0]);
  });
  await it('its rows tell it for each device', async () => {
    const query = troubledRegistry.createQuery("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'wave-1'", 100);
    const rows = body(await query.next(undefined));
    assert.deepEqual(rows.map((row) => [row.deviceId, row.status, row.error?.code]).sort(), [
      ['dev-000001', 'failed', 'GatewayTimeout'], ['dev-000002', 'failed', 'GatewayTimeout'], ['silent', 'failed', 'DeviceNotOnline']]);
  });
  await it('a job writes twins, and is not there twice: DeviceAlreadyExistsError', async () => {
    const write = () => jobs.scheduleTwinUpdate('tags-1', "deviceId = 'dev-000001'", { etag: '*', tags: { ring: 1 } }, new Date(), 60);
    await write();
    await until(async () => (await statusOf('tags-1')).status === 'completed');
    assert.equal(body(await troubledRegistry.getTwin('dev-000001')).tags.ring, 1);
    assert.equal((await failure(write())).name, 'DeviceAlreadyExistsError');
  });
  await it('a job that waits takes the place of the next one (ThrottlingError), and can be cancelled', async () => {
    const later = new Date(Date.now() + 3600000);
    await jobs.scheduleTwinUpdate('later', 'tags.ring = 1', { etag: '*', tags: { ring: 2 } }, later, 60);
    assert.equal((await failure(jobs.scheduleTwinUpdate('too-many', '*', { etag: '*', tags: { ring: 3 } }, later, 60))).name, 'ThrottlingError');
    await jobs.cancelJob('later');
    await until(async () => (await statusOf('later')).status === 'cancelled');
    assert.equal((await failure(jobs.cancelJob('wave-1'))).response.statusCode, 405);
  });
  await it('jobs are listed by type and status, and what is no job is unknown', async () => {
    const listed = body(await jobs.createQuery('scheduleUpdateTwin', 'completed').next(undefined));
    assert.deepEqual(listed.map((job) => job.jobId), ['tags-1']);
    assert.equal((await statusOf('no-such-job')).status, 'unknown');
  });
}

(async () => {
  await registryTests();
  await twinTests();
  await queryTests();
  await methodTests();
  await jobTests();
  finish();
})();
