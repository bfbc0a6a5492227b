// Numbers, times and states in words.

/** `45 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  const two = (big, unit, small, lesser) => (small ? `${big} ${unit} ${small} ${lesser}` : `${big} ${unit}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86_400) return two(Math.floor(s / 3600), "h", Math.floor((s % 3600) / 60), "min");
  return two(Math.floor(s / 86_400), "d", Math.floor((s % 86_400) / 3600), "h");
}

/** The same by its largest unit. */
export const roughly = (ms) => duration(ms).split(" ").slice(0, 2).join(" ");

/** How long ago that is. */
export const ago = (at) => {
  const ms = Date.now() - new Date(at).getTime();
  return ms < 1500 ? "just now" : `${duration(ms)} ago`;
};

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day, with the date where it is not today's. */
export function when(at) {
  const date = new Date(at);
  const today = new Date().toDateString() === date.toDateString();
  return today ? time.format(date) : `${day.format(date)} ${time.format(date)}`;
}

/** `12.5 %`. */
export const percent = (value) => `${Number(value.toFixed(2))} %`;

/** `1,234` or `1.2 M`. */
export function count(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  return Math.round(value).toLocaleString("en");
}

/** A rate a second. */
export const rate = (value) => (value >= 100 ? count(value) : String(Number(value.toFixed(value >= 10 ? 1 : 2))));

/** Microseconds as milliseconds. */
export const latency = (us) => (us === null || us === undefined ? "–" : `${rate(us / 1000)} ms`);

/** A name without the dot at its end. */
export const bare = (name) => (name.length > 1 ? name.replace(/\.$/, "") : name);

/** One of many. */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A rollout's phase as a mark and a word; the word says it all, the mark and colour only help. */
export const PHASES = {
  pending: ["◌", "pending", "move"],
  progressing: ["▶", "progressing", "move"],
  paused: ["‖", "paused", "warn"],
  promoted: ["✓", "promoted", "good"],
  aborted: ["■", "aborted", "plain"],
  failed: ["✕", "failed", "bad"],
};

/** Whether it still owns the weights. */
export const isRunning = (rollout) => ["pending", "progressing", "paused"].includes(rollout?.phase);

/** Where a switch stands: mark, word, kind, and how much it wants to be looked at. */
export function standing(view) {
  const down = view.pools.filter((pool) => pool.weight > 0 && !pool.eligible);
  if (view.fallback_in_use) return { mark: "▲", word: "fallback", kind: "bad", rank: 0 };
  if (down.length) return { mark: "▲", word: "pool down", kind: "bad", rank: 0 };
  if (view.rollout?.phase === "paused") return { mark: "‖", word: "paused", kind: "warn", rank: 1 };
  if (isRunning(view.rollout)) return { mark: "▶", word: "rollout", kind: "move", rank: 2 };
  if (view.prepared_until) return { mark: "◔", word: "prepared", kind: "move", rank: 2 };
  if (view.pools.some(isDraining)) return { mark: "◔", word: "draining", kind: "move", rank: 2 };
  if (view.pools.some((pool) => pool.monitored && !pool.eligible)) {
    return { mark: "△", word: "standby down", kind: "warn", rank: 1 };
  }
  return { mark: "✓", word: "steady", kind: "good", rank: 3 };
}

/** On its way out. */
export const isDraining = (pool) => ["draining", "dns-drained", "tail"].includes(pool.drain.state);

/** A drain verdict in a few words; `sinceMs` is the age of the data. */
export function drainWords(drain, sinceMs) {
  const left = drain.remaining_ms === null ? "" : `, ${duration(drain.remaining_ms - sinceMs)} left`;
  if (drain.safe_to_close) return drain.verified ? "may be closed, verified" : "may be closed";
  switch (drain.state) {
    case "serving":
      return "serving";
    case "draining":
      return `draining${left}`;
    case "dns-drained":
    case "tail":
      return `tail${left}`;
    default:
      return drain.warm_until_ms ? `kept warm${left}` : `${drain.state}${left}`;
  }
}
