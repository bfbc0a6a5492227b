// The page: who is signed in, which view the address asks for, what the server tells.

import { onUnauthorized, read } from "./api.js";
import { detailView, leaveDetail } from "./detail.js";
import { h, onDo, say, show } from "./dom.js";
import { follow, tryNow } from "./events.js";
import { overviewView, resetOverview } from "./overview.js";
import { currentMe, currentToken, signedIn, signOut } from "./session.js";
import { askForToken } from "./signin.js";
import { age, changed, OLD_MS, readDetail, refresh, state, subscribe, touch } from "./state.js";
import { currentTheme, nextTheme } from "./theme.js";
import { duration } from "./words.js";
import "./actions.js";

const main = document.getElementById("main");
const top = document.getElementById("top");
const banner = document.getElementById("banner");
let following = null;
let shownRoute = null;

/** The switch the address names, if any. */
const route = () => {
  const name = /^#\/s\/(.+)$/.exec(location.hash)?.[1];
  try {
    return name ? decodeURIComponent(name) : null;
  } catch {
    return null;
  }
};

async function start() {
  if (!currentToken()) return ask(null);
  try {
    signedIn((await read("v1/me")).answer);
  } catch (problem) {
    if (problem.status === 401) return leave("Your token is no longer accepted.");
    // The server is away: what follows keeps trying.
  }
  begin();
}

function ask(why) {
  draw();
  askForToken(main, why, begin);
}

function begin() {
  following?.abort();
  following = new AbortController();
  state.connected = false;
  follow(following.signal, heard, (connected, retryAt) => {
    if (connected && !currentMe()) read("v1/me").then(({ answer }) => signedIn(answer)).then(changed, () => {});
    if (connected !== state.connected && state.everConnected) {
      say(connected ? "Connected again." : "Disconnected from the server.");
    }
    state.connected = connected;
    state.everConnected ||= connected;
    state.retryAt = retryAt;
    if (connected) refresh();
    draw();
  });
  refresh();
  shownRoute = null;
  go();
}

function leave(why) {
  following?.abort();
  following = null;
  signOut();
  Object.assign(state, { status: null, detail: null, connected: false, everConnected: false, error: null });
  resetOverview();
  show(main);
  ask(why);
}

/** What an event tells; numbers are read again, not taken from it. */
function heard(name, data) {
  if (name === "refused") return leave("Your token is no longer accepted.");
  if (name === "connected" || name === "lagged" || name === "store") return refresh();
  const switches = data.switches ?? (data.switch ? [data.switch] : []);
  if (name === "changed") say(`${data.verb} ${switches.join(", ")} by ${data.who}${data.reason ? `: ${data.reason}` : ""}`);
  if (name === "eligible") say(`${data.switch}: pool ${data.pool} ${data.eligible ? "may be answered" : "may not be answered"}`);
  if (name === "rollout") say(`Rollout of ${data.switch}: ${data.what}`);
  if (name === "drain" && data.state === "drained") say(`${data.switch}: pool ${data.pool} may be closed`);
  touch(switches);
}

async function go() {
  if (!following) return;
  const name = route();
  if (name === shownRoute && state.status) return draw();
  shownRoute = name;
  leaveDetail();
  state.detail = name ? { name, readAt: performance.now() } : null;
  draw();
  if (name) {
    await readDetail(name).catch((error) => {
      state.error = error.message;
    });
    draw();
  }
  document.title = name ? `${name} – Tidegate` : "Tidegate";
  main.querySelector("h1")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function draw() {
  show(top, header());
  show(banner, ...notices());
  if (!following) return;
  if (state.detail) show(main, detailView());
  else show(main, overviewView());
}

function header() {
  const me = currentMe();
  const live = state.connected ? ["●", "live", "good"] : ["○", "disconnected", "bad"];
  const status = following && (state.everConnected || state.status)
    ? h("span", { class: `live ${live[2]}`, id: "live" }, h("span", { "aria-hidden": "true" }, live[0]), ` ${live[1]}`)
    : null;
  return [
    h("a", { class: "brand", href: "#/", "data-key": "brand" }, h("img", { src: "dashboard/icon.svg", alt: "", width: "22", height: "22" }), "Tidegate"),
    status,
    h("span", { class: "space" }),
    state.status ? h("span", { class: "muted wide" }, `revision ${state.status.revision}`) : null,
    me ? h("span", { class: "muted who" }, h("b", { title: me.name }, me.name), ` (${me.role})`) : null,
    h("button", { type: "button", class: "quiet", "data-do": "theme", "data-key": "theme", "aria-label": `Theme: ${currentTheme()}. Change` }, `Theme: ${currentTheme()}`),
    currentToken() && following ? h("button", { type: "button", class: "quiet", "data-do": "sign-out", "data-key": "out" }, "Sign out") : null,
  ];
}

function notices() {
  if (!following) return [];
  const lost = !state.connected && (state.everConnected || state.error);
  if (lost) {
    const wait = state.retryAt ? Math.max(0, state.retryAt - performance.now()) : 0;
    const seen = state.status ? ` What you see is ${duration(age())} old.` : "";
    return [h("div", { class: "notice bad", id: "disconnected" },
      h("p", {}, h("b", {}, "▲ Disconnected from the server."), seen, wait > 0 ? ` Trying again in ${duration(wait)}.` : " Trying…"),
      h("button", { type: "button", "data-do": "try-now" }, "Try now"))];
  }
  if (state.status && age() > OLD_MS) {
    return [h("div", { class: "notice warn" }, h("p", {}, h("b", {}, "△ Old data."), ` What you see is ${duration(age())} old${state.error ? `: ${state.error}` : ""}.`))];
  }
  return [];
}

onDo("theme", () => {
  say(`Theme: ${nextTheme()}`);
  draw();
});
onDo("sign-out", () => leave(null));
onDo("try-now", () => tryNow());
onDo("skip", (_, event) => {
  event.preventDefault();
  main.focus();
});
onUnauthorized(() => following && leave("Your token is no longer accepted."));
addEventListener("hashchange", go);
subscribe(draw);
// Clocks run on between readings.
setInterval(() => following && draw(), 1000);
start();
