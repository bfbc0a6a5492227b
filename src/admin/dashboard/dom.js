// Builds and updates the page. Text goes in as text nodes only: names and reasons come from outside.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `props` are attributes, but for `vars` (CSS variables). Absent and false ones are left out. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "vars") {
      for (const [variable, setting] of Object.entries(value)) element.style.setProperty(variable, setting);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Shows `children` in `parent` by changing only what differs, so that focus and scrolling stay. */
export function show(parent, ...children) {
  const next = parent.cloneNode(false);
  next.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  morphChildren(parent, next);
}

function morph(from, to) {
  if (from.isEqualNode(to)) return;
  if (from.nodeType !== Node.ELEMENT_NODE) {
    from.nodeValue = to.nodeValue;
    return;
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !keeps(from, name)) from.removeAttribute(name);
  }
  for (const { name, value } of [...to.attributes]) {
    if (name === "style") from.style.cssText = to.style.cssText;
    else if (from.getAttribute(name) !== value && !keeps(from, name)) from.setAttribute(name, value);
  }
  morphChildren(from, to);
}

/** Attributes that belong to the user: what was unfolded stays so. */
const keeps = (element, name) => name === "open" && element.localName === "details";

const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
const keyOf = (node) => node.dataset?.key;

function morphChildren(from, to) {
  const keyed = new Map([...from.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let at = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const found = keyOf(wanted) ? keyed.get(keyOf(wanted)) : undefined;
    if (found && same(found, wanted)) {
      if (found === at) at = at.nextSibling;
      else from.insertBefore(found, at);
      morph(found, wanted);
    } else if (at && !keyOf(at) && same(at, wanted)) {
      const next = at.nextSibling;
      morph(at, wanted);
      at = next;
    } else {
      from.insertBefore(wanted, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const handlers = new Map();

/** What a click on `data-do="name"` does. */
export function onDo(name, handler) {
  handlers.set(name, handler);
}

document.addEventListener("click", (event) => {
  const element = event.target instanceof Element ? event.target.closest("[data-do]") : null;
  const handler = element && handlers.get(element.dataset.do);
  if (handler) handler(element, event);
});

/** Says something to screen readers. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** Shows a note for some seconds, and says it. */
export function toast(text, kind = "good") {
  const note = h("p", { class: `toast ${kind}` }, text);
  document.getElementById("toasts").append(note);
  say(text);
  setTimeout(() => note.remove(), 9000);
}
