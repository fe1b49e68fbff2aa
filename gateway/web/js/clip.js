/** One clip of the deck: its words and buttons, its player, and what was watched of it. */

import { isPlayable } from "./addresses.js";
import { h, icon } from "./dom.js";
import { followButton } from "./people.js";
import { Player } from "./player.js";
import { Rail } from "./rail.js";
import { refusalSentence } from "./sentences.js";
import { renewPlayback, soundName } from "./sources.js";
import { Peek } from "./storyboard.js";
import { Stretch } from "./watch.js";

const SEEK_S = 5;
/** A stretch that looped is reported at the loop when it is at least this long. */
const REPORT_MS = 10_000;

/**
 * @typedef {import("./sources.js").Entry} Entry
 * @typedef {object} Host what a clip asks of its deck
 * @property {(report: import("./watch.js").Report | null) => void} report @property {() => boolean} muted  @property {(muted: boolean) => void} chooseMuted as the person wants it
 * @property {(muted: boolean) => void} setMuted as the browser forces it
 */

export class Clip {
  /** @param {Entry} entry @param {number} place from 1 @param {Host} host */
  constructor(entry, place, host) {
    this.entry = entry;
    this.host = host;
    this.active = false;
    this.activatedAt = 0;
    this.shown = false;
    /** @type {Stretch | null} */
    this.stretch = null;
    this.draw(place);
    const { playback, durationMs, id } = entry.video;
    /** @type {Player | null} */
    this.player = playback && isPlayable(playback) ? new Player(this.stage, playback, durationMs, () => renewPlayback(id), this.ears()) : null;
    if (!this.player) this.broken(refusalSentence(playback?.refusal ?? "NOT_FOUND"));
  }

