// tests/sdk: says line by line what holds, and counts.
'use strict';
const assert = require('node:assert/strict');

let passed = 0, failed = 0;

/** One test: a sentence that holds if check() does not throw within a minute. */
async function it(sentence, check) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('not done within 60 s')), 60000);
  });
  try {
    await Promise.race([check(), late]);
    passed++;
    console.log(`ok      ${sentence}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${sentence}\n        ${String(error.stack ?? error).split('\n').slice(0, 12).join('\n        ')}`);
  } finally {
    clearTimeout(timer);
  }
}

/** The error by which a promise fails; throws where it does not. */
async function failure(promise) {
  const outcome = await promise.then((value) => ({ value }), (error) => ({ error }));
  assert.ok('error' in outcome, `did not fail, but gave ${JSON.stringify(outcome.value)?.slice(0, 200)}`);
  return outcome.error;
}

/** Resolves with the arguments of the next such event. */
function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
}

/** Polls until check() gives something true, and gives that. */
async function until(check) {
  for (;;) {
    const value = await check();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Ends the program: the SDKs keep connections open. */
function finish() {
  if (passed + failed === 0) failed = 1;
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

/** Stops it where something that nobody waits for went wrong. */
process.on('unhandledRejection', (error) => {
  failed++;
  console.log(`FAILED  nothing goes wrong unseen\n        ${error.stack ?? error}`);
});

module.exports = { assert, it, failure, next, until, finish };
