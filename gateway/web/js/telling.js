/** Notifications as sentences: who did what to which clip, and where a press on it leads. */

import { h, shortCount } from "./dom.js";
import { sentence } from "./sentences.js";

/**
 * @typedef {object} Notification
 * @property {string} id @property {string} kind @property {boolean} unread @property {string} updatedAt @property {string | number} count all acts @property {string | null} detail
 * @property {string | null} videoId @property {string | null} commentId @property {{id: string, handle: string, displayName: string}[]} actors newest first, at most five
 * @property {{id: string, caption: string} | null} video
 */

/** Kinds that count what was written, not who wrote. */
const WRITTEN = ["COMMENT", "REPLY"];

/** What one or several people did. @type {Record<string, [string, string]>} */
const DEEDS = {
  FOLLOW: ["follows you", "follow you"],
  FOLLOW_REQUEST: ["asks to follow you", "ask to follow you"],
  FOLLOW_APPROVED: ["lets you follow them", "let you follow them"],
  LIKE: ["liked your clip", "liked your clip"],
  REPOST: ["reposted your clip", "reposted your clip"],
  SHARE: ["passed your clip on", "passed your clip on"],
  COMMENT: ["commented on your clip", "commented on your clip"],
  REPLY: ["answered you", "answered you"],
  MENTION: ["mentioned you", "mentioned you"],
  COMMENT_LIKE: ["liked your comment", "liked your comment"],
  VIDEO_PUBLISHED: ["published a clip", "published a clip"],
  LIVE: ["is live", "are live"],
};
/** What happened without anybody's doing. @type {Record<string, string>} */
const EVENTS = {
  VIDEO_READY: "Your clip can be played",
  VIDEO_PUBLISHED: "Your clip is out",
  TRENDING: "Your clip is trending",
  SECURITY: "A sign-in of yours was used twice, so it was ended. Change your password if that was not you",
};
/** What the gate said. @type {Record<string, string>} */
const VERDICTS = {
  ALLOW: "Your clip was allowed",
  LIMIT: "Your clip plays from links and your page, but is not recommended",
  REVIEW: "A moderator looks at your clip before it appears",
  BLOCK: "Your clip breaks a rule and is not shown",
};

/** @param {Notification} notification @returns {{names: (string | HTMLElement)[], several: boolean}} */
function who({ actors, count, kind }) {
  if (!actors.length) return { names: ["Somebody"], several: false };
  const name = (/** @type {{displayName: string}} */ actor) => h("bdi", { class: "shown-name" }, actor.displayName);
  const others = Math.max(actors.length, WRITTEN.includes(kind) ? 0 : Number(count)) - 1;
  if (others < 1) return { names: [name(actors[0])], several: false };
  if (others === 1 && actors.length === 2) return { names: [name(actors[0]), " and ", name(actors[1])], several: true };
  return { names: [name(actors[0]), ` and ${shortCount(others)} ${others === 1 ? "other" : "others"}`], several: true };
}

/** @param {Notification} notification @returns {(string | HTMLElement)[]} */
export function tell(notification) {
  const { kind, detail, video, count, actors } = notification;
  const clip = video?.caption ? [" “", h("bdi", { class: "of-clip" }, video.caption.slice(0, 80)), "”"] : [];
  if (kind === "VIDEO_FAILED") return ["Your clip could not be used", ...clip, `: ${sentence(detail ?? "PROCESSING_FAILED")}`];
  if (kind === "VERDICT") return [VERDICTS[detail ?? ""] ?? "There is news about your clip", ...clip, "."];
  if (EVENTS[kind] && !actors.length) return [EVENTS[kind], ...clip, "."];
  const [one, many] = DEEDS[kind] ?? ["did something", "did something"];
  const { names, several } = who(notification);
  const times = WRITTEN.includes(kind) && Number(count) > Math.max(1, actors.length) ? ` (${shortCount(count)} times)` : "";
  return [...names, ` ${several ? many : one}`, ...clip, `${times}.`];
}

/** @param {Notification} notification @param {string} handle of the viewer @returns {string} */
export function placeOf({ kind, videoId, commentId, actors }, handle) {
  if (kind === "SECURITY") return "/settings";
  if (kind === "FOLLOW_REQUEST") return `/@${encodeURIComponent(handle)}`;
  if (["VIDEO_READY", "VIDEO_FAILED", "VERDICT"].includes(kind)) return "/studio";
  if (videoId) return `/?video=${videoId}${commentId ? `&comment=${commentId}` : ""}`;
  return actors.length ? `/@${encodeURIComponent(actors[0].handle)}` : "/notifications";
}
