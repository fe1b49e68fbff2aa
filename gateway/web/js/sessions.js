/** Where the viewer is signed in, and how that ends: one place, all others, everywhere. */

import { act, ask, gql } from "./api.js";
import { forget } from "./auth.js";
import { askFirst } from "./dialogs.js";
import { ago, byId, h, toast } from "./dom.js";
import { Roll } from "./roll.js";
import { sentenceOf } from "./sentences.js";

const PAGE = 20;

const SESSIONS = gql`query MySessions($first: Int!, $after: String) { me { sessions(first: $first, after: $after) {
  edges { node { id client device createdAt lastUsedAt current } } pageInfo { hasNextPage endCursor } } } }`;
const END = gql`mutation EndSession($input: EndSessionInput!) { endSession(input: $input) {
  endedSessionId userErrors { code message field details { name value } } } }`;
const END_OTHERS = gql`mutation EndOtherSessions($input: EndOtherSessionsInput!) { endOtherSessions(input: $input) {
  ended userErrors { code message field details { name value } } } }`;

/** @param {any} session @param {() => void} left @returns {HTMLElement} */
function row(session, left) {
  const end = async () => {
    // Seen at once; it comes back when the server refuses.
    element.hidden = true;
    try {
      await act(END, { sessionId: session.id });
      element.remove();
      left();
    } catch (error) {
      element.hidden = false;
      toast(sentenceOf(error), true);
    }
  };
  const name = session.device || "Unknown device";
  const element = h("li", { class: "session", "data-session": session.id },
    h("div", { class: "about" }, h("strong", {}, name), h("span", { class: "quiet" }, session.current ? "This one" : `Last used ${ago(session.lastUsedAt)}`)),
    session.current ? h("span", { class: "badge good" }, "Here") : h("button", { type: "button", class: "button small", onclick: end }, "Sign out", h("span", { class: "hidden-text" }, ` on ${name}`)));
  return element;
}

/** Draw the list anew. */
export function openSessions() {
  /** @type {Roll} */
  const roll = new Roll({
    load: async (after) => (await ask(SESSIONS, { first: PAGE, after })).me?.sessions,
    draw: ({ node }) => row(node, () => roll.left()),
    list: h("ul", { class: "people" }),
    none: "Nowhere.",
  });
  byId("sessions").replaceChildren(roll.element);
  roll.next();
  byId("end-others").onclick = () => askFirst({
    title: "Sign out everywhere else?",
    text: "Every other device and browser has to sign in again.",
    yes: "Sign out there",
    no: "Leave it",
    act: async () => {
      const { ended } = await act(END_OTHERS, { includingThis: false });
      toast(ended === 1 ? "One session ended." : `${ended} sessions ended.`);
      openSessions();
    },
  });
  byId("end-all").onclick = () => askFirst({
    title: "Sign out everywhere?",
    text: "Every device and browser, this one too, has to sign in again.",
    yes: "Sign out",
    no: "Leave it",
    act: async () => {
      await act(END_OTHERS, { includingThis: true });
      await forget();
      location.assign("/");
    },
  });
}
