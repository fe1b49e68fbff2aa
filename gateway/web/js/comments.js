/** The drawer with the comments of a clip: threads by order, replies in their place, what waits for approval, new ones as they come. */

import { hasSession } from "./auth.js";
import { CommentRow } from "./commentrow.js";
import { heldComments, pathTo, threadsOf } from "./commenting.js";
import { Composer } from "./composer.js";
import { h, shortCount, toast } from "./dom.js";
import { Roll } from "./roll.js";
import { whoAmI } from "./shell.js";

const PAGE = 20;
/** What moves within this time is looked at once. */
const CALM_MS = 300;
/** @type {[string, string][]} */
const ORDERS = [["TOP", "Top"], ["NEWEST", "Newest"], ["OLDEST", "Oldest"]];

/** @typedef {import("./commenting.js").Comment} Comment */

export class Drawer {
  /** @param {string} videoId @param {string | null} count null when it is not known @param {(by: number) => void} counted hears of the viewer's own comments */
  constructor(videoId, count, counted) {
    this.videoId = videoId;
    this.counted = counted;
    this.order = "TOP";
    /** @type {Map<string, CommentRow>} */
    this.rows = new Map();
    /** @type {any} */
    this.timer = undefined;
    this.title = h("h2", { "aria-live": "polite" });
    this.orders = h("div", { class: "tabs", role: "group", "aria-label": "Order" });
    this.held = h("ul", { class: "comments" });
    this.waiting = h("section", { class: "held", "aria-label": "Waits for your approval", hidden: true }, h("h3", {}, "Waits for your approval"), this.held);
    this.path = h("ul", { class: "comments led", hidden: true });
    this.threads = h("div", {});
    this.foot = h("div", { class: "foot" });
    this.element = h("dialog", { class: "drawer", "aria-label": "Comments" },
      h("header", { class: "dialog-head" }, this.title, h("button", { type: "button", class: "button small", onclick: () => this.element.close() }, "Close")),
      this.orders,
      h("div", { class: "scroll" }, this.waiting, this.path, this.threads),
      this.foot);
    this.element.addEventListener("close", () => this.element.remove());
    this.element.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      if (event.target === this.element && event.detail > 0 && event.clientY < this.element.getBoundingClientRect().top) this.element.close();
    });
    this.hear(count);
  }

  /** @param {string | null} [commentId] to show first */
  async open(commentId = null) {
    document.body.append(this.element);
    this.element.showModal();
    this.viewerId = (await whoAmI().catch(() => null))?.user.id ?? null;
    await this.begin();
    if (commentId) await this.lead(commentId);
  }

  /** @returns {import("./commentrow.js").Thread} */
  thread() {
    return {
      videoId: this.videoId,
      viewerId: this.viewerId ?? null,
      owns: this.owns ?? false,
      rows: this.rows,
      allowed: () => {
        if (!hasSession()) toast("Sign in to take part.");
        return hasSession();
      },
      answer: (row) => {
        if (this.composer) this.composer.answer(row);
        else toast("Comments are switched off.");
      },
      pinned: (row) => this.pinned(row),
      counted: (by) => this.counted(by),
    };
  }

  /** Draw the list anew. */
  async begin() {
    this.rows.clear();
    this.path.hidden = true;
    this.orders.replaceChildren(...ORDERS.map(([order, word]) =>
      h("button", { type: "button", class: order === this.order ? "button small primary" : "button small", "aria-pressed": String(order === this.order), onclick: () => this.sort(order) }, word)));
    this.list = h("ul", { class: "comments" });
    const roll = new Roll({ load: (after) => this.load(after), draw: ({ node }) => this.row(node), list: this.list, none: "Nobody has said anything so far." });
    this.roll = roll;
    this.threads.replaceChildren(roll.element);
    await roll.next();
  }

  /** @param {Comment} comment @returns {HTMLElement | null} */
  row(comment) {
    return this.rows.has(comment.id) ? null : new CommentRow(comment, this.thread()).element;
  }

  /** @param {string} order */
  async sort(order) {
    this.order = order;
    await this.begin();
    /** @type {HTMLElement} */ (this.orders.querySelector("[aria-pressed=true]")).focus();
  }

  /** @param {string | null} after @returns {Promise<any>} */
  async load(after) {
    const video = await threadsOf(this.videoId, this.order, PAGE, after);
    if (after === null) this.know(video);
    return video?.comments;
  }

  /** What the first page says of the clip. @param {any} video */
  know(video) {
    this.owns = Boolean(this.viewerId) && video?.creator?.id === this.viewerId;
    this.hear(video?.commentCount ?? null);
    if (!this.foot.children.length) this.drawFoot(video?.switches.allowComments ?? false);
    if (this.owns) this.loadHeld().catch(() => undefined);
  }

  async loadHeld() {
    const page = await heldComments(null);
    const mine = page.edges.map((/** @type {any} */ edge) => edge.node).filter((/** @type {any} */ one) => one.videoId === this.videoId);
    const waits = new Set(mine.map((/** @type {Comment} */ one) => one.id));
    for (const [id, row] of this.rows) if (row.element.parentElement === this.held && !waits.has(id)) this.rows.delete(id);
    this.held.replaceChildren(...mine.map((/** @type {Comment} */ one) => (this.rows.get(one.id) ?? new CommentRow(one, this.thread())).element));
    this.waiting.hidden = !mine.length;
  }

  /** Bring one comment to the top, with what it answers. @param {string} commentId */
  async lead(commentId) {
    const path = await pathTo(this.videoId, commentId).catch(() => []);
    if (!path.length) return toast("This comment is no longer there.");
    for (const one of path) this.rows.get(one.id)?.element.remove();
    for (const one of path) this.rows.delete(one.id);
    const nested = path.reduceRight((/** @type {any} */ below, one) => ({ ...one, children: below ? [{ node: below }] : [] }), null);
    this.path.replaceChildren(new CommentRow(nested, this.thread()).element);
    this.path.hidden = false;
    const row = this.rows.get(commentId);
    row?.element.classList.add("target");
    row?.element.scrollIntoView({ block: "center" });
  }

  /** @param {boolean} allowed whether the creator lets others comment */
  drawFoot(allowed) {
    this.foot.replaceChildren();
    if (allowed && hasSession()) {
      this.composer = new Composer(this.videoId, {
        put: (element, answered) => this.put(element, answered),
        posted: (shadow, comment) => this.posted(shadow, comment),
      });
      this.foot.append(this.composer.element);
    } else {
      this.foot.append(h("p", { class: "quiet" }, allowed ? "Sign in to say something." : "Comments are switched off."));
    }
  }

  /** @param {HTMLElement} shadow @param {Comment} comment */
  posted(shadow, comment) {
    const known = this.rows.get(comment.id);
    if (known) shadow.remove();
    else shadow.replaceWith(new CommentRow(comment, this.thread()).element);
    if (!known && comment.state !== "HELD") this.counted(1);
  }

  /** @param {HTMLElement} element @param {CommentRow | null} answered */
  put(element, answered) {
    // Replies below the deepest level stand beside what they answer.
    const deep = answered && answered.comment.level >= 5 ? this.rows.get(answered.comment.parentId ?? "") : answered;
    const list = deep ? deep.children : /** @type {HTMLElement} */ (this.list);
    list.hidden = false;
    if (deep) list.append(element);
    else if (this.order === "OLDEST") list.append(element);
    else list.prepend(element);
    this.roll?.say("");
    element.scrollIntoView({ block: "nearest" });
  }

  /** @param {CommentRow} row that is pinned now, or no more */
  pinned(row) {
    if (!row.pinning.known) return;
    for (const other of this.rows.values()) if (other !== row) other.pinning.hear(false);
    this.list?.prepend(row.element);
  }

  /** @param {string | null} count */
  hear(count) {
    this.title.textContent = count === null ? "Comments" : `${shortCount(count)} ${count === "1" ? "comment" : "comments"}`;
  }

  /** Others said something: fetch it soon. */
  moved() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look().catch(() => undefined), CALM_MS);
  }

  /** Bring in what the first page has by now. */
  async look() {
    if (!this.element.open) return;
    const order = this.order;
    const video = await threadsOf(this.videoId, order, PAGE, null);
    if (!video || order !== this.order) return;
    this.hear(video.commentCount);
    if (this.owns) this.loadHeld().catch(() => undefined);
    for (const { node } of [...(video.comments?.edges ?? [])].reverse()) {
      const row = this.rows.get(node.id);
      if (row) row.hear(node);
      else if (order === "OLDEST") continue;
      else this.list?.prepend(new CommentRow(node, this.thread()).element);
      this.rows.get(node.id)?.add(...node.children.map((/** @type {any} */ edge) => edge.node));
    }
    this.roll?.left();
    if (this.list?.children.length) this.roll?.say("");
  }
}
