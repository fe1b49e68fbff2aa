/** Named refusals as sentences for a person. */

import { clock, size } from "./dom.js";

/** @type {Record<string, string | ((facts: Record<string, string>) => string)>} */
const SENTENCES = {
  DURATION_TOO_SHORT: (facts) => `The clip is too short: it needs at least ${facts.minMs ? clock(Number(facts.minMs)) : "0:15"}.`,
  DURATION_TOO_LONG: (facts) => `The clip is too long: at most ${facts.maxMs ? clock(Number(facts.maxMs)) : "10:00"} are taken.`,
  FILE_TOO_LARGE: (facts) => `The file is too large: at most ${facts.maxBytes ? size(facts.maxBytes) : "4 GB"} are taken.`,
  UNSUPPORTED_CONTENT_TYPE: "This kind of file is not taken. Use MP4, MOV, MKV, WebM or AVI.",
  DAILY_LIMIT_EXCEEDED: "You have used up today's uploads. Come back tomorrow.",
  TOO_MANY_OPEN_UPLOADS: "Too many uploads are open. Finish or cancel one in the studio.",
  IMAGE_NOT_FOUND: "This picture is no longer there. Choose it again.",
  IMAGE_NOT_OPEN: "This picture took too long. Choose it again.",
  IMAGE_NOT_SENT: "The picture did not arrive. Choose it again.",
  UNSUPPORTED_IMAGE: "This is no JPEG, PNG or WebP, whatever its name says.",
  CORRUPT_IMAGE: "The picture is damaged and cannot be shown.",
  ANIMATED_IMAGE: "The picture moves. Choose one that stands still.",
  UPLOAD_NOT_FOUND: "This upload is no longer there. Choose the file again.",
  UPLOAD_NOT_OPEN: "This upload has ended. Choose the file again.",
  MISSING_PARTS: "Some of the file did not arrive. Try again; what arrived is kept.",
  SIZE_MISMATCH: "The file changed while it was sent. Choose it again.",
  CHECKSUM_MISMATCH: "The file was damaged on its way. Choose it again.",
  UPLOAD_ABORTED: "The upload was given up. Choose the file again.",
  UPLOAD_EXPIRED: "The upload was not finished in time. Choose the file again.",
  FILE_UNREADABLE: "The file can no longer be read. Choose it again.",
  CORRUPT_MEDIA: "The file is damaged and cannot be played.",
  NO_VIDEO: "There are no moving pictures in this file.",
  UNSUPPORTED_CONTAINER: "This kind of file is not taken. Use MP4, MOV, MKV, WebM or AVI.",
  UNSUPPORTED_CODEC: "The pictures are stored in a way that we cannot read. Export the clip as H.264 and try again.",
  TOO_MANY_PIXELS: "The pictures are too large: at most 4K is taken.",
  TOO_FEW_PIXELS: "The pictures are too small.",
  TOO_MANY_STREAMS: "The file holds too many tracks.",
  UNSUPPORTED_ASPECT_RATIO: "The pictures are too wide or too tall.",
  FPS_OUT_OF_RANGE: "The clip has too few or too many pictures a second.",
  PROCESSING_FAILED: "Something went wrong on our side while the clip was made playable. Upload it again.",
  POLICY_VIOLATION: "The clip breaks a rule and was not published.",
  VIDEO_NOT_FOUND: "This video is no longer there.",
  VIDEO_NOT_DRAFT: "This video was published already.",
  PUBLIC_NEEDS_AGE: "Below 16 a clip is not for everyone: choose followers, friends or only you.",
  CONFLICT: "The video changed meanwhile. Look at it again, then save.",
  HANDLE_TAKEN: "This handle belongs to somebody else.",
  HANDLE_NOT_ALLOWED: "A handle has 2 to 24 of a–z, 0–9, _ and ., and is no reserved word.",
  EMAIL_TAKEN: "An account with this address exists. Sign in instead.",
  INVALID_EMAIL: "This is no e-mail address.",
  INVALID_BIRTH_DATE: "Give the day you were born.",
  PASSWORD_TOO_WEAK: "Choose 8 characters or more, and nothing that many people use.",
  TOO_YOUNG: "You have to be at least 13 years old.",
  WRONG_CREDENTIALS: "That handle or e-mail and that password do not belong together.",
  INVALID_TEXT: "There are characters in it that are not taken, or nothing that can be seen.",
  INVALID_MAIL_TOKEN: "This link was used, or is too old. Ask for a new one.",
  NOT_AT_THIS_AGE: "The rules for your age forbid this.",
  SESSION_NOT_FOUND: "This session has ended already.",
  ACCOUNT_NOT_FOUND: "This person is not there.",
  PROFILE_NOT_FOUND: "This person is not there.",
  SELF_FOLLOW: "That is you.",
  FOLLOW_REQUEST_NOT_FOUND: "This person does not ask to follow you any more.",
  UNBLOCK_FIRST: "You block this person. Unblock them first.",
  TOO_MANY_FOLLOWS: "You follow as many people as one may. Unfollow somebody first.",
  TOO_MANY_FOLLOW_REQUESTS: "You wait for as many answers as one may. Take a request back first.",
  ACCOUNT_BANNED: "This account was shut out. Nobody can sign in to it.",
  TEXT_NOT_ALLOWED: "This cannot be said here.",
  TOO_MANY_MENTIONS: "Name at most ten people.",
  TOO_MANY_REPLIES: "This thread is full. Begin a new one.",
  COMMENT_NOT_ALLOWED: "The creator does not let you comment here.",
  COMMENT_NOT_FOUND: "This comment is no longer there.",
  COMMENT_NOT_PINNABLE: "This comment cannot be pinned.",
  UNKNOWN_TIME_ZONE: "The time zone of this device is not known.",
  NOTIFICATION_KIND_REQUIRED: "This has to reach you.",
  COLLECTION_NOT_FOUND: "This collection is no longer there.",
  TOO_MANY_COLLECTIONS: "You have 200 collections. Delete one first.",
  TOO_MANY_ATTEMPTS: "Too many attempts. Wait a while, then try again.",
  REVIEW_NOT_FOUND: "This case is no longer there.",
  REVIEW_CLOSED: "Somebody decided this case before you.",
  REVIEW_SUPERSEDED: "The creator changed the clip; this case is over.",
  UNAUTHENTICATED: "Your sign-in has ended. Sign in again.",
  INVALID_PERMIT: "This clip cannot be answered at this moment.",
  FORBIDDEN: "You may not do this.",
  NOT_FOUND: "This is not there.",
  RATE_LIMITED: "That was too fast. Wait a moment.",
  TIMEOUT: "The answer took too long. Try again.",
  UNAVAILABLE: "A part of Clipmesh is away at this moment. Try again.",
  OFFLINE: "You seem to be offline.",
};

/** @type {Record<string, string>} why a clip does not play */
const REFUSALS = {
  NOT_FOUND: "This clip is no longer there.",
  NOT_READY: "This clip is still being made ready.",
  PRIVATE: "This clip is private.",
  TAKEN_DOWN: "This clip was taken down.",
  REGION: "This clip is not available where you are.",
  AGE: "This clip is not shown at your age.",
};

/**
 * The sentence of a code; the server's own text where we have none.
 * @param {string} code @param {string} [message] @param {Record<string, string>} [facts] @returns {string}
 */
export function sentence(code, message = "", facts = {}) {
  const known = SENTENCES[code];
  if (known) return typeof known === "function" ? known(facts) : known;
  return message ? `${message[0].toUpperCase()}${message.slice(1)}${/[.!?]$/.test(message) ? "" : "."}` : "Something went wrong. Try again.";
}

/** @param {any} error @returns {string} */
export function sentenceOf(error) {
  return error?.code ? sentence(error.code, error.message, error.facts) : sentence("");
}

/** @param {string} word of PlaybackRefusal @returns {string} */
export function refusalSentence(word) {
  return REFUSALS[word] ?? "This clip cannot be played.";
}
