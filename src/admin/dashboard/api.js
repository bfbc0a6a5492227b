// Calls of the HTTP API: the token, problems as errors, revisions and idempotency keys.

import { currentToken } from "./session.js";

/** How long a call may take; `flip` with `prepare` waits for caches and takes longer. */
const PATIENCE_MS = 20_000;

/** What the server said against a call. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }

  /** The guard that refused, if one did. */
  get guard() {
    return this.body.guard;
  }

  /** Whether `force` with a reason would do. */
  get forceable() {
    return this.body.forceable === true;
  }
}

/** No answer came: nobody knows whether the server acted. */
export class Unreachable extends Error {}

const wentUnauthorized = new EventTarget();

/** Calls `then` whenever the server does not accept the token any more. */
export const onUnauthorized = (then) => wentUnauthorized.addEventListener("unauthorized", then);

/** The headers that say who asks. */
export const credentials = () => ({ Authorization: `Bearer ${currentToken()}` });

async function call(method, path, { body, revision, key, patience = PATIENCE_MS } = {}) {
  const headers = credentials();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (revision) headers["If-Match"] = revision;
  if (key) headers["Idempotency-Key"] = key;
  let reply;
  let answer;
  try {
    const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" };
    reply = await fetch(path, { ...request, signal: AbortSignal.timeout(patience) });
    answer = await reply.json().catch((cause) => {
      // A refusal stands by its status; an answer that breaks off says nothing.
      if (reply.ok) throw cause;
      return {};
    });
  } catch (cause) {
    throw new Unreachable("the server does not answer", { cause });
  }
  if (reply.ok) return { answer, revision: reply.headers.get("ETag") };
  if (reply.status === 401 && path !== "v1/me") wentUnauthorized.dispatchEvent(new Event("unauthorized"));
  throw new Problem(reply.status, answer);
}

/** Reads a resource: `{ answer, revision }`. */
export const read = (path) => call("GET", path);

/** Asks for a change. */
export const post = (path, options) => call("POST", path, options).then(({ answer }) => answer);

/** The path of a switch's resource. */
export const ofSwitch = (name, rest = "") => `v1/switches/${encodeURIComponent(name)}${rest}`;

/** A key for one attempt at a change: 128 random bits. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dashboard-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
