/**
 * Plays one clip: starts on the fast-start MP4, else on the playlist of one rendition, and moves on to the adaptive master playlist when the
 * clip is long or the network too slow. Addresses that have ended are renewed where playing stopped.
 */

import { Addresses } from "./addresses.js";
import { loadBeginning } from "./beginnings.js";
import { h } from "./dom.js";
import { handOver } from "./handover.js";
import { canPlayHls, openMse } from "./mse.js";

/** Clips of this length and more adapt by themselves; shorter ones are nearly loaded before adapting would help. */
const LONG_MS = 25_000;
const ADAPT_AFTER_MS = 4000;
const STALL_MS = 1500;

/**
 * @typedef {import("./sources.js").Playback} Playback
 * @typedef {object} Tell what a player says
 * @property {() => void} firstFrame @property {(playing: boolean) => void} plays time runs, or not @property {() => void} loops
 * @property {(at: number, whole: number) => void} progress seconds @property {(stalled: boolean) => void} stalled
 * @property {() => void} muted the browser allows no sound before a touch @property {() => void} broken nothing plays
 */

export class Player {
  /**
   * @param {HTMLElement} stage @param {Playback} playback @param {number} durationMs @param {() => Promise<Playback | null>} renew @param {Tell} tell
   */
  constructor(stage, playback, durationMs, renew, tell) {
    this.stage = stage;
    this.addresses = new Addresses(playback, renew);
    this.durationMs = durationMs;
    this.tell = tell;
    /** @type {HTMLVideoElement | null} */
    this.video = null;
    this.wanted = false;
    this.adapted = false;
    this.attempt = 0;
    this.renewed = false;
    /** Only the browser limits what is loaded ahead. */
    this.unbounded = false;
    /** Rises with each release, so that what was begun before does not go on after it. */
    this.life = 0;
    /** @type {(() => void) | null} */
    this.closeMse = null;
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  /**
   * Have the beginning ready, ten seconds at most; where the browser keeps no ranges, what it loads by itself.
   * @param {boolean} next whether the clip is the one after that on screen @param {AbortSignal} signal @returns {Promise<void>} once it is there
   */
  async warm(next, signal) {
    if (this.video) {
      if (next && this.unbounded) this.video.preload = "auto";
      return;
    }
    await this.addresses.fresh();
    const [address] = this.addresses.candidates();
    const bounded = !address || address.includes(".m3u8") || (await loadBeginning(address, this.durationMs, signal));
    if (signal.aborted || this.video) return;
    this.unbounded = !bounded;
    await this.load(0, next && this.unbounded ? "auto" : "metadata");
  }

  /** @param {boolean} muted @returns {Promise<void>} */
  async play(muted) {
    this.wanted = true;
    if (!this.video) await this.load(0, "auto");
    const video = this.video;
    if (!video || !this.wanted) return;
    video.preload = "auto";
    video.muted = muted;
    try {
      await video.play();
    } catch (error) {
      if (/** @type {any} */ (error).name !== "NotAllowedError" || muted || !this.wanted) return;
      this.tell.muted();
      video.muted = true;
      await video.play().catch(() => undefined);
    }
  }

  /** Stop for now; nothing more than a few seconds is loaded meanwhile. */
  pause() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.video?.pause();
  }

  /** Pause and go to the beginning. */
  rewind() {
    this.pause();
    if (this.video && this.video.currentTime > 0) this.video.currentTime = 0;
  }

  /** @param {number} seconds */
  seek(seconds) {
    if (this.video) this.video.currentTime = Math.max(0, Math.min(seconds, this.length(this.video) - 0.05));
  }

  /** @param {HTMLVideoElement} video @returns {number} seconds; what still grows tells none */
  length(video) {
    return Number.isFinite(video.duration) && video.duration > 0 ? video.duration : this.durationMs / 1000;
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    if (this.video) this.video.muted = muted;
  }

  /** Let go of everything that was loaded. */
  release() {
    this.life += 1;
    this.pause();
    this.closeMse?.();
    this.closeMse = null;
    if (!this.video) return;
    this.video.removeAttribute("src");
    this.video.load();
    this.video.remove();
    this.video = null;
    this.attempt = 0;
    this.adapted = false;
  }

