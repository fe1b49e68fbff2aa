/** The column of buttons beside a clip: like, comments, save, repost, share, sound; their counts move while the clip is on screen. */

import { ActButton, ShareButton } from "./acts.js";
import { hasSession } from "./auth.js";
import { Drawer } from "./comments.js";
import { followCounts } from "./counters.js";
import { h, icon, shortCount } from "./dom.js";

export class Rail {
  /** @param {import("./sources.js").Video} video @param {HTMLElement} muteButton */
  constructor(video, muteButton) {
    const { viewCount, likeCount, saveCount, shareCount, repostCount, commentCount, viewerState, id } = video;
    this.videoId = id;
    this.said = commentCount ?? null;
    this.like = new ActButton("like", id, viewerState?.liked ?? false, likeCount ?? null);
    this.save = new ActButton("save", id, viewerState?.saved ?? false, saveCount ?? null);
    this.repost = new ActButton("repost", id, viewerState?.reposted ?? false, repostCount ?? null);
    this.share = new ShareButton(id, shareCount ?? null);
    this.comments = h("button", { type: "button", class: "act words-of", "aria-haspopup": "dialog", onclick: () => this.openComments() });
    this.showSaid();
    /** @type {Drawer | null} */
    this.drawer = null;
    this.stop = () => {};
    this.element = h("div", { class: "rail" }, this.like.element, this.comments, this.save.element, this.repost.element, this.share.element, muteButton,
      viewCount === null ? null : h("span", { class: "count", title: `${viewCount} views` }, icon("eye"), h("span", {}, shortCount(viewCount), h("span", { class: "hidden-text" }, " views"))));
  }

  /** The clip is on screen. Strangers see the counts as they were: a socket for each of them would be much for little. */
  enter() {
    if (!hasSession()) return;
    this.stop = followCounts(this.videoId, (counts) => {
      this.like.hear(counts.likeCount);
      this.save.hear(counts.saveCount);
      this.repost.hear(counts.repostCount);
      this.share.hear(counts.shareCount);
      this.hear(counts.commentCount);
    });
  }

  leave() {
    this.stop();
    this.stop = () => {};
    this.drawer?.element.close();
  }

  /** @param {string | null} [commentId] to show first */
  openComments(commentId = null) {
    if (this.drawer?.element.open) return;
    this.drawer = new Drawer(this.videoId, this.said, (by) => this.count(String(Number(this.said ?? 0) + by)));
    this.drawer.open(commentId);
  }

  /** @param {string} count */
  hear(count) {
    if (count === this.said) return;
    this.count(count);
    this.drawer?.moved();
  }

  /** @param {string} count */
  count(count) {
    this.said = count;
    this.drawer?.hear(count);
    this.showSaid();
  }

  showSaid() {
    const count = this.said === null ? "" : shortCount(this.said);
    this.comments.setAttribute("aria-label", count ? `Comments, ${count}` : "Comments");
    this.comments.replaceChildren(icon("words"), count || "Comments");
  }
}
