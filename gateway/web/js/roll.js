/** A list that comes page by page: draws what it gets, asks for more by a button, says when there is nothing or it did not come. */

import { h } from "./dom.js";
import { sentenceOf } from "./sentences.js";

/** Pages in a row that may hold nothing to show before the person is asked whether to go on. */
const MOST_EMPTY = 5;

/**
 * @typedef {{edges: any[], pageInfo: {hasNextPage: boolean, endCursor: string | null}} | null} Connection null: not for this viewer, or not known at this moment
 * @typedef {object} Rolled
 * @property {(after: string | null) => Promise<Connection>} load throws ApiError
 * @property {(edge: any) => HTMLElement | null} draw null for what is not shown
 * @property {HTMLElement} list that the elements go into @property {string} none what an empty list says
 */

export class Roll {
  /** @param {Rolled} of */
  constructor(of) {
    this.of = of;
    /** @type {string | null} */
    this.after = null;
    this.more = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.next(true) }, "Show more");
    this.note = h("p", { class: "quiet", hidden: true });
    this.again = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.next(true) }, "Try again");
    this.element = h("div", { class: "roll" }, of.list, this.note, h("div", { class: "row middle" }, this.more, this.again));
    this.busy = false;
  }

  /** @param {boolean} [byHand] whether the focus goes on to what comes @returns {Promise<void>} never fails */
  async next(byHand = false) {
    if (this.busy) return;
    this.busy = true;
    this.more.disabled = true;
    this.again.hidden = true;
    const before = this.of.list.children.length;
    try {
      await this.load(before);
    } catch (error) {
      this.say(sentenceOf(error));
      this.more.hidden = true;
      this.again.hidden = false;
    }
    this.more.disabled = false;
    this.busy = false;
    if (byHand) /** @type {HTMLElement | null} */ (this.of.list.children[before]?.querySelector("a, button"))?.focus();
  }

  /** @param {number} before */
  async load(before) {
    for (let empty = 0; empty < MOST_EMPTY; empty += 1) {
      const page = await this.of.load(this.after);
      this.after = page?.pageInfo.endCursor ?? this.after;
      this.of.list.append(...(page?.edges ?? []).map(this.of.draw).filter((one) => one !== null));
      this.more.hidden = !page?.pageInfo.hasNextPage;
      if (this.of.list.children.length > before || this.more.hidden) break;
    }
    this.say(this.of.list.children.length || !this.more.hidden ? "" : this.of.none);
  }

  /** @param {string} text */
  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  /** Something of the list is gone. */
  left() {
    if (!this.of.list.children.length && this.more.hidden) this.say(this.of.none);
  }
}
