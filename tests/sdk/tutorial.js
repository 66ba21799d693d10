// tests/sdk: the device apps of Microsoft's "get started with device management" tutorials, written from their
// descriptions: each answers a method, reports a property, restarts; by names, bodies and an order of its own. One device
// for each connection string on standard input; says "ready" once all of them take calls.
// usage: tutorial.js node|dotnet|java|python
'use strict';
const { setTimeout: sleep } = require('node:timers/promises');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const underReboot = (time) => ({ iothubDM: { reboot: { lastReboot: time } } });
const utc = () => new Date().toISOString();

/* Milliseconds: worksMs before anything else, restsMs between answer and report. The real Python app works for 20 s. */
const apps = {
  node: { method: 'reboot', answer: 'Reboot started', report: () => underReboot(utc()) },
  dotnet: { method: 'reboot', answer: { result: 'Reboot started.' }, report: () => underReboot(utc().replace('Z', '+00:00')) },
  java: { method: 'reboot', answer: 'Started reboot', restsMs: 5000, report: () => ({ lastReboot: utc() }) },
  python: { method: 'rebootDevice', worksMs: 6000, reportsFirst: true, answer: { Response: 'This is the response from the device' },
    report: () => ({ rebootTime: utc() }) },
};
const app = apps[process.argv[2]];

/** Calls what takes a callback as its last argument, and says what failed. */
const done = (what, call) =>
  new Promise((resolve) => call((error) => {
    if (error) console.error(`${what}: ${error.message}`);
    resolve();
  }));

async function reboot(response, twin) {
  const report = () => done('report', (callback) => twin.properties.reported.update(app.report(), callback));
  if (app.worksMs) await sleep(app.worksMs);
  if (app.reportsFirst) await report();
  await done('answer', (callback) => response.send(200, app.answer, callback));
  if (app.restsMs) await sleep(app.restsMs);
  if (!app.reportsFirst) await report();
}

async function start(connectionString) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  client.on('error', (error) => console.error(`${connectionString.split(';')[1]}: ${error.message}`));
  await client.open();
  const twin = await client.getTwin();
  client.onDeviceMethod(app.method, async (request, response) => {
    await reboot(response, twin);
    await done('close', (callback) => client.close(callback));
    await sleep(500); // away for a moment, and then the app starts anew
    await start(connectionString);
  });
}

(async () => {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  await Promise.all(text.trim().split('\n').map(start));
  console.log('ready');
})();
