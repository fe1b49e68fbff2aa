/** Clips as a grid of small pictures: those of a person, their reposts, one's own likes and saves. */

import { act, ask, gql } from "./api.js";
import { h, icon, shortCount, toast } from "./dom.js";
import { uuid } from "./random.js";
import { Roll } from "./roll.js";
import { sentenceOf } from "./sentences.js";

const PAGE = 12;

const CLIPS = gql`query PersonClips($id: ID!, $first: Int!, $after: String) { user(id: $id) { videos(first: $first, after: $after) {
  edges { node { id caption state visibility viewCount playback { posterUrl } } } pageInfo { hasNextPage endCursor } } } }`;
const REPOSTS = gql`query PersonReposts($id: ID!, $first: Int!, $after: String) { user(id: $id) { reposts(first: $first, after: $after) {
  edges { videoId node { id caption state visibility viewCount creator { handle } playback { posterUrl } } } pageInfo { hasNextPage endCursor } } } }`;
const LIKED = gql`query LikedVideos($first: Int!, $after: String) { likedVideos(first: $first, after: $after) {
  edges { videoId node { id caption state visibility viewCount creator { handle } playback { posterUrl } } } pageInfo { hasNextPage endCursor } } }`;
const SAVED = gql`query SavedVideos($collectionId: ID, $first: Int!, $after: String) { savedVideos(collectionId: $collectionId, first: $first, after: $after) {
  edges { videoId node { id caption state visibility viewCount creator { handle } playback { posterUrl } } } pageInfo { hasNextPage endCursor } } }`;
const UNLIKE = gql`mutation UnlikeGone($input: UnlikeInput!) { unlike(input: $input) {
  viewerState { liked } userErrors { code message field details { name value } } } }`;
const UNSAVE = gql`mutation UnsaveGone($input: UnsaveInput!) { unsave(input: $input) {
  viewerState { saved } userErrors { code message field details { name value } } } }`;

/** What a person reads of an audience that is not everybody. @type {Record<string, string>} */
const AUDIENCES = { FRIENDS: "Friends", FOLLOWERS: "Followers", ONLY_ME: "Only me" };
/** What is out, or waits for nothing but a look; the rest stands in the studio. */
const OUT = ["READY", "RESTRICTED"];

/** @param {any} video @param {...any} more @returns {HTMLElement} */
function tile(video, ...more) {
  const name = [video.caption.slice(0, 120) || "Clip without words", video.creator ? `by @${video.creator.handle}` : ""].join(" ");
  const poster = video.playback?.posterUrl;
  return h("li", { class: "tile", "data-video": video.id },
    h("a", { href: `/?video=${video.id}`, "aria-label": name },
      poster ? h("img", { src: poster, alt: "", loading: "lazy" }) : h("span", { class: "words-alone", "aria-hidden": "true" }, video.caption.slice(0, 80) || "…"),
      AUDIENCES[video.visibility] ? h("span", { class: "badge" }, AUDIENCES[video.visibility]) : null,
      video.viewCount === null ? null : h("span", { class: "views" }, icon("eye"), shortCount(video.viewCount), h("span", { class: "hidden-text" }, " views"))),
    ...more);
}

/** What a list still has of a clip that is not there any more. @param {any} edge @param {string} document that takes it out @param {() => void} left @returns {HTMLElement} */
function goneTile(edge, document, left) {
  const requestId = uuid();
  const remove = async () => {
    button.disabled = true;
    try {
      await act(document, { requestId, videoId: edge.videoId });
      element.remove();
      left();
    } catch (error) {
      button.disabled = false;
      toast(sentenceOf(error), true);
    }
  };
  const button = h("button", { type: "button", class: "button small", onclick: remove }, "Remove");
  const element = h("li", { class: "tile gone", "data-video": edge.videoId }, h("span", { class: "quiet" }, "No longer there"), button);
  return element;
}

/** @param {(after: string | null) => Promise<any>} load @param {(edge: any, left: () => void) => HTMLElement | null} draw @param {string} none @returns {Roll} */
function grid(load, draw, none) {
  /** @type {Roll} */
  const roll = new Roll({ load, draw: (edge) => draw(edge, () => roll.left()), list: h("ul", { class: "tiles" }), none });
  return roll;
}

/** @param {string} userId @param {string} none @returns {Roll} */
export function clipsOf(userId, none) {
  const draw = (/** @type {any} */ { node }) => (OUT.includes(node.state) ? tile(node) : null);
  return grid(async (after) => (await ask(CLIPS, { id: userId, first: PAGE, after })).user?.videos, draw, none);
}

/** @param {string} userId @param {string} none @returns {Roll} */
export function repostsOf(userId, none) {
  return grid(async (after) => (await ask(REPOSTS, { id: userId, first: PAGE, after })).user?.reposts, ({ node }) => node && tile(node), none);
}

/** @returns {Roll} */
export function liked() {
  const draw = (/** @type {any} */ edge, /** @type {() => void} */ left) => (edge.node ? tile(edge.node) : goneTile(edge, UNLIKE, left));
  return grid(async (after) => (await ask(LIKED, { first: PAGE, after })).likedVideos, draw, "What you like is listed here, for you alone.");
}

/** @param {string | null} collectionId null for all @param {(video: any, element: HTMLElement) => void} move opens what a tile can be moved by @returns {Roll} */
export function saved(collectionId, move) {
  const draw = (/** @type {any} */ edge, /** @type {() => void} */ left) => {
    if (!edge.node) return goneTile(edge, UNSAVE, left);
    const more = h("button", { type: "button", class: "corner", "aria-label": "Move or remove" }, icon("dots"));
    const element = tile(edge.node, more);
    more.addEventListener("click", () => move(edge.node, element));
    return element;
  };
  const none = collectionId ? "Nothing is kept in here yet." : "What you save is listed here, for you alone.";
  return grid(async (after) => (await ask(SAVED, { collectionId, first: PAGE, after })).savedVideos, draw, none);
}
