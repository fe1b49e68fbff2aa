/** Where a clip can be played from: what to try first, and fresh addresses in the place of those that end with their grant. */

import { serverNow } from "./servertime.js";

/** Renew addresses that end within this time before they are loaded. */
const EARLY_MS = 20_000;
/** The MP4 holds this level, or the largest of a smaller source. */
const MP4_LEVEL = 720;

/** @typedef {import("./sources.js").Playback} Playback */

/** @param {Playback | null | undefined} playback @returns {boolean} whether there is something to play, and be it the beginning of a clip that is still made */
export function isPlayable(playback) {
  return Boolean(playback) && (!playback?.refusal || Boolean(playback.growingPlaylistUrl));
}

export class Addresses {
  /** @param {Playback} playback @param {() => Promise<Playback | null>} renew */
  constructor(playback, renew) {
    this.playback = playback;
    this.renew = renew;
  }

  /** @returns {string | null} the playlist that adapts; null when there is nothing to choose from */
  get adaptive() {
    return this.playback.renditions.length < 2 ? null : this.playback.masterPlaylistUrl;
  }

  /** @returns {boolean} whether the clip is still made */
  get grows() {
    return Boolean(this.playback.growingPlaylistUrl);
  }

  /** Addresses to try, best start first: the MP4 has the shortest way to a picture, but is too much for a slow line. @returns {string[]} */
  candidates() {
    const { mp4Url, startPlaylistUrl, masterPlaylistUrl, growingPlaylistUrl, startLevel, renditions } = this.playback;
    if (growingPlaylistUrl) return [growingPlaylistUrl];
    const mp4Level = Math.max(...renditions.filter((level) => level <= MP4_LEVEL));
    const start = startLevel && startLevel < mp4Level ? [startPlaylistUrl, mp4Url] : [mp4Url, startPlaylistUrl];
    return /** @type {string[]} */ ([...start, masterPlaylistUrl].filter(Boolean));
  }

  /** What our own player opens in the place of an address. @param {string} address @returns {[string, number]} and the largest level to start with */
  opened(address) {
    const { masterPlaylistUrl, startPlaylistUrl, startLevel } = this.playback;
    return [masterPlaylistUrl ?? address, (address === startPlaylistUrl && startLevel) || Infinity];
  }

  /** Renew addresses that are about to end. @returns {Promise<void>} */
  async fresh() {
    const { expiresAt } = this.playback;
    if (expiresAt && Date.parse(expiresAt) - serverNow() < EARLY_MS) await this.refresh();
  }

  /** @returns {Promise<void>} never fails; the old ones stay when there are no others */
  async refresh() {
    const fresh = await this.renew().catch(() => null);
    if (fresh && isPlayable(fresh)) this.playback = fresh;
  }
}
