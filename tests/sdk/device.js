// tests/sdk: the unmodified device SDK, azure-iot-device over MQTT, against hubsim; the other side is the service SDK.
// $HUB is the connection string of an owner, $CERTS where device.sh has put certificates.
'use strict';
const { X509Certificate } = require('node:crypto');
const fs = require('node:fs');
const { Registry, Client: Service } = require('azure-iothub');
const { NoRetry } = require('azure-iot-common');
const { Client, Message, SharedAccessKeyAuthenticationProvider } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { assert, it, failure, next, until, finish } = require('./suite.js');

const registry = Registry.fromConnectionString(process.env.HUB);
const service = Service.fromConnectionString(process.env.HUB);
service.setRetryPolicy(new NoRetry());
const host = /HostName=([^;]*)/.exec(process.env.HUB)[1];

async function create(deviceId, more) {
  const { authentication } = (await registry.create({ deviceId, ...more })).responseBody;
  return `HostName=${host};DeviceId=${deviceId};SharedAccessKey=${authentication.symmetricKey.primaryKey}`;
}

async function connected(connectionString) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  client.setRetryPolicy(new NoRetry());
  client.on('error', () => {}); // what it means is told by the call that fails
  await client.open();
  return client;
}

const call = (deviceId, methodName, payload, more) =>
  service.invokeDeviceMethod(deviceId, { methodName, payload, responseTimeoutInSeconds: 5, ...more });

const state = async (deviceId) => (await registry.get(deviceId)).responseBody.connectionState;

async function twinTests(deviceId, client) {
  const twin = await client.getTwin();
  await it('a device reads its twin, and no tags', async () => {
    assert.equal(twin.properties.desired.$version, 1);
    assert.equal(twin.properties.reported.$version, 1);
    assert.equal(twin.tags, undefined);
  });
  await it('what it reports is merged, and null removes', async () => {
    await new Promise((resolve, reject) => twin.properties.reported.update({ a: { b: 1, c: 2 }, d: [1, 2] }, (e) => (e ? reject(e) : resolve())));
    await new Promise((resolve, reject) => twin.properties.reported.update({ a: { b: null }, d: 'x' }, (e) => (e ? reject(e) : resolve())));
    const { reported } = (await registry.getTwin(deviceId)).responseBody.properties;
    assert.deepEqual({ ...reported, $metadata: 0 }, { a: { c: 2 }, d: 'x', $metadata: 0, $version: 3 });
    assert.ok(Date.parse(reported.$metadata.a.c.$lastUpdated) <= Date.parse(reported.$metadata.$lastUpdated));
  });
  await it('a report over the limit is refused and changes nothing', async () => {
    const error = await failure(new Promise((resolve, reject) =>
      twin.properties.reported.update({ large: Array(9).fill('x'.repeat(4000)) }, (e) => (e ? reject(e) : resolve()))));
    assert.ok(error instanceof Error);
    assert.equal((await registry.getTwin(deviceId)).responseBody.properties.reported.$version, 3);
  });
  await it('desired properties are pushed as patches with their version', async () => {
    const pushed = [];
    twin.on('properties.desired', (patch) => pushed.push(structuredClone(patch)));
    await until(() => pushed.length === 1); // what it was at first
    await registry.updateTwin(deviceId, { properties: { desired: { rate: 5, mode: { eco: true } } } }, '*');
    await until(() => pushed.length === 2);
    await registry.updateTwin(deviceId, { properties: { desired: { rate: null } } }, '*');
    await until(() => pushed.length === 3);
    assert.deepEqual(pushed[1], { rate: 5, mode: { eco: true }, $version: 2 });
    assert.deepEqual(pushed[2], { rate: null, $version: 3 });
    assert.equal(twin.properties.desired.mode.eco, true);
  });
}

async function methodTests(deviceId, client) {
  await it('a method reaches its handler, and its answer the caller', async () => {
    client.onDeviceMethod('add', (request, response) => response.send(207, { sum: request.payload.a + request.payload.b }));
    const { result } = await until(() => call(deviceId, 'add', { a: 2, b: 3 }).catch(() => false)); // until it has subscribed
    assert.deepEqual(result, { status: 207, payload: { sum: 5 } });
  });
  await it('two handlers registered at once answer once each', async () => {
    const calls = [];
    client.onDeviceMethod('one', (request, response) => response.send(200, calls.push('one')));
    client.onDeviceMethod('two', (request, response) => response.send(200, calls.push('two')));
    assert.equal((await call(deviceId, 'one', null)).result.payload, 1);
    assert.equal((await call(deviceId, 'two', null)).result.payload, 2);
    assert.deepEqual(calls, ['one', 'two']);
  });
  await it('no payload arrives as null, no answer as null', async () => {
    let got = 'nothing';
    client.onDeviceMethod('quiet', (request, response) => {
      got = request.payload;
      return response.send(200);
    });
    assert.equal((await call(deviceId, 'quiet')).result.payload, null);
    assert.equal(got, null);
  });
  await it('a large payload goes both ways whole', async () => {
    const text = 'å'.repeat(60000);
    client.onDeviceMethod('echo', (request, response) => response.send(200, request.payload));
    assert.equal((await call(deviceId, 'echo', text)).result.payload, text);
  });
  await it('many methods at once find their own answers', async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, (_, i) => call(deviceId, 'echo', i)));
    assert.deepEqual(answers.map((answer) => answer.result.payload), Array.from({ length: 16 }, (_, i) => i));
  });
  await it('a method that it does not know meets silence: GatewayTimeoutError', async () => {
    assert.equal((await failure(call(deviceId, 'unknown', null))).name, 'GatewayTimeoutError');
  });
  await it('telemetry is acknowledged', async () => {
    const message = new Message(JSON.stringify({ t: 21.5 }));
    message.properties.add('kind', 'a b/c');
    await client.sendEvent(message);
  });
}

