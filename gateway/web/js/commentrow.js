/** One comment: who said what when, its replies below it, and what the viewer may do: like, reply, edit, delete, pin, hide, approve. */

import { edit, like, pin, remove, repliesOf, show } from "./commenting.js";
import { askFirst } from "./dialogs.js";
import { ago, face, h, icon, shortCount, toast } from "./dom.js";
import { openHistory } from "./history.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";
import { Wish } from "./wish.js";

export const MOST_CHARACTERS = 1000;

/**
 * @typedef {import("./commenting.js").Comment} Comment
 * @typedef {object} Thread what a comment asks of the drawer that it stands in
 * @property {string} videoId @property {string | null} viewerId null for strangers @property {boolean} owns whether the viewer made the clip
 * @property {(row: CommentRow) => void} answer begins a reply @property {(row: CommentRow) => void} pinned @property {(by: number) => void} counted
 * @property {Map<string, CommentRow>} rows @property {() => boolean} allowed whether the viewer may act; says why when not
 */

/** Text with links where somebody is named; never parsed as HTML. @param {string} text @param {{handle: string}[]} mentions @returns {(string | HTMLElement)[]} */
export function withLinks(text, mentions) {
  const handles = new Set(mentions.map(({ handle }) => handle.toLowerCase()));
  return text.split(/(@[\p{L}\p{N}_.]+)/u).map((part) => {
    const handle = part.slice(1).replace(/\.+$/, "");
    if (part[0] !== "@" || !handles.has(handle.toLowerCase())) return part;
    return h("span", {}, h("a", { href: `/@${encodeURIComponent(handle.toLowerCase())}` }, `@${handle}`), part.slice(1 + handle.length));
  });
}

export class CommentRow {
  /** @param {Comment} comment @param {Thread} thread */
  constructor(comment, thread) {
    this.comment = comment;
    this.thread = thread;
    thread.rows.set(comment.id, this);
    /** Likes without the viewer's own. */
    this.others = Math.max(0, Number(comment.likeCount) - Number(comment.liked));
    this.liking = new Wish(comment.liked, (on, id) => like(on, thread.videoId, comment.id, id), () => this.showLike());
    this.standing = new Wish(comment.state, (state, id) => show(state === "PUBLISHED", comment.id, id), () => this.showState());
    this.pinning = new Wish(comment.pinned, (on, id) => pin(on, comment.id, id), () => this.draw());
    this.after = comment.childrenCursor ?? null;
    /** Whether the viewer is changing its words. */
    this.editing = false;
    this.body = h("div", { class: "said" });
    this.children = h("ul", { class: "comments", hidden: true });
    this.more = h("button", { type: "button", class: "link", hidden: true, onclick: () => this.loadMore() });
    this.element = h("li", { class: "comment", "data-comment": comment.id }, this.body, this.children, this.more);
    this.draw();
    this.add(...(comment.children ?? []).map(({ node }) => node));
    this.showMore(this.missing() > 0 || this.after !== null);
  }

  /** Replies that are not drawn. */
  missing() {
    return Number(this.comment.totalChildren) - this.children.children.length;
  }

  draw() {
    // Words that are being changed stay in their field.
    if (this.editing) return;
    const { comment } = this;
    this.element.classList.toggle("removed", comment.state === "REMOVED");
    if (comment.state === "REMOVED") {
      this.body.replaceChildren(h("p", { class: "quiet" }, "This comment was removed."));
      return;
    }
    const { author } = comment;
    this.likeButton = h("button", { type: "button", class: "link like", onclick: () => this.thread.allowed() && this.liking.want(!this.liking.wanted) });
    this.badges = h("span", { class: "badges" });
    this.acts = h("div", { class: "said-acts" });
    this.body.replaceChildren(
      face(author),
      h("div", { class: "saying" },
        h("div", { class: "facts" },
          author ? h("a", { class: "author", href: `/@${encodeURIComponent(author.handle)}` }, h("bdi", {}, author.displayName)) : h("span", { class: "author" }, "Somebody"),
          h("time", { datetime: comment.postedAt }, ago(comment.postedAt)), comment.editedAt ? this.edited() : null, this.badges),
        h("p", { class: "text", dir: "auto" }, ...withLinks(comment.text, comment.mentions)),
        this.acts));
    this.showLike();
    this.showState();
  }

  /** That the comment said something else: who may read what, opens it. */
  edited() {
    const { comment, thread } = this;
    const own = thread.viewerId !== null && comment.authorId === thread.viewerId;
    if (!own && !thread.owns) return h("span", {}, "edited");
    return h("button", { type: "button", class: "link", "aria-label": "edited: what it said before", onclick: () => openHistory(comment) }, "edited");
  }

  showLike() {
    if (!this.likeButton) return;
    const liked = this.liking.wanted;
    const count = this.others + Number(liked);
    this.likeButton.setAttribute("aria-pressed", String(liked));
    this.likeButton.setAttribute("aria-label", count ? `Like, ${shortCount(count)}` : "Like");
    this.likeButton.replaceChildren(icon(liked ? "hearted" : "heart"), count ? shortCount(count) : "Like");
  }

