/** What a person does with a clip: like, save and repost it, seen at once and taken back when the server refuses; and pass it on. */

import { act, gql } from "./api.js";
import { hasSession } from "./auth.js";
import { h, icon, shortCount, toast } from "./dom.js";
import { uuid } from "./random.js";
import { Wish } from "./wish.js";

const LIKE = gql`mutation Like($input: LikeInput!) { like(input: $input) {
  viewerState { liked } userErrors { code message field details { name value } } } }`;
const UNLIKE = gql`mutation Unlike($input: UnlikeInput!) { unlike(input: $input) {
  viewerState { liked } userErrors { code message field details { name value } } } }`;
const SAVE = gql`mutation Save($input: SaveInput!) { save(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;
const UNSAVE = gql`mutation Unsave($input: UnsaveInput!) { unsave(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;
const REPOST = gql`mutation Repost($input: RepostInput!) { repost(input: $input) {
  viewerState { reposted } userErrors { code message field details { name value } } } }`;
const UNDO_REPOST = gql`mutation UndoRepost($input: UndoRepostInput!) { undoRepost(input: $input) {
  viewerState { reposted } userErrors { code message field details { name value } } } }`;
const SHARE = gql`mutation Share($input: ShareInput!) { share(input: $input) {
  shareId userErrors { code message field details { name value } } } }`;

/**
 * @typedef {object} Kind
 * @property {string} on document that does it @property {string} off document that takes it back @property {string} icon @property {string} pressed icon once it is done
 * @property {string} label @property {string} please what a stranger is told
 */

/** @type {Record<"like" | "save" | "repost", Kind>} */
const KINDS = {
  like: { on: LIKE, off: UNLIKE, icon: "heart", pressed: "hearted", label: "Like", please: "Sign in to like clips." },
  save: { on: SAVE, off: UNSAVE, icon: "mark", pressed: "marked", label: "Save", please: "Sign in to save clips." },
  repost: { on: REPOST, off: UNDO_REPOST, icon: "repost", pressed: "repost", label: "Repost", please: "Sign in to repost clips." },
};

/** A button that is pressed while the person likes, keeps or reposts the clip. */
export class ActButton {
  /** @param {"like" | "save" | "repost"} kind @param {string} videoId @param {boolean} done as the server knows @param {string | null} count null when it is not known */
  constructor(kind, videoId, done, count) {
    this.kind = KINDS[kind];
    /** Without the person's own act; a count that lags behind may not hold it yet. */
    this.others = count === null ? null : Math.max(0, Number(count) - Number(done));
    /** @type {HTMLButtonElement} */
    this.element = h("button", { type: "button", class: `act ${kind}`, onclick: () => this.press() });
    /** @type {Wish<boolean>} */
    this.wish = new Wish(done, (on, requestId) => act(on ? this.kind.on : this.kind.off, { requestId, videoId }), () => this.show());
    this.show();
  }

  press() {
    if (hasSession()) this.wish.want(!this.wish.wanted);
    else toast(this.kind.please);
  }

  /** What all together did by now. @param {string} count */
  hear(count) {
    this.others = Math.max(0, Number(count) - Number(this.wish.known));
    this.show();
  }

  show() {
    const done = this.wish.wanted;
    this.element.setAttribute("aria-pressed", String(done));
    const count = this.others === null ? "" : shortCount(this.others + Number(done));
    this.element.setAttribute("aria-label", count ? `${this.kind.label}, ${count}` : this.kind.label);
    this.element.replaceChildren(icon(done ? this.kind.pressed : this.kind.icon), count || this.kind.label);
  }
}

/** A button that passes the clip on: by the device's own sheet where there is one, by a copied link elsewhere. */
export class ShareButton {
  /** @param {string} videoId @param {string | null} count */
  constructor(videoId, count) {
    this.videoId = videoId;
    this.count = count === null ? null : Number(count);
    /** @type {HTMLButtonElement} */
    this.element = h("button", { type: "button", class: "act share", onclick: () => this.press() });
    this.show();
  }

  async press() {
    const url = `${location.origin}/?video=${this.videoId}`;
    try {
      if (navigator.share) {
        await navigator.share({ url });
      } else {
        await navigator.clipboard.writeText(url);
        toast("Link copied.");
      }
    } catch (error) {
      // A sheet that was closed is no failure.
      if (/** @type {any} */ (error).name !== "AbortError") toast("The link could not be copied.", true);
      return;
    }
    await this.told(/** @type {any} */ (navigator.share) ? "OTHER_APP" : "LINK");
  }

  /** A share that is not counted is taken out of the count, and not worth a word. @param {string} target */
  async told(target) {
    if (!hasSession()) return;
    const input = { requestId: uuid(), videoId: this.videoId, target };
    this.add(1);
    try {
      await act(SHARE, input).catch((error) => {
        if (!error.passes) throw error;
        return act(SHARE, input);
      });
    } catch {
      this.add(-1);
    }
  }

  /** @param {number} more */
  add(more) {
    if (this.count !== null) this.count += more;
    this.show();
  }

  /** @param {string} count */
  hear(count) {
    this.count = Number(count);
    this.show();
  }

  show() {
    const count = this.count === null ? "" : shortCount(this.count);
    const label = /** @type {any} */ (navigator.share) ? "Share" : "Share, copy link";
    this.element.setAttribute("aria-label", count ? `${label}, ${count}` : label);
    this.element.replaceChildren(icon("share"), count || "Share");
  }
}
