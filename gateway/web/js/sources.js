/** Where clips come from: For You, one clip by its link, the clips of a sound or of a person. All give pages of the same entries. */

import { ask, gql } from "./api.js";

/**
 * @typedef {object} Playback
 * @property {string | null} refusal @property {string | null} masterPlaylistUrl @property {string | null} startPlaylistUrl
 * @property {string | null} mp4Url @property {string | null} [growingPlaylistUrl] @property {string | null} posterUrl @property {string | null} storyboardUrl @property {number | null} startLevel @property {number[]} renditions @property {string | null} expiresAt
 *
 * @typedef {object} Video
 * @property {string} id @property {string} caption @property {string[]} hashtags @property {number} durationMs @property {number} width
 * @property {number} height @property {boolean} hasAudio @property {string | null} viewCount @property {Playback | null} playback
 * @property {string | null} [likeCount] @property {string | null} [saveCount] @property {string | null} [shareCount] @property {string | null} [repostCount] @property {string | null} [commentCount]
 * @property {{liked: boolean, saved: boolean, reposted: boolean} | null} [viewerState] null for strangers
 * @property {(import("./people.js").Person & {verified: boolean}) | null} creator
 * @property {{id: string, title: string, creator: {handle: string} | null} | null} sound
 *
 * @typedef {{video: Video, viewToken: string | null}} Entry
 * @typedef {{name: string, entries: Entry[], after: string | null, more: boolean}} Page name: what the list is called, "" for the feed
 * @typedef {(after: string | null, count: number) => Promise<Page>} Source
 */

// The documents stand whole, so that a test can read them: fragments would be put together at run time.
const FOR_YOU = gql`query ForYou($first: Int!, $after: String) { forYou(first: $first, after: $after) {
  edges { cursor viewToken node { id caption hashtags durationMs width height hasAudio viewCount likeCount saveCount shareCount repostCount commentCount viewerState { liked saved reposted }
    creator { id handle displayName verified isPrivate relationship { follow followedBy blocks mutes } } sound { id title creator { handle } }
    playback { refusal masterPlaylistUrl startPlaylistUrl mp4Url posterUrl storyboardUrl startLevel renditions expiresAt } } }
  pageInfo { hasNextPage } } }`;

const OF_LINK = gql`query OfLink($id: ID!) { video(id: $id) { id caption hashtags durationMs width height hasAudio viewCount likeCount saveCount shareCount repostCount commentCount viewerState { liked saved reposted } viewToken(surface: LINK)
  creator { id handle displayName verified isPrivate relationship { follow followedBy blocks mutes } } sound { id title creator { handle } }
  playback { refusal masterPlaylistUrl startPlaylistUrl mp4Url growingPlaylistUrl posterUrl storyboardUrl startLevel renditions expiresAt } } }`;

const OF_SOUND = gql`query OfSound($id: ID!, $first: Int!, $after: String) { sound(id: $id) { title creator { handle }
  videos(first: $first, after: $after) { edges { cursor node { id caption hashtags durationMs width height hasAudio viewCount likeCount saveCount shareCount repostCount commentCount viewerState { liked saved reposted } viewToken(surface: SOUND)
    creator { id handle displayName verified isPrivate relationship { follow followedBy blocks mutes } } sound { id title creator { handle } }
    playback { refusal masterPlaylistUrl startPlaylistUrl mp4Url posterUrl storyboardUrl startLevel renditions expiresAt } } } pageInfo { hasNextPage } } } }`;

const OF_PERSON = gql`query OfPerson($handle: String!, $first: Int!, $after: String) { user(handle: $handle) { handle displayName
  videos(first: $first, after: $after) { edges { cursor node { id caption hashtags durationMs width height hasAudio viewCount likeCount saveCount shareCount repostCount commentCount viewerState { liked saved reposted } viewToken(surface: PROFILE)
    creator { id handle displayName verified isPrivate relationship { follow followedBy blocks mutes } } sound { id title creator { handle } }
    playback { refusal masterPlaylistUrl startPlaylistUrl mp4Url posterUrl storyboardUrl startLevel renditions expiresAt } } } pageInfo { hasNextPage } } } }`;

const PLAYBACK = gql`query Playback($id: ID!) { video(id: $id) {
  playback { refusal masterPlaylistUrl startPlaylistUrl mp4Url growingPlaylistUrl posterUrl storyboardUrl startLevel renditions expiresAt } } }`;

/** Fresh addresses of a clip; the old ones end with their grant. @param {string} id @returns {Promise<Playback | null>} */
export async function renewPlayback(id) {
  return (await ask(PLAYBACK, { id })).video?.playback ?? null;
}

/** @type {Source} */
async function forYou(after, count) {
  const { forYou: page } = await ask(FOR_YOU, { first: count, after });
  const entries = page.edges.map((/** @type {any} */ edge) => ({ video: edge.node, viewToken: edge.viewToken }));
  return { name: "", entries, after: page.edges.at(-1)?.cursor ?? null, more: page.pageInfo.hasNextPage && entries.length > 0 };
}

/** @param {any} connection @param {string} name @returns {Page} what can be played of a list */
function listed(connection, name) {
  const edges = (connection?.edges ?? []).filter((/** @type {any} */ edge) => edge.node.playback?.refusal === null);
  const entries = edges.map((/** @type {any} */ edge) => ({ video: edge.node, viewToken: edge.node.viewToken }));
  const after = connection?.edges.at(-1)?.cursor ?? null;
  return { name, entries, after, more: after !== null && connection.pageInfo.hasNextPage };
}

/** The list that an address asks for. @param {URLSearchParams} parameters @returns {Source} */
export function sourceOf(parameters) {
  const [video, sound, user] = ["video", "sound", "user"].map((name) => parameters.get(name));
  if (video) {
    return async () => {
      const found = (await ask(OF_LINK, { id: video })).video;
      const entries = found ? [{ video: found, viewToken: found.viewToken }] : [];
      return { name: "One clip", entries, after: null, more: false };
    };
  }
  if (sound) {
    return async (after, first) => {
      const found = (await ask(OF_SOUND, { id: sound, first, after })).sound;
      return listed(found?.videos, found ? soundName(found) : "This sound");
    };
  }
  if (user) {
    return async (after, first) => {
      const found = (await ask(OF_PERSON, { handle: user, first, after })).user;
      return listed(found?.videos, `@${found?.handle ?? user}`);
    };
  }
  return forYou;
}

/** @param {{title: string, creator: {handle: string} | null}} sound @returns {string} an original sound has no title: its creator names it */
export function soundName(sound) {
  return sound.title || (sound.creator ? `Original sound · @${sound.creator.handle}` : "Original sound");
}
