// tests/sdk: the device app of Microsoft's "get started with device management" tutorial for Node.js, written from its
// description: answer 200 "Reboot started", report iothubDM.reboot.lastReboot, restart. One device for each connection
// string on standard input; says "ready" once all of them take calls.
'use strict';
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

async function start(connectionString) {
  const client = Client.fromConnectionString(connectionString, Mqtt);
  client.on('error', (error) => console.error(`${connectionString.split(';')[1]}: ${error.message}`));
  await client.open();
  const twin = await client.getTwin();
  client.onDeviceMethod('reboot', (request, response) => {
    response.send(200, 'Reboot started', (sendError) => {
      if (sendError) console.error(`answer: ${sendError.message}`);
      const patch = { iothubDM: { reboot: { lastReboot: new Date().toISOString() } } };
      twin.properties.reported.update(patch, (reportError) => {
        if (reportError) console.error(`report: ${reportError.message}`);
        restart(client, connectionString);
      });
    });
  });
}

/** The device is away for a moment, and its app starts anew. */
function restart(client, connectionString) {
  client.close(() => setTimeout(() => start(connectionString), 500));
}

(async () => {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  await Promise.all(text.trim().split('\n').map(start));
  console.log('ready');
})();
