/** The inbox: what happened, newest first, as it comes; marked as read one by one or as a whole. */

import { act, ask, gql } from "./api.js";
import { signIn } from "./auth.js";
import { ago, byId, face, h, icon, shortCount, toast } from "./dom.js";
import { followInbox, showUnread } from "./inbox.js";
import { uuid } from "./random.js";
import { Roll } from "./roll.js";
import { sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";
import { placeOf, tell } from "./telling.js";

const PAGE = 20;

const PAGE_OF = gql`query Notifications($first: Int!, $after: String) { notifications(first: $first, after: $after) {
  edges { node { id kind unread updatedAt count detail videoId commentId actors { id handle displayName avatar { url(size: 64) } } video { id caption } } }
  pageInfo { hasNextPage endCursor } unreadCount changesCursor } }`;
const READ = gql`mutation MarkNotificationsRead($input: MarkNotificationsReadInput!) { markNotificationsRead(input: $input) {
  unreadCount userErrors { code message field details { name value } } } }`;

/** @typedef {import("./telling.js").Notification} Notification */

/** @type {Map<string, {element: HTMLElement, notification: Notification}>} */
const rows = new Map();
let handle = "";
/** @type {Roll} */
let roll;
/** @type {{stop: () => void, place: () => string | null} | null} */
let following = null;

/** @param {string | null} unread how many; null when it is not known */
function count(unread) {
  if (unread === null) return;
  const many = Number(unread);
  showUnread(many);
  byId("read-all").hidden = many === 0;
  byId("summary").textContent = many ? `${shortCount(many)} unread` : "";
}

/** @param {Notification} notification @param {HTMLElement} element */
function draw(notification, element) {
  const [first] = notification.actors;
  element.className = notification.unread ? "notice-row unread" : "notice-row";
  const focused = element.contains(document.activeElement);
  const link = h("a", { href: placeOf(notification, handle), onclick: () => read([notification.id]) },
    first ? face(first) : h("i", { class: "face", "aria-hidden": "true" }, icon("bell")),
    h("div", {}, h("p", {}, ...tell(notification)), h("time", { class: "quiet", datetime: notification.updatedAt }, ago(notification.updatedAt))),
    h("span", { class: "dot" }, notification.unread ? h("span", { class: "hidden-text" }, "unread") : null));
  element.replaceChildren(link);
  if (focused) link.focus();
}

/** @param {Notification} notification @returns {HTMLElement | null} null when it is there already */
function row(notification) {
  if (rows.has(notification.id)) return null;
  const element = h("li", { "data-notification": notification.id });
  rows.set(notification.id, { element, notification });
  draw(notification, element);
  return element;
}

/** @param {(notification: Notification) => boolean} which @param {boolean} unread @returns {Notification[]} those that changed */
function mark(which, unread) {
  const changed = [];
  for (const { element, notification } of rows.values()) {
    if (notification.unread === unread || !which(notification)) continue;
    notification.unread = unread;
    draw(notification, element);
    changed.push(notification);
  }
  return changed;
}

/** Seen at once, and taken back when the server refuses. @param {string[] | null} ids null: all that is here by now */
async function read(ids) {
  const changed = mark(({ id }) => ids === null || ids.includes(id), false);
  if (ids && !changed.length) return;
  const place = following?.place();
  try {
    const what = ids || !place ? { ids: changed.map(({ id }) => id).slice(0, 50) } : { upTo: place };
    // A press leads to another page: the call outlives this one.
    const { unreadCount } = await act(READ, { requestId: uuid(), ...what }, { keepalive: true });
    count(unreadCount);
  } catch (error) {
    const back = changed.map(({ id }) => id);
    mark(({ id }) => back.includes(id), true);
    toast(sentenceOf(error), true);
  }
}

/** @param {any} update */
function take({ notification, removedId, unreadCount }) {
  if (removedId) {
    rows.get(removedId)?.element.remove();
    rows.delete(removedId);
    roll.left();
  }
  if (notification) {
    const known = rows.get(notification.id);
    if (known) {
      known.notification = notification;
      draw(notification, known.element);
    }
    const element = known?.element ?? /** @type {HTMLElement} */ (row(notification));
    if (!known || notification.unread) roll.of.list.prepend(element);
    roll.say("");
  }
  // All was read on another device.
  if (!notification && !removedId && Number(unreadCount) === 0) mark(() => true, false);
  count(unreadCount);
}

/** Read the inbox, and go on from there as it changes. */
function open() {
  following?.stop();
  rows.clear();
  roll = new Roll({
    load: async (after) => {
      const { notifications: page } = await ask(PAGE_OF, { first: PAGE, after });
      if (after === null) {
        count(page.unreadCount);
        following?.stop();
        following = followInbox(page.changesCursor, { update: take, lost: open });
      }
      return page;
    },
    draw: ({ node }) => row(node),
    list: h("ul", { class: "notices" }),
    none: "Nothing new. What others do with your clips appears here.",
  });
  byId("inbox").replaceChildren(roll.element);
  roll.next();
}

byId("gate-in").addEventListener("click", () => signIn());
byId("read-all").addEventListener("click", () => read(null));

const account = await startShell({ badge: false });
if (account) {
  handle = account.user.handle;
  open();
} else {
  byId("gate").hidden = false;
}
