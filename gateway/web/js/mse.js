/** A small player over the CMAF segments for browsers that do not play HLS themselves: buffers ten seconds, none while paused, picks the level by measured speed. */

import { readMaster, readTrack } from "./playlists.js";

const AHEAD_S = 10;
const KEPT_BEHIND_S = 20;
/** What a clip that stands still keeps ready; segments are longer, so mostly it is one. */
const READY_S = 0.5;
/** The share of the measured speed that a level may use. */
const CAREFUL = 0.7;
/** How often a playlist that grows is read again when more is needed. */
const GROWS_MS = 1000;
const START_BITS_PER_S = 3_000_000;

/** What was measured so far, over all clips of the page. */
let bitsPerS = START_BITS_PER_S;

/** @param {HTMLVideoElement} video @returns {boolean} whether the browser plays HLS itself */
export function canPlayHls(video) {
  return video.canPlayType("application/vnd.apple.mpegurl") !== "";
}

/** @typedef {import("./playlists.js").Level} Level @typedef {import("./playlists.js").Track} Track */

/**
 * Play a master playlist. Errors reach the video element as any other source's do.
 * @param {HTMLVideoElement} video @param {string} address @param {number} [most] the largest level to start with, its short side
 * @returns {() => void} ends it and lets go of the buffers
 */
export function openMse(video, address, most = Infinity) {
  const source = new MediaSource();
  const stop = new AbortController();
  const object = URL.createObjectURL(source);
  video.src = object;
  source.addEventListener("sourceopen", () => run(video, source, new URL(address, location.href).href, most, stop.signal).catch((error) => failed(source, stop.signal, error)), { once: true });
  return () => {
    stop.abort();
    URL.revokeObjectURL(object);
  };
}

/** @param {MediaSource} source @param {AbortSignal} signal @param {any} error */
function failed(source, signal, error) {
  if (!signal.aborted && source.readyState === "open") source.endOfStream("network");
  if (!signal.aborted) console.warn("the clip's segments could not be played", error);
}

/** @param {HTMLVideoElement} video @param {MediaSource} source @param {string} address @param {number} most @param {AbortSignal} signal */
async function run(video, source, address, most, signal) {
  const master = readMaster(await text(address, signal), address);
  const first = master.levels[0];
  const codec = (/** @type {RegExp} */ kind) => first.codecs.find((name) => kind.test(name));
  const feeds = [new Feed(source, `video/mp4; codecs="${codec(/^(avc|hvc|hev|vp0|av0)/)}"`, master.levels, most, signal)];
  if (master.audioUrl) {
    const sound = { bandwidth: 0, side: 0, codecs: [], url: master.audioUrl };
    feeds.push(new Feed(source, `audio/mp4; codecs="${codec(/^(mp4a|opus)/)}"`, [sound], most, signal));
  }
  await Promise.all(feeds.map((feed) => feed.choose()));
  /** @type {boolean | null} */
  let known = null;
  while (!signal.aborted) {
    const whole = feeds.every((feed) => feed.track.ended);
    if (known !== whole) source.duration = whole ? Math.max(...feeds.map((feed) => feed.lastEnd())) : Infinity;
    known = whole;
    const worked = await Promise.all(feeds.map((feed) => feed.step(video)));
    if (feeds.every((feed) => feed.complete(video)) && source.readyState === "open" && feeds.every((feed) => !feed.buffer.updating)) source.endOfStream();
    if (!worked.some(Boolean)) await nextNeed(video, signal, whole ? Infinity : GROWS_MS);
  }
}

/** Until something may have to be loaded again. @param {HTMLVideoElement} video @param {AbortSignal} signal @param {number} mostMs @returns {Promise<void>} */
function nextNeed(video, signal, mostMs) {
  return new Promise((resolve) => {
    const events = ["timeupdate", "seeking", "play"];
    const timer = mostMs < Infinity ? setTimeout(() => end(), mostMs) : undefined;
    const end = () => {
      clearTimeout(timer);
      events.forEach((name) => video.removeEventListener(name, end));
      resolve();
    };
    events.forEach((name) => video.addEventListener(name, end));
    signal.addEventListener("abort", end, { once: true });
  });
}

