/** What a person does with a clip: like and save it, seen at once and taken back when the server refuses; and telling of a share. */

import { act, gql } from "./api.js";
import { hasSession } from "./auth.js";
import { h, icon, shortCount, toast } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

const LIKE = gql`mutation Like($input: LikeInput!) { like(input: $input) {
  viewerState { liked } userErrors { code message field details { name value } } } }`;
const UNLIKE = gql`mutation Unlike($input: UnlikeInput!) { unlike(input: $input) {
  viewerState { liked } userErrors { code message field details { name value } } } }`;
const SAVE = gql`mutation Save($input: SaveInput!) { save(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;
const UNSAVE = gql`mutation Unsave($input: UnsaveInput!) { unsave(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;
const SHARE = gql`mutation Share($input: ShareInput!) { share(input: $input) {
  shareId userErrors { code message field details { name value } } } }`;

/**
 * @typedef {object} Kind
 * @property {string} on document that does it @property {string} off document that takes it back @property {string} icon @property {string} pressed icon once it is done
 * @property {string} label @property {string} please what a stranger is told
 */

/** @type {Record<"like" | "save", Kind>} */
const KINDS = {
  like: { on: LIKE, off: UNLIKE, icon: "heart", pressed: "hearted", label: "Like", please: "Sign in to like clips." },
  save: { on: SAVE, off: UNSAVE, icon: "mark", pressed: "marked", label: "Save", please: "Sign in to save clips." },
};

/** A button that is pressed while the person likes or keeps the clip. */
export class ActButton {
  /** @param {"like" | "save"} kind @param {string} videoId @param {boolean} done as the server knows @param {string | null} count null when it is not known */
  constructor(kind, videoId, done, count) {
    this.kind = KINDS[kind];
    this.videoId = videoId;
    /** What the server said last. */
    this.known = done;
    /** What the person wants; shown at once. */
    this.wanted = done;
    /** Without the person's own act; a count that lags behind may not hold it yet. */
    this.others = count === null ? null : Math.max(0, Number(count) - Number(done));
    this.busy = false;
    /** @type {HTMLButtonElement} */
    this.element = h("button", { type: "button", class: `act ${kind}`, onclick: () => this.press() });
    this.show();
  }

  press() {
    if (!hasSession()) {
      toast(this.kind.please);
      return;
    }
    this.wanted = !this.wanted;
    this.show();
    this.settle();
  }

  /** Tell the server, one call after the other, until it knows what the person wants. */
  async settle() {
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.known !== this.wanted) {
        const next = this.wanted;
        await act(next ? this.kind.on : this.kind.off, { requestId: uuid(), videoId: this.videoId });
        this.known = next;
      }
    } catch (error) {
      this.wanted = this.known;
      this.show();
      toast(sentenceOf(error), true);
    } finally {
      this.busy = false;
    }
  }

  show() {
    this.element.setAttribute("aria-pressed", String(this.wanted));
    const count = this.others === null ? "" : shortCount(this.others + Number(this.wanted));
    this.element.setAttribute("aria-label", count ? `${this.kind.label}, ${count}` : this.kind.label);
    this.element.replaceChildren(icon(this.wanted ? this.kind.pressed : this.kind.icon), count || this.kind.label);
  }
}

/** Tell that the person passed a clip on. A share that is not counted is not worth a word. @param {string} videoId */
export async function tellShare(videoId) {
  if (!hasSession()) return;
  try {
    await act(SHARE, { requestId: uuid(), videoId, target: "LINK" });
  } catch {
    // The link is copied all the same.
  }
}
