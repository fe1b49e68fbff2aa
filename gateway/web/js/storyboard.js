/** The small picture over the seek bar: which part of a clip's storyboard shows at a moment. It is loaded when somebody first reaches for the bar. */

import { h } from "./dom.js";

/** @typedef {{start: number, url: string, x: number, y: number, width: number, height: number}} Tile seconds; pixels of the sheet at `url` */

const CUE = /^([\d:.]+) --> [\d:.]+[^\n]*\n([^\n#]+)#xywh=(\d+),(\d+),(\d+),(\d+)$/gm;

/** @param {string} clock of WebVTT @returns {number} seconds */
function seconds(clock) {
  return clock.split(":").reduce((whole, part) => whole * 60 + Number(part), 0);
}

/** Cues of a WebVTT file whose texts are media fragments of pictures. @param {string} text @param {string} base @returns {Tile[]} as they follow */
export function readTiles(text, base) {
  return [...text.replaceAll("\r\n", "\n").matchAll(CUE)].map(([, start, url, ...box]) => {
    const [x, y, width, height] = box.map(Number);
    return { start: seconds(start), url: new URL(url, base).href, x, y, width, height };
  });
}

/** @param {number} at seconds @returns {string} as people say it */
function clock(at) {
  const whole = Math.floor(at);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Follows a finger along the bar; without a storyboard it tells the time alone. */
export class Peek {
  /** @param {() => string | null | undefined} address of the cues, as good as it is now */
  constructor(address) {
    this.address = address;
    /** @type {Tile[]} */
    this.tiles = [];
    this.loading = false;
    this.at = 0;
    this.picture = h("i");
    this.time = h("span");
    this.element = h("div", { class: "peek", "aria-hidden": "true", hidden: true }, this.picture, this.time);
  }

  /** @param {number} at seconds @param {number} share of the bar that is left of it, 0 to 1 */
  show(at, share) {
    this.at = at;
    this.element.hidden = false;
    this.time.textContent = clock(at);
    this.load();
    this.draw();
    const { offsetWidth, offsetParent } = this.element;
    const room = /** @type {HTMLElement | null} */ (offsetParent)?.clientWidth ?? 0;
    this.element.style.left = `${Math.max(8, Math.min(room - offsetWidth - 8, share * room - offsetWidth / 2))}px`;
  }

  hide() {
    this.element.hidden = true;
  }

  draw() {
    const tile = this.tiles.findLast((one) => one.start <= this.at + 0.001);
    this.picture.hidden = !tile;
    if (!tile) return;
    Object.assign(this.picture.style, {
      width: `${tile.width}px`,
      height: `${tile.height}px`,
      backgroundImage: `url("${tile.url}")`,
      backgroundPosition: `-${tile.x}px -${tile.y}px`,
    });
  }

  /** Load the cues once; what fails is tried again at the next reach, perhaps at a fresher address. */
  async load() {
    const address = this.address();
    if (this.loading || this.tiles.length || !address) return;
    this.loading = true;
    try {
      const answer = await fetch(address);
      if (answer.ok) this.tiles = readTiles(await answer.text(), answer.url);
    } catch {
      // The bar works without pictures.
    } finally {
      this.loading = false;
    }
    this.draw();
  }
}
