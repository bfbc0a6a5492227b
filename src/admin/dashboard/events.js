// Follows /v1/events by fetch, since EventSource cannot send a token; comes back by itself when cut off.

import { credentials } from "./api.js";

/** The server sends a comment every 15 s: silence for longer than this means that nobody is there. */
const SILENCE_MS = 40_000;

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

/** Follows until `signal` aborts. `heard(name, data)` gets each event, `state(connected, retryAtMs)` each change. */
export async function follow(signal, heard, state) {
  let wait = FIRST_WAIT_MS;
  let last;
  while (!signal.aborted) {
    try {
      await once(signal, last, (name, data, id) => {
        wait = FIRST_WAIT_MS;
        last = id ?? last;
        heard(name, data);
      }, () => state(true, null));
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401 || error.status === 403) {
        heard("refused", { status: error.status });
        return;
      }
    }
    // Spread out, so that many browsers do not come back at the same moment.
    const nap = wait * (0.7 + 0.6 * Math.random());
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    state(false, performance.now() + nap);
    await sleep(nap, signal);
  }
}

let wake = () => {};

/** Ends the wait for the next attempt. */
export const tryNow = () => wake();

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, ms);
    wake = done;
    signal.addEventListener("abort", done, { once: true });
  });
}

async function once(signal, last, heard, opened) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  try {
    const headers = { ...credentials(), Accept: "text/event-stream" };
    if (last) headers["Last-Event-ID"] = last;
    const both = AbortSignal.any([signal, silence.signal]);
    const reply = await fetch("v1/events", { headers, cache: "no-store", signal: both });
    if (!reply.ok) throw Object.assign(new Error("refused"), { status: reply.status });
    opened();
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      blocks.forEach((block) => dispatch(block, heard));
    }
  } finally {
    clearTimeout(timer);
  }
}

function dispatch(block, heard) {
  const event = { event: "message", data: [], id: undefined };
  for (const line of block.split(/\r?\n/)) {
    const [, field, value] = /^([a-z]+): ?(.*)$/.exec(line) ?? [];
    if (field === "data") event.data.push(value);
    else if (field === "event" || field === "id") event[field] = value;
  }
  if (event.data.length === 0) return;
  let data;
  try {
    data = JSON.parse(event.data.join("\n"));
  } catch {
    return;
  }
  heard(event.event, data, event.id);
}
