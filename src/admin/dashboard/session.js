// Who is signed in: the token, kept for this browser session only, and what it may do.

const KEY = "tidegate-token";

let token = sessionStorage.getItem(KEY);
let me = null;

/** The token in use. */
export const currentToken = () => token;

/** Name, role and scope of the token; null before the server said. */
export const currentMe = () => me;

/** Whether the token may change this switch. */
export function mayChange(name) {
  const role = me?.role === "operator" || me?.role === "admin";
  return role && (me.switches.length === 0 || me.switches.includes(name));
}

/** Uses a token without keeping it: whether it is good is yet to be seen. */
export function tryToken(text) {
  token = text;
}

/** Keeps the token for this session. */
export function signedIn(who) {
  me = who;
  sessionStorage.setItem(KEY, token);
}

/** Forgets everything about it. */
export function signOut() {
  token = null;
  me = null;
  sessionStorage.removeItem(KEY);
}
