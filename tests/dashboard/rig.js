// tests/dashboard: starts hubsim, rollcalld and a browser on loopback, and ends what it started, by process id.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

for (const name of ['ROLLCALLD', 'HUBSIM']) if (!process.env[name]) throw new Error(`$${name} must name the program`);

const started = [];
process.on('exit', () => started.forEach((child) => child.ended || child.kill('SIGKILL'))); // also where a test cannot start
export const folder = mkdtempSync(join(tmpdir(), 'rollcall-dashboard-'));
export const PATIENCE_MS = 60000; // on a machine that does much else

/** Waits until what() is truthy, and gives it. */
export async function until(name, what, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await what();
    if (value) return value;
    if (Date.now() > end) throw new Error(`in vain waited for: ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

function run(name, program, args, env = {}) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('ROLLCALL_')));
  const child = spawn(program, args, { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  child.log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      child.log += data;
    });
  child.on('exit', (code, signal) => {
    child.ended = `${name} ended: ${code ?? signal}\n${child.log.slice(-2000)}`;
  });
  started.push(child);
  return child;
}

const isUp = (child, what) => () => {
  if (child.ended) throw new Error(child.ended);
  return what();
};

/** A simulated hub; gives {url, connectionString}. */
export async function startHub(devices, temperament = {}, args = []) {
  const id = randomUUID(),
    ready = join(folder, `${id}.ready`),
    file = join(folder, `${id}.temperament`);
  writeFileSync(file, JSON.stringify(temperament));
  const hub = run(
    'hubsim',
    process.env.HUBSIM,
    [
      '--listen',
      '127.0.0.1:0',
      '--devices',
      devices,
      '--seed',
      3,
      '--boot-seconds',
      '0.3-0.6',
      '--temperament',
      file,
      '--ready-file',
      ready,
      ...args,
    ].map(String),
  );
  await until(
    'hubsim',
    isUp(hub, () => existsSync(ready) && readFileSync(ready, 'utf8').endsWith('\n')),
  );
  const { http, connectionString } = JSON.parse(readFileSync(ready, 'utf8'));
  return { url: http, connectionString, child: hub };
}

/** rollcalld over hubs {name: hub}; gives {url, child}. settings are laid over what it has. */
export async function startService(hubs, settings = {}) {
  const config = join(folder, `${randomUUID()}.json`);
  const list = Object.entries(hubs).map(([name, hub]) => ({
    name,
    endpoint: hub.url,
    connectionString: hub.connectionString,
    sku: 'none',
    trackIntervalMs: 200,
    ...hub.settings,
  }));
  writeFileSync(
    config,
    JSON.stringify({
      listen: '127.0.0.1:0',
      database: join(folder, `${randomUUID()}.db`),
      logFormat: 'json',
      hubs: list,
      ...settings,
    }),
    { mode: 0o600 },
  );
  const child = run('rollcalld', process.env.ROLLCALLD, ['--config', config]);
  const line = await until(
    'rollcalld',
    isUp(child, () => child.log.split('\n').find((l) => l.includes('"message":"started"'))),
  );
  return { url: `http://${JSON.parse(line).listen}`, child };
}

export async function kill(child) {
  child.kill('SIGKILL');
  await until('its end', () => child.ended);
}

/** Asks the API; gives the JSON, and throws on a problem. */
export async function ask(service, method, path, body, headers = {}) {
  const answer = await fetch(service.url + path, {
    method,
    body: body && JSON.stringify(body),
    headers: { ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export const startBrowser = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });

export async function stopAll() {
  for (const child of started) if (!child.ended) child.kill('SIGKILL');
  await Promise.all(started.map((child) => until('its end', () => child.ended)));
  rmSync(folder, { recursive: true, force: true });
}