  showState() {
    if (!this.badges || !this.acts) return;
    const { comment, thread } = this;
    const state = this.standing.wanted;
    const words = /** @type {Record<string, string>} */ ({ HELD: "Waits for approval", HIDDEN: "Hidden" });
    const badge = (/** @type {string} */ word, /** @type {string} */ kind) => h("span", { class: `badge ${kind}` }, word);
    this.badges.replaceChildren(...(this.pinning.wanted ? [badge("Pinned", "good")] : []), ...(words[state] ? [badge(words[state], "waits")] : []));
    const own = thread.viewerId !== null && comment.authorId === thread.viewerId;
    const button = (/** @type {string} */ word, /** @type {() => void} */ onclick, kind = "") => h("button", { type: "button", class: `link ${kind}`, onclick }, word);
    const stands = state === "PUBLISHED";
    this.acts.replaceChildren(...[
      stands ? this.likeButton : null,
      stands ? button("Reply", () => thread.allowed() && thread.answer(this)) : null,
      own ? button("Edit", () => this.edit()) : null,
      thread.owns && stands && comment.level === 1 ? button(this.pinning.wanted ? "Unpin" : "Pin", () => this.pin()) : null,
      thread.owns && !stands ? button("Approve", () => this.standing.want("PUBLISHED")) : null,
      thread.owns && !own && state !== "HIDDEN" ? button("Hide", () => this.standing.want("HIDDEN")) : null,
      own ? button("Delete", () => this.askRemove(), "danger") : null,
    ].filter((one) => one !== null));
  }

  async pin() {
    if (await this.pinning.want(!this.pinning.wanted)) this.thread.pinned(this);
  }

  /** @param {...Comment} comments replies of this one, oldest first */
  add(...comments) {
    for (const comment of comments) if (!this.thread.rows.has(comment.id)) this.children.append(new CommentRow(comment, this.thread).element);
    this.children.hidden = !this.children.children.length;
  }

  /** @param {boolean} some */
  showMore(some) {
    this.more.hidden = !some;
    const missing = this.missing();
    this.more.textContent = missing > 0 ? `Show ${missing} ${this.children.children.length ? "more " : ""}${missing === 1 ? "reply" : "replies"}` : "Show more replies";
  }

  async loadMore() {
    this.more.disabled = true;
    try {
      const page = await repliesOf(this.thread.videoId, this.comment.id, this.after);
      this.add(...(page?.edges ?? []).map((/** @type {any} */ edge) => edge.node));
      this.after = page?.pageInfo.endCursor ?? this.after;
      this.showMore(Boolean(page?.pageInfo.hasNextPage));
    } catch (error) {
      toast(sentenceOf(error), true);
    }
    this.more.disabled = false;
  }

  /** What the server says of the comment by now. @param {Comment} comment */
  hear(comment) {
    this.comment = { ...this.comment, text: comment.text, state: comment.state, editedAt: comment.editedAt, mentions: comment.mentions, totalChildren: comment.totalChildren };
    this.others = Math.max(0, Number(comment.likeCount) - Number(this.liking.known));
    this.draw();
    this.standing.hear(comment.state);
    this.pinning.hear(comment.pinned);
    if (this.missing() > 0) this.showMore(true);
  }

  edit() {
    const { comment } = this;
    const field = h("textarea", { maxlength: MOST_CHARACTERS, rows: 3, "aria-label": "Your comment" });
    field.value = comment.text;
    const problem = h("p", { class: "problem", role: "alert" });
    const form = h("form", { class: "form edit" }, field, problem,
      h("div", { class: "row" }, h("button", { class: "button small primary" }, "Save"), h("button", { type: "button", class: "button small", onclick: () => this.close() }, "Cancel")));
    this.editing = true;
    this.body.replaceChildren(form);
    field.focus();
    let [requestId, of] = [uuid(), ""];
    form.addEventListener("submit", async (/** @type {Event} */ event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text) return;
      // Other words are another request.
      if (text !== of) [requestId, of] = [uuid(), text];
      const before = this.comment;
      this.comment = { ...before, text };
      this.close();
      try {
        Object.assign(this.comment, await edit(comment.id, text, requestId));
        this.standing.hear(this.comment.state);
        this.draw();
      } catch (error) {
        this.comment = before;
        this.editing = true;
        this.body.replaceChildren(form);
        problem.textContent = sentenceOf(error);
      }
    });
  }

  /** Show the comment in the place of its field. */
  close() {
    this.editing = false;
    this.draw();
  }

  askRemove() {
    const requestId = uuid();
    askFirst({ title: "Delete your comment?", text: "Replies to it stay.", yes: "Delete", no: "Keep it", act: async () => void this.remove(requestId) });
  }

  /** Gone at once, and back when the server refuses. @param {string} requestId */
  async remove(requestId) {
    const before = this.comment;
    this.comment = { ...before, state: "REMOVED" };
    this.draw();
    const stays = Number(before.totalChildren) > 0 || this.children.children.length > 0;
    this.element.hidden = !stays;
    if (before.state === "PUBLISHED") this.thread.counted(-1);
    try {
      await remove(before.id, requestId);
    } catch (error) {
      this.comment = before;
      this.element.hidden = false;
      if (before.state === "PUBLISHED") this.thread.counted(1);
      this.draw();
      toast(sentenceOf(error), true);
    }
  }
}