/** One track: its levels, its buffer. */
class Feed {
  /** @param {MediaSource} source @param {string} type @param {Level[]} levels @param {number} most @param {AbortSignal} signal */
  constructor(source, type, levels, most, signal) {
    this.buffer = source.addSourceBuffer(type);
    this.levels = levels;
    this.most = most;
    this.signal = signal;
    /** @type {Map<string, Track>} */
    this.tracks = new Map();
    /** @type {Level | null} */
    this.level = null;
    /** @type {Track} */
    this.track = { initUrl: "", segments: [], ended: true };
    this.readAt = 0;
  }

  /** Take the best level that the line carries, at the start none above the one asked for; its init segment goes first. */
  async choose() {
    const most = this.level ? Infinity : this.most;
    const fitting = this.levels.filter((level) => level.bandwidth <= bitsPerS * CAREFUL && level.side <= most);
    const level = fitting.at(-1) ?? this.levels[0];
    if (level === this.level) return;
    let track = this.tracks.get(level.url);
    if (!track) {
      track = readTrack(await text(level.url, this.signal), level.url);
      this.tracks.set(level.url, track);
    }
    await this.append(await bytes(track.initUrl, this.signal));
    this.level = level;
    this.track = track;
  }

  /** @returns {number} seconds, what is buffered included: it may be longer by a rounding */
  lastEnd() {
    const { buffered } = this.buffer;
    return Math.max(this.track.segments.at(-1)?.end ?? 0, buffered.length ? buffered.end(buffered.length - 1) : 0);
  }

  /** Where the buffer that holds the present place ends. @param {number} at @returns {number} */
  bufferedTo(at) {
    const { buffered } = this.buffer;
    for (let range = 0; range < buffered.length; range += 1) {
      if (buffered.start(range) <= at + 0.1 && buffered.end(range) > at) return buffered.end(range);
    }
    return at;
  }

  /** @param {HTMLVideoElement} video @returns {boolean} */
  complete(video) {
    return this.track.ended && this.bufferedTo(video.currentTime) >= this.lastEnd() - 0.2;
  }

  /** Load one segment if one is needed. @param {HTMLVideoElement} video @returns {Promise<boolean>} */
  async step(video) {
    const at = video.currentTime;
    const until = this.bufferedTo(at);
    // A paused clip keeps its first segment ready and loads no more.
    if (this.complete(video) || until - at >= (video.paused ? READY_S : AHEAD_S)) return false;
    await this.choose();
    const segment = this.track.segments.find((one) => one.end > until + 0.05);
    if (!segment) return this.grow();
    await this.append(await bytes(segment.url, this.signal));
    if (at > KEPT_BEHIND_S && this.buffer.buffered.length && this.buffer.buffered.start(0) < at - 2 * KEPT_BEHIND_S) {
      await this.settle(() => this.buffer.remove(0, at - KEPT_BEHIND_S));
    }
    return true;
  }

  /** Read a playlist that grows again. @returns {Promise<boolean>} whether there is more now */
  async grow() {
    if (this.track.ended || !this.level || performance.now() - this.readAt < GROWS_MS) return false;
    this.readAt = performance.now();
    const before = this.track;
    this.track = readTrack(await text(this.level.url, this.signal), this.level.url);
    this.tracks.set(this.level.url, this.track);
    return this.track.ended || this.track.segments.length > before.segments.length;
  }

  /** @param {ArrayBuffer} content @returns {Promise<void>} */
  append(content) {
    return this.settle(() => this.buffer.appendBuffer(content));
  }

  /** @param {() => void} begin @returns {Promise<void>} */
  settle(begin) {
    return new Promise((resolve, reject) => {
      this.buffer.addEventListener("updateend", () => resolve(), { once: true });
      this.buffer.addEventListener("error", () => reject(new Error("the segment was not taken")), { once: true });
      begin();
    });
  }
}

/** @param {string} url @param {AbortSignal} signal @returns {Promise<Response>} */
async function get(url, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`${answer.status} for a segment`);
  return answer;
}

/** @param {string} url @param {AbortSignal} signal @returns {Promise<string>} */
async function text(url, signal) {
  return (await get(url, signal)).text();
}

/** @param {string} url @param {AbortSignal} signal @returns {Promise<ArrayBuffer>} */
async function bytes(url, signal) {
  const began = performance.now();
  const content = await (await get(url, signal)).arrayBuffer();
  const seconds = Math.max(0.001, (performance.now() - began) / 1000);
  if (content.byteLength > 20_000) bitsPerS = 0.7 * bitsPerS + 0.3 * ((content.byteLength * 8) / seconds);
  return content;
}
