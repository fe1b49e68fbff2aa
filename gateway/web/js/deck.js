/** The column of clips: which one is on screen, what is loaded ahead, when to ask for more. */

import { Clip } from "./clip.js";
import { byId, h } from "./dom.js";

const MUTED = "clipmesh.muted";
/** Clips ahead whose beginning is loaded. */
const AHEAD = 3;
/** Clips behind that stay loaded, for a swipe back. */
const BEHIND = 1;
export const PAGE = 3;

/** @typedef {import("./sources.js").Entry} Entry */

export class Deck {
  /** @param {HTMLElement} element @param {import("./watch.js").WatchLog} log @param {() => void} needsMore asked when fewer than AHEAD clips are left */
  constructor(element, log, needsMore) {
    this.element = element;
    this.log = log;
    this.needsMore = needsMore;
    /** @type {Clip[]} */
    this.clips = [];
    this.at = -1;
    this.warming = new AbortController();
    /** Beginnings are being loaded. */
    this.warms = false;
    /** Where a scroll by key or button is going: a second press goes on from there. @type {number | null} */
    this.heading = null;
    // A person who asked for less motion starts the first clip by hand; what they began goes on.
    this.autoplay = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.muted = localStorage.getItem(MUTED) !== "no";
    this.seen = new IntersectionObserver((entries) => this.look(entries), { root: element, threshold: 0.6 });
    element.addEventListener("scrollend", () => {
      this.heading = null;
    });
    element.addEventListener("click", () => {
      this.autoplay = true;
    });
  }

  /** @param {Entry[]} entries */
  add(entries) {
    const host = {
      report: (/** @type {any} */ report) => this.log.add(report),
      muted: () => this.muted,
      chooseMuted: (/** @type {boolean} */ muted) => this.chooseMuted(muted),
      setMuted: (/** @type {boolean} */ muted) => this.setMuted(muted),
    };
    for (const entry of entries) {
      const clip = new Clip(entry, this.clips.length + 1, host);
      this.clips.push(clip);
      this.element.append(clip.element);
      this.seen.observe(clip.element);
    }
    if (this.at >= 0) this.load();
  }

  /** The end of the list. @param {string} title @param {string} text @param {...HTMLElement} buttons */
  close(title, text, ...buttons) {
    this.last?.remove();
    this.last = h("section", { class: "last", "aria-label": title }, h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), h("div", { class: "row" }, ...buttons)));
    this.last.inert = this.clips.length > 0;
    this.element.append(this.last);
    this.seen.observe(this.last);
    this.steps();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  look(entries) {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      const at = entry.target === this.last ? this.clips.length : this.clips.findIndex((clip) => clip.element === entry.target);
      if (at >= 0) this.show(at);
    }
  }

  /** @param {number} at */
  show(at) {
    if (at === this.heading) this.heading = null;
    if (at === this.at) return;
    this.clips[this.at]?.leave();
    this.at = at;
    if (this.last) this.last.inert = at !== this.clips.length;
    const clip = this.clips[at];
    clip?.enter(this.autoplay);
    this.warming.abort();
    this.warming = new AbortController();
    this.warms = false;
    this.load();
    this.steps();
    const { video } = clip?.entry ?? {};
    byId("said").textContent = video ? `Clip by ${video.creator?.displayName ?? "somebody"}: ${video.caption}` : (this.last?.getAttribute("aria-label") ?? "");
    this.log.flush();
    if (clip && this.clips.length - 1 - at < AHEAD) this.needsMore();
  }

  load() {
    this.clips.forEach((clip, number) => {
      const distance = number - this.at;
      if (distance < -BEHIND || distance > AHEAD) clip.release();
      else clip.showPoster();
    });
    if (!this.warms) this.warm(this.warming.signal);
  }

  /** Have the beginnings of the next clips ready, one after another, the nearest first. @param {AbortSignal} signal */
  async warm(signal) {
    this.warms = true;
    for (let ahead = 1; ahead <= AHEAD; ahead += 1) {
      await this.clips[this.at + ahead]?.player?.warm(ahead === 1, signal);
      if (signal.aborted) return;
    }
    this.warms = false;
  }

  /** @param {number} by */
  go(by) {
    const target = (this.heading ?? this.at) + by;
    const element = this.clips[target]?.element ?? (target === this.clips.length ? this.last : null);
    if (!element) return;
    this.heading = target;
    element.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth", block: "start" });
  }

  steps() {
    byId("previous").disabled = this.at <= 0;
    byId("next").disabled = this.at >= this.clips.length - (this.last ? 0 : 1);
  }

  /** @returns {Clip | undefined} */
  present() {
    return this.clips[this.at];
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.muted = muted;
    for (const clip of this.clips) clip.showMuted();
  }

  /** @param {boolean} muted as the person chose */
  chooseMuted(muted) {
    localStorage.setItem(MUTED, muted ? "yes" : "no");
    this.setMuted(muted);
  }
}
