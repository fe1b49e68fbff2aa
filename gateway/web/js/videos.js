/** What a creator does with videos: publish, change, delete, follow their processing; and what their states mean. */

import { act, ask, gql } from "./api.js";
import { uuid } from "./random.js";
import { subscribe } from "./ws.js";

const PUBLISH = gql`mutation PublishVideo($input: PublishVideoInput!) { publishVideo(input: $input) {
  video { id state version } userErrors { code message field details { name value } } } }`;
const UPDATE = gql`mutation UpdateVideo($input: UpdateVideoInput!) { updateVideo(input: $input) {
  video { id state version } userErrors { code message field details { name value } } } }`;
const DELETE = gql`mutation DeleteVideo($input: DeleteVideoInput!) { deleteVideo(input: $input) {
  deletedVideoId userErrors { code message field details { name value } } } }`;
const PROGRESS = gql`subscription UploadProgress($id: ID!) { uploadProgress(uploadId: $id) {
  id state stage progressPercent playable failureCode failureDetail } }`;
const STATE = gql`query VideoState($id: ID!) { video(id: $id) { id state failureCode failureDetail version } }`;

/** @typedef {import("./about.js").About} About */

/** The same words of a video go out under the same name, so that a repeat after a lost answer is no second publication or edit. @type {Map<string, string>} */
const requestIds = new Map();

/** @param {any[]} words of a call @returns {string} the name of the call, the same for the same words */
function nameOf(...words) {
  const key = JSON.stringify(words);
  const name = requestIds.get(key) ?? uuid();
  requestIds.set(key, name);
  return name;
}

/** @param {string} videoId @param {About} about @returns {Promise<any>} throws ApiError */
export async function publish(videoId, about) {
  return (await act(PUBLISH, { requestId: nameOf(videoId, about), videoId, ...about })).video;
}

/** @param {string} videoId @param {string} version as it was read @param {About} about @returns {Promise<any>} throws ApiError */
export async function update(videoId, version, about) {
  const requestId = nameOf(videoId, version, about);
  return (await act(UPDATE, { requestId, videoId, expectedVersion: version, ...about })).video;
}

/** @param {string} videoId @returns {Promise<void>} throws ApiError */
export async function remove(videoId) {
  await act(DELETE, { videoId });
}

/** @param {string} videoId @returns {Promise<any>} null when it is gone */
export async function stateOf(videoId) {
  return (await ask(STATE, { id: videoId })).video;
}

/**
 * Hear of processing until it is over.
 * @param {string} uploadId @param {(upload: any) => void} next @param {() => void} [done] @param {(message: string) => void} [failed] @returns {() => void} stops
 */
export function follow(uploadId, next, done, failed) {
  return subscribe(PROGRESS, { id: uploadId }, { next: (data) => next(data.uploadProgress), done, failed });
}

/** State -> [what a person reads, class of the badge, meaning]. @type {Record<string, [string, string, string]>} */
const STATES = {
  UPLOADING: ["Uploading", "busy", "The file has not arrived yet."],
  PROCESSING: ["Processing", "busy", "The clip is being made playable."],
  DRAFT: ["Draft", "waits", "Only you can see it. Publish it when you like."],
  ASSESSING: ["Being checked", "busy", "It appears as soon as the check is over."],
  IN_REVIEW: ["In review", "waits", "A moderator looks at it before it appears."],
  READY: ["Published", "good", "Everybody whom you allow can watch it."],
  RESTRICTED: ["Limited", "waits", "It plays from links and your page, but is not recommended."],
  REJECTED: ["Not published", "bad", "It breaks a rule."],
  TAKEN_DOWN: ["Taken down", "bad", "It was removed."],
  FAILED: ["Failed", "bad", "The file could not be used."],
  DELETED: ["Deleted", "bad", "It is gone."],
};

/** @param {string} state @returns {[string, string, string]} */
export function stateWords(state) {
  return STATES[state] ?? [state, "", ""];
}

/** What each step of processing is called, in order. @type {[string, string][]} */
export const STAGES = [
  ["QUEUED", "Waiting for its turn"],
  ["PROBING", "Looking at the file"],
  ["ENCODING_FIRST", "Making it playable"],
  ["ENCODING_REST", "Making more sizes"],
];