  /** @param {number} at seconds @param {"metadata" | "auto"} preload */
  async load(at, preload) {
    const { life } = this;
    await this.addresses.fresh();
    if (life !== this.life) return;
    const address = this.addresses.candidates()[this.attempt];
    if (!address) {
      this.tell.broken();
      return;
    }
    this.closeMse?.();
    const video = this.video ?? this.element();
    this.video = video;
    video.preload = preload;
    this.closeMse = this.attach(video, address);
    if (at > 0) video.currentTime = at;
    if (!video.isConnected) this.stage.prepend(video);
  }

  /** @param {HTMLVideoElement} video @param {string} address @returns {(() => void) | null} what ends a player of our own */
  attach(video, address) {
    // Chromium takes a playlist that grows for one that is whole, and plays the beginning again and again.
    const ours = !canPlayHls(video) || (this.addresses.grows && "MediaSource" in window);
    if (address.includes(".m3u8") && ours) return openMse(video, ...this.addresses.opened(address));
    video.src = address;
    return null;
  }

  /** @returns {HTMLVideoElement} with its events wired */
  element() {
    const video = /** @type {HTMLVideoElement} */ (h("video", { playsinline: true, disableremoteplayback: true, tabindex: "-1", "aria-hidden": "true" }));
    const current = (/** @type {(...a: any[]) => void} */ act) => () => video === this.video && act();
    video.addEventListener("playing", current(() => this.runs()));
    video.addEventListener("pause", current(() => this.tell.plays(false)));
    video.addEventListener("waiting", current(() => this.waits()));
    video.addEventListener("timeupdate", current(() => this.tell.progress(video.currentTime, this.length(video))));
    video.addEventListener("ended", current(() => this.again()));
    video.addEventListener("error", current(() => this.fails()));
    whenFirstFrame(video, current(() => this.tell.firstFrame()));
    return video;
  }

  runs() {
    clearTimeout(this.timer);
    this.tell.stalled(false);
    this.tell.plays(true);
    if (this.durationMs >= LONG_MS) this.timer = setTimeout(() => this.adapt(), ADAPT_AFTER_MS);
  }

  waits() {
    this.tell.plays(false);
    this.tell.stalled(true);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.adapt(), STALL_MS);
  }

  again() {
    this.tell.plays(false);
    this.tell.loops();
    if (!this.wanted || !this.video) return;
    this.video.currentTime = 0;
    this.video.play().catch(() => undefined);
  }

  /** Move to the master playlist, once; a clip that our own player has begun adapts already. */
  async adapt() {
    const { video } = this;
    const master = this.addresses.adaptive;
    if (this.adapted || !video || !this.wanted || !master || this.closeMse) return;
    this.adapted = true;
    const next = this.element();
    /** @type {{end: (() => void) | null}} */
    const ours = { end: null };
    const open = () => {
      ours.end = this.attach(next, master);
    };
    // Our own player loads no more than it needs while it stands still.
    const enough = canPlayHls(video) ? "canplaythrough" : "canplay";
    if (!(await handOver(this.stage, video, next, open, enough, () => this.wanted && this.video === video))) {
      ours.end?.();
      return;
    }
    this.video = next;
    this.closeMse = ours.end;
    video.removeAttribute("src");
    video.load();
    video.remove();
    this.tell.stalled(false);
    this.tell.plays(!next.paused);
  }

  /** An address did not play: perhaps its grant ended; else the next one is tried where this one stopped. */
  async fails() {
    const video = this.video;
    if (!video || !video.src) return;
    const { life } = this;
    const at = video.currentTime;
    this.tell.plays(false);
    if (at > 0 && !this.renewed) {
      this.renewed = true;
      await this.addresses.refresh();
    } else {
      this.attempt += 1;
    }
    if (life !== this.life) return;
    await this.load(at, this.wanted ? "auto" : "metadata");
    if (this.wanted && this.addresses.candidates()[this.attempt]) await this.play(video.muted);
  }
}

/** @param {HTMLVideoElement} video @param {() => void} tell */
function whenFirstFrame(video, tell) {
  if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(tell);
  else /** @type {any} */ (video).addEventListener("loadeddata", tell, { once: true });
}
