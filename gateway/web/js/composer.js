/** The field for a comment of one's own, or a reply: seen at once in its place, taken back into the field when it is refused. */

import { post } from "./commenting.js";
import { MOST_CHARACTERS } from "./commentrow.js";
import { h, icon, toast } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

/**
 * @typedef {import("./commentrow.js").CommentRow} CommentRow
 * @typedef {object} Place
 * @property {(element: HTMLElement, answered: CommentRow | null) => void} put shows what is on its way
 * @property {(shadow: HTMLElement, comment: import("./commenting.js").Comment) => void} posted the comment takes its place
 */

export class Composer {
  /** @param {string} videoId @param {Place} place */
  constructor(videoId, place) {
    this.videoId = videoId;
    this.place = place;
    /** @type {CommentRow | null} */
    this.answered = null;
    this.requestId = "";
    /** What went out under that name. */
    this.sent = "";
    this.field = h("textarea", { rows: 1, maxlength: MOST_CHARACTERS, placeholder: "Say something", "aria-label": "Your comment" });
    this.to = h("p", { class: "to", hidden: true });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.element = h("form", { class: "say" }, this.to, this.problem, h("div", { class: "row" }, this.field, h("button", { class: "button primary", "aria-label": "Post" }, icon("share"))));
    this.field.addEventListener("input", () => this.grow());
    this.field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      // On a phone the key makes a new line.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing || matchMedia("(pointer: coarse)").matches) return;
      event.preventDefault();
      this.element.requestSubmit();
    });
    this.element.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.say();
    });
  }

  grow() {
    this.field.rows = Math.min(5, Math.max(1, this.field.value.split("\n").length));
  }

  /** @param {CommentRow | null} row what the next comment answers */
  answer(row) {
    this.answered = row;
    this.to.hidden = row === null;
    if (!row) return;
    this.to.replaceChildren("Reply to ", h("bdi", {}, row.comment.author?.displayName ?? "somebody"), " ", h("button", { type: "button", class: "link", onclick: () => this.answer(null) }, "Cancel"));
    this.field.focus();
  }

  async say() {
    const text = this.field.value.trim();
    if (!text) return;
    const { answered } = this;
    const said = JSON.stringify([text, answered?.comment.id]);
    // The same words after a lost answer are the same comment.
    if (said !== this.sent) [this.requestId, this.sent] = [uuid(), said];
    const { requestId } = this;
    const shadow = h("li", { class: "comment sending" }, h("p", { class: "text", dir: "auto" }, text));
    this.place.put(shadow, answered);
    this.fill("", null);
    this.problem.textContent = "";
    try {
      const comment = await post({ requestId, videoId: this.videoId, text, answersId: answered?.comment.id ?? null });
      if (this.sent === said) this.sent = "";
      this.place.posted(shadow, comment);
      if (comment.state === "HELD") toast("Your comment appears once the creator has approved it.");
    } catch (error) {
      shadow.remove();
      if (!(/** @type {any} */ (error).passes) && this.sent === said) this.sent = "";
      this.problem.textContent = sentenceOf(error);
      if (!this.field.value) this.fill(text, answered);
    }
  }

  /** @param {string} text @param {CommentRow | null} answered */
  fill(text, answered) {
    this.field.value = text;
    this.grow();
    this.answer(answered);
  }
}
