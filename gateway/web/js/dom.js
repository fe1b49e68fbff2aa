/** Small words for making and finding elements; text is never parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";
// Static paths name their version; icons live beside this module.
const ICONS = new URL("../img/icons.svg", import.meta.url).pathname;

/** @param {string} id @returns {any} the element that the page's HTML promises */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Make an element. `on…` attributes are listeners; true sets an empty attribute; false, null and undefined leave it out.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...any} children strings, elements, or nothing
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** @param {string} name of a symbol in img/icons.svg @returns {SVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** Set how full a `.meter` is. @param {HTMLElement} meter @param {number} share 0 to 1 */
export function fill(meter, share) {
  const bounded = Math.max(0, Math.min(1, share));
  /** @type {HTMLElement} */ (meter.firstElementChild).style.transform = `scaleX(${bounded})`;
  meter.setAttribute("aria-valuenow", String(Math.round(bounded * 100)));
}

/** @type {HTMLElement | null} */
let toasts = null;

/** @param {boolean} [bad] @param {string} sentence */
export function toast(sentence, bad = false) {
  toasts ??= /** @type {HTMLElement} */ (byId("toasts"));
  const box = toasts;
  // What stands behind an open dialog is neither seen nor read out.
  const host = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (box.parentElement !== host) {
    host.append(box);
    host.addEventListener("close", () => document.body.append(box), { once: true });
  }
  const note = h("div", { class: bad ? "toast bad" : "toast" }, sentence);
  box.append(note);
  while (box.children.length > 3) box.firstElementChild?.remove();
  setTimeout(() => note.remove(), bad ? 8000 : 4000);
}

/**
 * The picture of a person, or the first letter of the handle where there is none, or it does not come.
 * @param {{handle: string, avatar?: {url: string | null} | null} | null} person null for nobody @returns {HTMLElement}
 */
export function face(person) {
  const url = person?.avatar?.url;
  const picture = url ? h("img", { src: url, alt: "", draggable: "false", onerror: () => picture.remove() }) : null;
  return h("i", { class: "face", "aria-hidden": "true" }, person?.handle.slice(0, 1) || "?", picture);
}

/** @param {string|number} count @returns {string} 1234 -> 1.2K */
export function shortCount(count) {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(Number(count));
}

/** @param {string} moment ISO-8601 @returns {string} */
export function day(moment) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(new Date(moment));
}

/** @param {number} ms @returns {string} m:ss */
export function clock(ms) {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {string|number} bytes @returns {string} */
export function size(bytes) {
  const amount = Number(bytes);
  if (amount < 1e6) return `${Math.max(1, Math.round(amount / 1e3))} kB`;
  return amount < 1e9 ? `${(amount / 1e6).toFixed(1)} MB` : `${(amount / 1e9).toFixed(2)} GB`;
}

/** @type {[number, Intl.RelativeTimeFormatUnit][]} the longest first */
const SPANS = [[31_536_000_000, "year"], [2_592_000_000, "month"], [604_800_000, "week"], [86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"]];

/** @param {string} moment ISO-8601 @param {number} [now] ms @returns {string} 3 hours ago */
export function ago(moment, now = Date.now()) {
  const passed = now - Date.parse(moment);
  const [span, unit] = SPANS.find(([length]) => passed >= length) ?? [0, "second"];
  return span ? new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(passed / span), unit) : "just now";
}
