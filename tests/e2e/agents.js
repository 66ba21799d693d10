// tests/e2e: runs rollcall-agents, one for each "ID connectionString plan" on standard input, as an init system would,
// each behind a door of its own to the hub that reads what goes through and ends the agent (SIGKILL) where its plan says
// so. Says "ready" once every agent has reported its first boot; at SIGUSR2 it leaves them alone; at SIGTERM it stops them,
// and says how many ended well.
// usage: agents.js AGENT HUB_PORT FOLDER SEED
'use strict';
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');

const [agent, hubPort, folder, seed] = process.argv.slice(2);

/* What a plan does at a point: whether what is going through still arrives, how often, and whether the agent is ended, or
 * only its connection. Each happens once. Points: call, answer, accepted and done (reports), acceptedAck, doneAck. */
const plans = {
  plain: {},
  dies: {}, // by its command, in agents.sh
  twice: { call: { arrives: 2 } },
  beforeCall: { call: { arrives: 0, kill: true } },
  beforeAnswer: { answer: { arrives: 0, kill: true } },
  afterAnswer: { answer: { arrives: 1, kill: true } },
  beforeAccepted: { accepted: { arrives: 0, kill: true } },
  afterAccepted: { accepted: { arrives: 1, kill: true } },
  atAcceptedAck: { acceptedAck: { arrives: 1, kill: true } },
  atDoneAck: { doneAck: { arrives: 1, kill: true } },
  beforeDone: { done: { arrives: 0, kill: true } },
  afterDone: { done: { arrives: 1, kill: true } },
  losesAccepted: { accepted: { arrives: 0, cut: true } },
  losesDone: { done: { arrives: 0, cut: true } },
  losesDoneAck: { doneAck: { arrives: 0, cut: true } },
  random: null, // drawn for each message, six times at most; once around a call, after which the service waits long
};

/* --- MQTT: fixed header, length of 7 bits a byte, for a PUBLISH a topic --- */

/** Takes whole packets off the front of buffer; gives them and the rest. */
function packets(buffer) {
  const whole = [];
  for (;;) {
    let length = 0, at = 1;
    do {
      if (at >= buffer.length) return [whole, buffer];
      length |= (buffer[at] & 127) << (7 * (at - 1));
    } while (buffer[at++] & 128);
    if (buffer.length < at + length) return [whole, buffer];
    whole.push({ bytes: buffer.subarray(0, at + length), body: buffer.subarray(at, at + length), type: buffer[0] >> 4 });
    buffer = buffer.subarray(at + length);
  }
}

function topicOf({ type, body }) {
  return type === 3 ? body.subarray(2, 2 + body.readUInt16BE(0)).toString() : '';
}

/* --- a device --- */

let state = Number(seed);
function luck() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 4294967296;
}

class Device {
  constructor(id, connectionString, plan) {
    Object.assign(this, { id, connectionString, name: plan, plan: structuredClone(plans[plan]), kills: 0, wasInCall: false, isReady: false });
    if (this.plan === undefined) throw new Error(`no plan ${plan}`);
  }

  async open() {
    fs.writeFileSync(`${folder}/${this.id}.boot`, `first-boot-of-${this.id}\n`);
    const server = net.createServer((socket) => this.attach(socket));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.port = server.address().port;
    this.start();
  }

  start() {
    const log = fs.openSync(`${folder}/${this.id}.agent`, 'a');
    // Ended with this program, however that ends: left over, they would come to the hubs of other tests.
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', agent,
      '--endpoint', `127.0.0.1:${this.port}`, '--plaintext', 'yes', '--state-file', `${folder}/${this.id}.state`,
      '--boot-id-file', `${folder}/${this.id}.boot`, '--restart-timeout', '2', '--on-reboot', `sh ${folder}/reboot ${this.id} ${folder}`],
    { env: { ...process.env, ROLLCALL_AGENT_CONNECTION_STRING: this.connectionString }, stdio: ['ignore', log, log] });
    fs.closeSync(log);
    this.ended = new Promise((resolve) => this.child.once('exit', (code, signal) => resolve(signal ?? code)));
    this.ended.then(() => isStopping || setTimeout(() => this.start(), 100));
  }

  attach(down) {
    const link = { down, up: net.connect(hubPort, '127.0.0.1'), reported: '' };
    this.pump(link, down, link.up, 'out');
    this.pump(link, link.up, down, 'in');
  }

  pump(link, from, to, direction) {
    let rest = Buffer.alloc(0);
    from.on('error', () => {}); // its end follows
    from.on('close', () => to.end());
    from.on('data', (data) => {
      let whole;
      [whole, rest] = packets(Buffer.concat([rest, data]));
      for (const packet of whole) this.pass(link, to, this.point(link, direction, packet), packet.bytes);
    });
  }

  /** What this packet is, in the words of a plan. */
  point(link, direction, packet) {
    const topic = topicOf(packet), text = packet.body.toString();
    if (topic.startsWith('$iothub/methods/POST/')) return 'call';
    if (topic.startsWith('$iothub/methods/res/')) return 'answer';
    if (topic.startsWith('$iothub/twin/PATCH/')) {
      link.reported = text.includes('"done"') ? 'done' : text.includes('"accepted"') ? 'accepted' : 'boot';
      return link.reported;
    }
    if (!topic.startsWith('$iothub/twin/res/204/')) return '';
    if (link.reported === 'boot') this.isReady = true;
    return `${link.reported}Ack`;
  }

  /** What is done about it: drawn, planned, or nothing. */
  stepAt(point) {
    if (this.plan === null) {
      const isCall = point === 'call' || point === 'answer';
      if (point === '' || !isReady || isPeace || this.kills === 6 || (isCall && this.wasInCall) || luck() > 0.3) return {};
      this.wasInCall ||= isCall;
      return { arrives: luck() < 0.5 ? 0 : 1, kill: true };
    }
    const step = this.plan[point] ?? {};
    delete this.plan[point];
    return step;
  }

  pass(link, to, point, bytes) {
    if (link.isCut) return;
    const { arrives = 1, kill = false, cut = false } = this.stepAt(point);
    if (arrives !== 1 || kill) fs.appendFileSync(`${folder}/kills`, `${this.id} ${this.name} ${point} ${arrives}\n`);
    for (let i = 0; i < arrives; i++) to.write(bytes);
    if (!kill && !cut) return;
    link.isCut = true;
    if (kill) {
      this.kills++;
      this.child.kill('SIGKILL');
    }
    link.down.destroy();
    link.up.end(); // what was let through still arrives
  }
}

/* --- all of them --- */

let isReady = false, isPeace = false, isStopping = false;

(async () => {
  const devices = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => new Device(...line.split(' ')));
  process.on('SIGTERM', async () => {
    isStopping = true;
    for (const device of devices) device.child.kill('SIGTERM');
    const ends = await Promise.all(devices.map((device) => device.ended));
    console.log(`stopped well: ${ends.filter((end) => end === 0).length}`);
    process.exit(0);
  });
  process.on('SIGUSR2', () => {
    isPeace = true;
    console.log('peace');
  });
  await Promise.all(devices.map((device) => device.open()));
  const timer = setInterval(() => {
    if (!devices.every((device) => device.isReady)) return;
    clearInterval(timer);
    isReady = true;
    console.log('ready');
  }, 50);
})();