/** A device that is registered with this authentication, and shows a certificate that device.sh has made. */
async function shown(deviceId, authentication, name) {
  await registry.create({ deviceId, authentication });
  const client = Client.fromConnectionString(`HostName=${host};DeviceId=${deviceId};x509=true`, Mqtt);
  client.setRetryPolicy(new NoRetry());
  client.on('error', () => {});
  const [cert, key] = ['pem', 'key'].map((kind) => fs.readFileSync(`${process.env.CERTS}/${name}.${kind}`, 'utf8'));
  await client.setOptions({ cert, key });
  return client;
}

async function certificateTests() {
  const thumbprint = new X509Certificate(fs.readFileSync(`${process.env.CERTS}/own.pem`)).fingerprint.replaceAll(':', '');
  const x509Thumbprint = { primaryThumbprint: thumbprint, secondaryThumbprint: thumbprint };
  for (const [deviceId, authentication, name] of [
    ['by-thumbprint', { x509Thumbprint }, 'own'], // whose type the SDK knows
    ['by-authority', { type: 'certificateAuthority' }, 'signed']]) {
    await it(`a device takes calls ${deviceId.replace('-', ' ')} of its certificate`, async () => {
      const client = await shown(deviceId, authentication, name);
      await client.open();
      client.onDeviceMethod('hello', (request, response) => response.send(200, 'here'));
      const { result } = await until(() => call(deviceId, 'hello', null).catch(() => false));
      assert.equal(result.payload, 'here');
      await client.close();
    });
  }
  await it('a certificate that is not the registered one is refused', async () => {
    const client = await shown('another', { type: 'selfSigned', x509Thumbprint }, 'signed');
    assert.equal((await failure(client.open())).name, 'UnauthorizedError');
  });
  await it('the registry tells thumbprints, and no keys', async () => {
    const { authentication } = (await registry.get('by-thumbprint')).responseBody;
    assert.deepEqual(authentication, { type: 'selfSigned', symmetricKey: { primaryKey: null, secondaryKey: null }, x509Thumbprint });
    assert.equal((await registry.getTwin('by-thumbprint')).responseBody.authenticationType, 'selfSigned');
  });
}

async function connectionTests() {
  await it('a connected device shows as connected, a closed one as not, and is not online', async () => {
    const client = await connected(await create('on-and-off'));
    assert.equal(await state('on-and-off'), 'Connected');
    await client.close();
    await until(async () => (await state('on-and-off')) === 'Disconnected');
    assert.equal((await failure(call('on-and-off', 'add', null))).response.statusCode, 404);
  });
  await it('a call waits for a device that connects within connectTimeoutInSeconds', async () => {
    const connectionString = await create('late');
    const answer = call('late', 'hello', null, { connectTimeoutInSeconds: 30, responseTimeoutInSeconds: 30 });
    const client = await connected(connectionString);
    client.onDeviceMethod('hello', (request, response) => response.send(200, 'here'));
    assert.equal((await answer).result.payload, 'here');
    await client.close();
  });
  await it('a key that is wrong is refused', async () => {
    const connectionString = (await create('stranger')).replace(/SharedAccessKey=.*/, `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`);
    assert.equal((await failure(connected(connectionString))).name, 'UnauthorizedError');
  });
  await it('a device that is disabled or not registered is refused', async () => {
    const connectionString = await create('disabled', { status: 'disabled' });
    assert.equal((await failure(connected(connectionString))).name, 'UnauthorizedError');
    assert.equal((await failure(connected(connectionString.replace('=disabled', '=nobody')))).name, 'UnauthorizedError');
  });
  await it('a newer connection of the same device closes the older', async () => {
    const connectionString = await create('twice');
    const older = await connected(connectionString);
    const closed = next(older, 'disconnect');
    const newer = await connected(connectionString);
    await closed;
    newer.onDeviceMethod('who', (request, response) => response.send(200, 'newer'));
    const { result } = await until(() => call('twice', 'who', null).catch(() => false));
    assert.equal(result.payload, 'newer');
    await newer.close();
  });
  await it('a renewed token reconnects, and methods go on without a new subscription', async () => {
    const connectionString = await create('renewing');
    const provider = SharedAccessKeyAuthenticationProvider.fromConnectionString(connectionString, 6, 4);
    const client = Client.fromAuthenticationProvider(provider, Mqtt);
    let renewals = 0;
    provider.on('newTokenAvailable', () => renewals++);
    await client.open();
    client.onDeviceMethod('count', (request, response) => response.send(200, renewals));
    await until(() => call('renewing', 'count', null).catch(() => false));
    const first = renewals;
    const { result } = await until(async () => {
      const answer = await call('renewing', 'count', null).catch(() => false);
      return answer && answer.result.payload >= first + 2 && answer;
    });
    assert.ok(result.payload >= first + 2);
    await client.close();
  });
}

async function deviceTests() {
  const client = await connected(await create('till-7'));
  await twinTests('till-7', client);
  await methodTests('till-7', client);
  await client.close();
}

(async () => {
  await Promise.all([deviceTests(), certificateTests(), connectionTests()]); // each has devices of its own
  finish();
})();
