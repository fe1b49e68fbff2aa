/** What is new for the viewer, as it comes: goes on where it was after the socket or the server went away, and keeps the badge right. */

import { gql } from "./api.js";
import { byId, h, shortCount } from "./dom.js";
import { subscribe } from "./ws.js";

const FOLLOW = gql`subscription Inbox($after: String) { notifications(after: $after) {
  notification { id kind unread updatedAt count detail videoId commentId actors { id handle displayName avatar { url(size: 64) } } video { id caption } }
  removedId unreadCount cursor ended } }`;

/** A stream that ended is asked for again after this time, then after twice that, and so on. */
const AGAIN_MS = 1000;
const MOST_AGAIN_MS = 60_000;
/** Answers that mean that the place is not known any more. */
const LOST = ["BAD_CURSOR", "CURSOR_EXPIRED"];
/** Nobody is signed in any more: there is nothing to wait for. */
const OVER = ["UNAUTHENTICATED", "FORBIDDEN"];

/** @param {number} count */
export function showUnread(count) {
  const badge = byId("unread");
  badge.hidden = count === 0;
  badge.replaceChildren(shortCount(count), h("span", { class: "hidden-text" }, " unread"));
  const title = document.title.replace(/^\(\S+\) /, "");
  document.title = count ? `(${shortCount(count)}) ${title}` : title;
}

/**
 * Follow the inbox until the returned function is called.
 * @param {string | null} after the place to go on from; null begins now
 * @param {{update?: (update: any) => void, lost?: () => void}} [listener] `lost`: the place is not known any more, read the inbox anew; without it the following begins now
 * @returns {{stop: () => void, place: () => string | null}}
 */
export function followInbox(after, listener = {}) {
  let place = after;
  let failures = 0;
  let stopped = false;
  let stop = () => {};
  const again = () => {
    const pause = Math.min(MOST_AGAIN_MS, AGAIN_MS * 2 ** failures);
    failures += 1;
    setTimeout(() => stopped || begin(), pause);
  };
  function begin() {
    stop = subscribe(FOLLOW, () => ({ after: place }), {
      next: ({ notifications: update }) => {
        failures = 0;
        place = update.cursor ?? place;
        showUnread(Number(update.unreadCount));
        listener.update?.(update);
      },
      done: again,
      failed: (_, code) => {
        if (OVER.includes(code)) return;
        if (!LOST.includes(code)) return again();
        place = null;
        if (listener.lost) listener.lost();
        else again();
      },
    });
  }
  begin();
  return {
    stop: () => {
      stopped = true;
      stop();
    },
    place: () => place,
  };
}
