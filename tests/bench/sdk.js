// What a user would run instead: azure-iothub, Microsoft's own SDK for services, unmodified, from ../sdk.
//   node sdk.js call|query CONNECTION_STRING PORT DEVICES CALLS_AT_ONCE
// call: invokes a method on one device after the other, so many at once, for ever. query: reads pages of 100 rows, each
// device's watched value, for ever. The stub hub counts.
'use strict';
const https = require('https');
const sdk = require('../sdk/node_modules/azure-iothub');

const [what, text, port, devices, atOnce] = process.argv.slice(2);
const agent = new https.Agent({ keepAlive: true, port: Number(port) });
let next = 0;

async function call() {
	const client = sdk.Client.fromConnectionString(text);
	client._restApiClient.setOptions({ http: { agent } });
	await Promise.all(Array.from({ length: Number(atOnce) }, async () => {
		for (;;) {
			const id = 'device-' + String(next++ % devices).padStart(7, '0');
			const { result } = await client.invokeDeviceMethod(id, { methodName: 'reboot', payload: null,
				responseTimeoutInSeconds: 30, connectTimeoutInSeconds: 0 });
			if (result.status !== 200)
				throw new Error(JSON.stringify(result));
		}
	}));
}

async function query() {
	const registry = sdk.Registry.fromConnectionString(text);
	registry._restApiClient.setOptions({ http: { agent } });
	for (;;) {
		const rows = registry.createQuery('SELECT deviceId AS deviceId, properties.reported.iothubDM.reboot.lastReboot AS v,' +
			' properties.reported.$metadata.$lastUpdated AS v0 FROM devices', 100);
		while (rows.hasMoreResults)
			for (const row of (await rows.next()).result)
				if (!row.v)
					throw new Error(JSON.stringify(row));
	}
}

(what === 'call' ? call() : query()).catch((error) => {
	console.error(error);
	process.exit(1);
});