  /** @param {number} place */
  draw(place) {
    const { video } = this.entry;
    const maker = video.creator ? `@${video.creator.handle}` : "Somebody";
    this.stage = h("div", { class: "stage" });
    this.poster = h("img", { class: "poster", alt: "", draggable: "false" });
    this.surface = h("button", { type: "button", class: "surface", "aria-label": "Play", onclick: () => this.toggle() }, icon("play"));
    this.bar = h("b");
    this.seekBar = h("div", { class: "seek", role: "slider", tabindex: "0", "aria-label": "Place in the clip", "aria-valuemin": "0", "aria-valuemax": String(Math.round(video.durationMs / 1000)), "aria-valuenow": "0" }, h("i", {}, this.bar));
    this.peek = new Peek(() => (this.player?.addresses.playback ?? video.playback)?.storyboardUrl);
    this.seekBar.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => this.drag(event));
    this.seekBar.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.seekKey(event));
    this.muteButton = h("button", { type: "button", class: "mute", onclick: () => this.host.chooseMuted(!this.host.muted()) });
    this.rail = new Rail(video, this.muteButton);
    this.stage.append(this.poster, this.surface, h("span", { class: "waiting", "aria-hidden": "true" }), this.words(maker), this.rail.element, this.seekBar, this.peek.element);
    this.element = h("article", { class: video.height > video.width ? "clip tall" : "clip", "aria-posinset": String(place), "aria-setsize": "-1", "aria-label": `Clip by ${maker}`, "data-video": video.id, inert: true }, this.stage);
    this.showMuted();
  }

  /** @param {string} maker @returns {HTMLElement} */
  words(maker) {
    const { video } = this.entry;
    const caption = h("div", { class: "caption" }, video.caption);
    const more = h("button", { type: "button", class: "more", hidden: true, "aria-expanded": "false" }, "more");
    more.addEventListener("click", () => {
      const open = caption.classList.toggle("open");
      more.textContent = open ? "less" : "more";
      more.setAttribute("aria-expanded", String(open));
    });
    requestAnimationFrame(() => {
      more.hidden = caption.scrollHeight <= caption.clientHeight + 2;
    });
    // Tags that the caption says already are not said twice.
    const said = video.caption.toLowerCase();
    const tags = video.hashtags.filter((tag) => !said.includes(`#${tag}`));
    return h("div", { class: "words" },
      h("div", { class: "makers" }, video.creator ? h("a", { class: "maker", href: `/@${encodeURIComponent(video.creator.handle)}` }, maker) : h("span", { class: "maker" }, maker),
        video.creator ? followButton(video.creator) : null),
      video.caption ? caption : null, more,
      tags.length ? h("div", { class: "tags" }, ...tags.map((tag) => h("span", {}, `#${tag}`))) : null,
      video.sound ? h("a", { class: "track", href: `/?sound=${video.sound.id}` }, icon("note"), h("span", {}, soundName(video.sound))) : null);
  }

  /** @returns {import("./player.js").Tell} */
  ears() {
    return {
      firstFrame: () => {
        this.stage.classList.add("shows");
        this.shown = true;
        if (this.active) this.measure();
      },
      plays: (playing) => {
        this.stretch?.plays(playing);
        if (playing) this.element.classList.remove("paused");
      },
      loops: () => this.looped(),
      progress: (at, whole) => {
        this.bar.style.transform = `scaleX(${whole ? Math.min(1, at / whole) : 0})`;
        this.seekBar.setAttribute("aria-valuenow", String(Math.round(at)));
      },
      stalled: (stalled) => this.element.classList.toggle("stalled", stalled),
      muted: () => this.host.setMuted(true),
      broken: () => this.broken("This clip cannot be played right now."),
    };
  }

  /** Time from the swipe to the picture; 0 when it was there already. */
  measure() {
    const since = performance.now();
    performance.measure("first-frame", { start: Math.min(this.activatedAt, since), end: since, detail: this.entry.video.id });
  }

  /** @param {string} text */
  broken(text) {
    this.stage.querySelector(".broken")?.remove();
    this.stage.append(h("div", { class: "broken", role: "status" }, h("p", {}, text)));
    this.element.classList.remove("stalled");
  }

  showPoster() {
    const url = this.entry.video.playback?.posterUrl;
    if (url && !this.poster.src) this.poster.src = url;
  }

  /** The clip is the one on screen. @param {boolean} autoplay */
  enter(autoplay) {
    this.active = true;
    this.element.inert = false;
    this.activatedAt = performance.now();
    this.showPoster();
    this.rail.enter();
    if (this.shown) this.measure();
    if (autoplay) this.play();
    else this.element.classList.add("paused");
  }

  play() {
    const { viewToken, video } = this.entry;
    if (viewToken) this.stretch ??= new Stretch(viewToken, video.durationMs);
    this.element.classList.remove("paused");
    this.surface.setAttribute("aria-label", "Pause");
    this.player?.play(this.host.muted());
  }

  pause() {
    if (this.stretch) this.stretch.paused = true;
    this.element.classList.add("paused");
    this.surface.setAttribute("aria-label", "Play");
    this.player?.pause();
  }

  toggle() {
    if (this.player?.wanted) this.pause();
    else this.play();
  }

  /** The clip left the screen. */
  leave() {
    this.active = false;
    this.rail.leave();
    this.element.inert = true;
    this.player?.rewind();
    this.element.classList.remove("paused", "stalled");
    this.cut();
  }

  /** End the stretch and report it; a new one begins when it plays on. */
  cut() {
    const stretch = this.stretch;
    this.stretch = null;
    if (stretch) this.host.report(stretch.end());
  }

  looped() {
    if (!this.stretch) return;
    this.stretch.loops += 1;
    if (this.stretch.watchedMs >= REPORT_MS) this.renewStretch();
  }

  /** Report what was watched so far and go on in a new stretch. */
  renewStretch() {
    const plays = this.stretch?.since !== null;
    this.cut();
    if (!this.entry.viewToken || !this.player?.wanted) return;
    this.stretch = new Stretch(this.entry.viewToken, this.entry.video.durationMs);
    this.stretch.plays(plays);
  }

  release() {
    this.player?.release();
    this.stage.classList.remove("shows");
    this.shown = false;
  }

  showMuted() {
    const muted = this.host.muted();
    this.muteButton.replaceChildren(icon(muted ? "muted" : "sound"), muted ? "Muted" : "Sound");
    this.muteButton.setAttribute("aria-label", muted ? "Turn sound on" : "Mute");
    this.player?.setMuted(muted);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const to = (/** @type {PointerEvent} */ at) => {
      const box = this.seekBar.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (at.clientX - box.left) / box.width));
      const place = share * (this.entry.video.durationMs / 1000);
      this.player?.seek(place);
      this.peek.show(place, share);
    };
    this.seekBar.setPointerCapture(event.pointerId);
    to(event);
    this.seekBar.onpointermove = to;
    this.seekBar.onpointerup = this.seekBar.onpointercancel = () => {
      this.seekBar.onpointermove = null;
      this.peek.hide();
    };
  }

  /** @param {KeyboardEvent} event */
  seekKey(event) {
    const step = { ArrowLeft: -SEEK_S, ArrowRight: SEEK_S }[event.key];
    if (!step || !this.player?.video) return;
    event.preventDefault();
    this.player.seek(this.player.video.currentTime + step);
  }
}
