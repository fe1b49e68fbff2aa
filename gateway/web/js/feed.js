/** The feed page: fills the deck from its source, listens to keys, reports what was watched. */

import { hasSession } from "./auth.js";
import { Deck, PAGE } from "./deck.js";
import { byId, h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";
import { sourceOf } from "./sources.js";
import { WatchLog } from "./watch.js";

/** The next page waits this long for the reports that it should know of. */
const REPORT_FIRST_MS = 700;
/** A page that did not come is asked for after this time, then after twice that, and so on. */
const RETRY_MS = 4000;
const MOST_RETRY_MS = 60_000;

const parameters = new URLSearchParams(location.search);
const source = sourceOf(parameters);
const log = new WatchLog();
const deck = new Deck(byId("deck"), log, more);
let busy = false;
let ended = false;
let waits = false;
let failures = 0;
let commentId = parameters.get("comment");
/** What the list goes on after: everything in the deck is played or about to be. @type {string | null} */
let after = null;

async function more() {
  if (busy || ended || waits) return;
  busy = true;
  try {
    // What was watched shall choose what comes next.
    if (deck.clips.length) await Promise.race([log.flush(), new Promise((resolve) => setTimeout(resolve, REPORT_FIRST_MS))]);
    take(await source(after, PAGE));
    failures = 0;
  } catch (error) {
    failed(/** @type {any} */ (error));
  } finally {
    busy = false;
    byId("deck").setAttribute("aria-busy", "false");
  }
  if (!ended && deck.clips.length && deck.clips.length - 1 - deck.at < PAGE) more();
}

/** @param {import("./sources.js").Page} page */
function take(page) {
  byId("first-load").hidden = true;
  if (page.name) {
    byId("place-name").textContent = page.name;
    byId("place").hidden = false;
  }
  after = page.after;
  deck.add(page.entries);
  // A notification leads to a comment.
  if (commentId) deck.clips[0]?.rail.openComments(commentId);
  commentId = null;
  if (page.more) return;
  ended = true;
  finish();
}

function finish() {
  const again = h("button", { type: "button", class: "button primary", onclick: () => location.reload() }, "Start again");
  if ([...parameters.keys()].some((name) => ["video", "sound", "user"].includes(name))) {
    const away = h("a", { class: "button primary", href: "/" }, "To the feed");
    if (deck.clips.length) deck.close("That was all", "There is more in the feed.", away);
    else deck.close("Nothing to see here", "This may be private or gone.", away);
  } else if (deck.clips.length) {
    deck.close("You have seen everything", "New clips appear here as soon as somebody publishes one.", again);
  } else {
    const upload = h("a", { class: "button", href: "/upload" }, "Upload the first clip");
    again.textContent = "Look again";
    deck.close("No clips yet", "Nobody has published anything so far.", again, upload);
  }
}

/** @param {any} error */
function failed(error) {
  if (error.code === "CURSOR_EXPIRED" || error.code === "BAD_CURSOR") {
    ended = true;
    const again = h("button", { type: "button", class: "button primary", onclick: () => location.reload() }, "Go on");
    deck.close("Welcome back", "Your last visit is a while ago; here is a fresh start.", again);
    return;
  }
  if (deck.clips.length && error.passes) {
    if (!failures) toast(sentenceOf(error), true);
    waits = true;
    setTimeout(() => {
      waits = false;
      more();
    }, Math.max(error.retryAfterMs, Math.min(MOST_RETRY_MS, RETRY_MS * 2 ** failures)));
    failures += 1;
    return;
  }
  ended = true;
  byId("first-load").hidden = true;
  const retry = h("button", { type: "button", class: "button primary", onclick: () => location.reload() }, "Try again");
  deck.close(deck.clips.length ? "The feed did not go on" : "The feed did not come", sentenceOf(error), retry);
}

/** @param {KeyboardEvent} event */
function key(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest("[popover]:popover-open, dialog, textarea, select")) return;
  const onControl = target.closest("a, button, input, [role=slider]") !== null;
  const acts = /** @type {Record<string, () => void>} */ ({
    ArrowDown: () => deck.go(1),
    j: () => deck.go(1),
    PageDown: () => deck.go(1),
    ArrowUp: () => deck.go(-1),
    k: () => deck.go(-1),
    PageUp: () => deck.go(-1),
    m: () => deck.chooseMuted(!deck.muted),
    " ": () => deck.present()?.toggle(),
  });
  const act = acts[event.key];
  // Space on a button presses that button.
  if (!act || (event.key === " " && onControl)) return;
  event.preventDefault();
  deck.autoplay = true;
  act();
}

addEventListener("keydown", key);
byId("previous").addEventListener("click", () => deck.go(-1));
byId("next").addEventListener("click", () => deck.go(1));
document.addEventListener("visibilitychange", () => {
  const clip = deck.present();
  if (document.visibilityState === "hidden") {
    clip?.player?.pause();
    clip?.cut();
    log.flushAtHide();
  } else if (clip && !clip.element.classList.contains("paused")) {
    clip.play();
  }
});
addEventListener("pagehide", () => {
  deck.present()?.cut();
  log.flushAtHide();
});

// The feed is the person's own from the first page on, so it waits until it is known who asks; strangers do not wait.
if (hasSession()) await startShell();
else startShell();
more();
