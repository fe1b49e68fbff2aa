/** One line of the studio: a video, or an upload that is not finished. */

import { isPlayable } from "./addresses.js";
import { day, fill, h, shortCount, size, toast } from "./dom.js";
import { askDelete, edit } from "./editor.js";
import { sentence, sentenceOf } from "./sentences.js";
import { abortUpload } from "./uploader.js";
import { follow, stateWords } from "./videos.js";
import { waveform } from "./waveform.js";

/** Visibility -> what a person reads. @type {Record<string, string>} */
const AUDIENCES = { FRIENDS: "Friends", FOLLOWERS: "Followers", ONLY_ME: "Only me" };

const LOOK_MS = 1500;

/** @typedef {{refresh: () => Promise<void>, gone: (id: string) => void}} Studio */

export class VideoRow {
  /** @param {any} video @param {Studio} studio */
  constructor(video, studio) {
    this.studio = studio;
    this.element = h("li", { class: "card item", "data-video": video.id });
    this.meter = h("div", { class: "meter", role: "progressbar", "aria-label": "Processing", "aria-valuemin": "0", "aria-valuemax": "100" }, h("i"));
    /** @type {(() => void) | null} */
    this.unfollow = null;
    this.show(video);
  }

  /** @param {any} video */
  show(video) {
    this.video = video;
    const focused = this.element.contains(document.activeElement) ? document.activeElement?.textContent : null;
    this.element.replaceChildren(this.thumb(), this.about(), this.actions());
    if (focused) [...this.element.querySelectorAll("button, a")].find((one) => one.textContent === focused)?.focus();
    this.live();
  }

  thumb() {
    const url = this.video.playback?.posterUrl;
    return h("div", { class: "thumb" }, url ? h("img", { src: url, alt: "", loading: "lazy" }) : h("span", { "aria-hidden": "true" }, "…"));
  }

  about() {
    const { video } = this;
    const [word, kind, meaning] = stateWords(video.state);
    const failure = video.failureCode ? sentence(video.failureCode, video.failureDetail ?? "") : "";
    const encoding = video.progressPercent < 100 && !video.failureCode && video.state !== "REJECTED";
    this.meter.hidden = !encoding;
    fill(this.meter, video.progressPercent / 100);
    return h("div", { class: "about" },
      h("div", { class: "title" }, video.caption || "Without words"),
      h("div", { class: "facts" }, h("span", { class: `badge ${kind}`, title: meaning }, word),
        AUDIENCES[video.visibility] ? h("span", { class: "badge" }, AUDIENCES[video.visibility]) : null,
        video.viewCount === null ? null : h("span", {}, `${shortCount(video.viewCount)} ${video.viewCount === "1" ? "view" : "views"}`),
        h("span", {}, day(video.publishedAt ?? video.createdAt))),
      this.meter,
      video.playback?.waveformUrl ? waveform(video.id, video.playback.waveformUrl) : null,
      failure ? h("p", { class: "problem-line" }, failure) : null);
  }

  actions() {
    const { video, studio } = this;
    const draft = video.state === "DRAFT" || (video.state === "PROCESSING" && !video.publishedAt && video.caption === "");
    const editable = !["FAILED", "DELETED"].includes(video.state);
    const [plays, grows] = [isPlayable(video.playback), Boolean(video.playback?.growingPlaylistUrl)];
    return h("div", { class: "actions" },
      plays ? h("a", { class: "button small", href: `/?video=${video.id}` }, grows ? "Watch while it is made" : "Watch") : null,
      editable ? h("button", { type: "button", class: draft ? "button small primary" : "button small", onclick: () => edit(video, draft, studio.refresh) }, draft ? "Publish" : "Edit") : null,
      h("button", { type: "button", class: "button small danger", onclick: () => askDelete(video, () => this.remove()) }, "Delete"));
  }

  remove() {
    this.unfollow?.();
    this.studio.gone(this.video.id);
  }

  /** Follow processing while there is some. */
  live() {
    const over = this.video.progressPercent >= 100 || this.video.failureCode || ["FAILED", "DELETED"].includes(this.video.state);
    if (over || this.unfollow) return;
    let playable = this.video.state !== "PROCESSING";
    let askedAt = 0;
    const again = () => {
      askedAt = performance.now();
      return this.studio.refresh().catch(() => undefined);
    };
    this.unfollow = follow(
      this.video.id,
      (upload) => {
        this.video.progressPercent = Math.max(this.video.progressPercent, upload.progressPercent);
        fill(this.meter, upload.progressPercent / 100);
        // Nothing tells that its beginning can be watched but its address.
        const grows = upload.stage === "ENCODING_FIRST" && !this.video.playback?.growingPlaylistUrl && performance.now() - askedAt > LOOK_MS;
        if (!playable && (upload.playable || grows)) again();
        playable ||= upload.playable;
      },
      again,
    );
  }
}

/** @param {any} upload @param {() => void} gone @returns {HTMLElement} */
export function OpenUploadRow(upload, gone) {
  const arrived = upload.receivedParts.reduce((/** @type {number} */ sum, /** @type {any} */ part) => sum + part.sizeBytes, 0);
  const abort = async () => {
    try {
      await abortUpload(upload.id);
      element.remove();
      gone();
      toast("Upload cancelled.");
    } catch (error) {
      toast(sentenceOf(error), true);
    }
  };
  const meter = h("div", { class: "meter", role: "progressbar", "aria-label": "Arrived", "aria-valuemin": "0", "aria-valuemax": "100" }, h("i"));
  fill(meter, arrived / Number(upload.sizeBytes));
  const element = h("li", { class: "card item", "data-upload": upload.id },
    h("div", { class: "thumb", "aria-hidden": "true" }, "…"),
    h("div", { class: "about" }, h("div", { class: "title" }, `${size(arrived)} of ${size(upload.sizeBytes)} arrived`),
      h("div", { class: "facts" }, h("span", {}, `Begun ${day(upload.createdAt)}`), h("span", {}, "Choose the same file again to go on.")), meter),
    h("div", { class: "actions" }, h("a", { class: "button small primary", href: "/upload" }, "Go on"), h("button", { type: "button", class: "button small danger", onclick: abort }, "Cancel upload")));
  return element;
}
