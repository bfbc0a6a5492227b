// What is known of the server: read whole, read again when an event says so, never guessed.

import { ofSwitch, Problem, read } from "./api.js";

/** Counters and clocks are read again this often, events or not. */
const EVERY_MS = 10_000;

/** Data older than this is called old. */
export const OLD_MS = 30_000;

/** Switches read one by one when the whole takes long. */
const ONE_BY_ONE = 20;

export const state = {
  status: null,
  /** When that was read (performance.now). */
  readAt: 0,
  /** How long that took. */
  tookMs: 0,
  connected: false,
  everConnected: false,
  retryAt: null,
  /** The switch that is looked at: view, revision, recent, history. */
  detail: null,
  error: null,
};

const listeners = new Set();

/** Calls `listener` after every change. */
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tells everybody that something changed. */
export const changed = () => listeners.forEach((listener) => listener());

/** The age of what is shown, milliseconds. */
export const age = () => performance.now() - (state.detail?.readAt ?? state.readAt);

let reading = null;
let again = false;

/** Reads everything; calls that come meanwhile lead to one more reading. */
export function refresh() {
  if (reading) {
    again = true;
    return reading;
  }
  reading = (async () => {
    const begun = performance.now();
    try {
      await Promise.all([readStatus(), state.detail ? readDetail(state.detail.name) : null]);
      state.error = null;
    } catch (error) {
      state.error = error.message;
    }
    state.tookMs = performance.now() - begun;
    changed();
    // A catalogue that takes long to read is read less often.
    await new Promise((resolve) => setTimeout(resolve, Math.min(state.tookMs * 4, 60_000)));
  })().finally(() => {
    reading = null;
    if (again) {
      again = false;
      refresh();
    }
  });
  return reading;
}

async function readStatus() {
  const { answer } = await read("v1/status");
  state.status = answer;
  state.readAt = performance.now();
}

/** Reads one switch with its charts and history. */
export async function readDetail(name) {
  const before = state.detail?.name === name ? state.detail : null;
  try {
    const [view, recent, history] = await Promise.all([
      read(ofSwitch(name)), read(ofSwitch(name, "/recent")), read(`v1/history?limit=20&switch=${encodeURIComponent(name)}`),
    ]);
    if (state.detail && state.detail.name !== name) return;
    state.detail = {
      ...before, name, view: view.answer, revision: view.revision, recent: recent.answer, missing: null,
      history: history.answer, readAt: performance.now(),
    };
    merge(view.answer);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 404)) throw error;
    state.detail = { name, missing: error.message, readAt: performance.now() };
  }
}

/** Puts a newer view of one switch in its place. */
function merge(view) {
  const at = state.status?.switches.findIndex(({ name }) => name === view.name) ?? -1;
  if (at >= 0) state.status.switches[at] = view;
}

let touched = new Set();
let soon = null;

/** An event concerns these switches: they are read again, a moment later, together. */
export function touch(names) {
  names.forEach((name) => touched.add(name));
  soon ??= setTimeout(async () => {
    const these = [...touched];
    [touched, soon] = [new Set(), null];
    if (state.tookMs < 300 || these.length > ONE_BY_ONE) {
      refresh();
      return;
    }
    const reads = these.map((name) => (name === state.detail?.name ? readDetail(name) : read(ofSwitch(name)).then(({ answer }) => merge(answer))));
    await Promise.allSettled(reads);
    changed();
  }, 120);
}

setInterval(() => {
  if (state.status && document.visibilityState === "visible") refresh();
}, EVERY_MS);

document.addEventListener("visibilitychange", () => {
  if (state.status && document.visibilityState === "visible") refresh();
});
