/** The review desk: the queue, one case with its evidence and clip, the decision. */

import { act, ask, gql } from "./api.js";
import { signIn } from "./auth.js";
import { byId, day, h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";
import { mayDecide, startShell } from "./shell.js";

const QUEUE = gql`query ReviewQueue($state: ReviewState!, $first: Int!, $after: String) { reviewQueue(state: $state, first: $first, after: $after) {
  edges { node { id state severity caption createdAt decision decisionReason decidedAt creator { handle }
    verdict { kind policy decidedAt evidence { policy detail kind } }
    video { id state caption hashtags playback { refusal mp4Url startPlaylistUrl posterUrl } } } }
  pageInfo { hasNextPage endCursor } } }`;
const DECIDE = gql`mutation DecideReview($input: DecideReviewInput!) { decideReview(input: $input) {
  review { id state } userErrors { code message field details { name value } } } }`;
const PAGE = 20;

/** Verdict -> [word, class of the badge]. @type {Record<string, [string, string]>} */
const VERDICTS = { ALLOW: ["Allow", "good"], LIMIT: ["Limit", "waits"], REVIEW: ["Review", "waits"], BLOCK: ["Block", "bad"] };
/** @type {[string, string, string][]} */
const DECISIONS = [
  ["ALLOW", "Allow", "It appears everywhere."],
  ["LIMIT", "Limit", "It plays from links, but is not recommended."],
  ["BLOCK", "Block", "Nobody can watch it; the creator is told which rule it breaks."],
];

/** @type {any[]} */
let cases = [];
let tab = "OPEN";
/** @type {string | null} */
let after = null;
/** @type {string | null} */
let chosen = null;

/** @param {string} kind @returns {HTMLElement} */
function badge(kind) {
  const [word, look] = VERDICTS[kind] ?? [kind, ""];
  return h("span", { class: `badge ${look}` }, word);
}

async function load() {
  const { reviewQueue } = await ask(QUEUE, { state: tab, first: PAGE, after });
  cases.push(...reviewQueue.edges.map((/** @type {any} */ edge) => edge.node));
  after = reviewQueue.pageInfo.endCursor;
  byId("more").hidden = !reviewQueue.pageInfo.hasNextPage;
  draw();
}

/** @param {string} next */
async function open(next) {
  tab = next;
  cases = [];
  after = null;
  chosen = null;
  for (const name of ["open", "decided"]) {
    const mine = name.toUpperCase() === tab;
    byId(`tab-${name}`).setAttribute("aria-pressed", String(mine));
    byId(`tab-${name}`).classList.toggle("primary", mine);
  }
  await load().catch(failed);
}

function draw() {
  chosen = cases.some((one) => one.id === chosen) ? chosen : (cases[0]?.id ?? null);
  byId("queue").replaceChildren(...cases.map(line));
  const found = cases.find((one) => one.id === chosen);
  byId("case").replaceChildren(found ? caseOf(found) : h("div", { class: "empty" }, h("h2", {}, tab === "OPEN" ? "The queue is empty" : "Nothing was decided yet"), h("p", {}, tab === "OPEN" ? "Nothing waits for a decision." : "")));
}

/** @param {any} one @returns {HTMLElement} */
function line(one) {
  const poster = one.video?.playback?.posterUrl;
  const choose = () => {
    chosen = one.id;
    draw();
    byId("queue").querySelector("[aria-current=true]")?.focus();
  };
  return h("li", {}, h("button", { type: "button", "aria-current": String(one.id === chosen), "data-review": one.id, onclick: choose },
    h("div", { class: "thumb" }, poster ? h("img", { src: poster, alt: "" }) : h("span", { "aria-hidden": "true" }, "…")),
    h("div", { class: "about" }, h("span", { class: "title" }, one.caption || "Without words"),
      h("span", { class: "facts" }, h("span", {}, one.verdict.policy), h("span", {}, `urgency ${one.severity}`)))));
}

/** @param {any} one @returns {HTMLElement} */
function player(one) {
  const playback = one.video?.playback;
  if (!playback || playback.refusal) return h("div", { class: "thumb" }, one.video ? "The clip is not playable yet." : "The clip is gone.");
  const video = h("video", { controls: true, playsinline: true, preload: "metadata", poster: playback.posterUrl, src: playback.mp4Url ?? playback.startPlaylistUrl, "aria-label": "The clip" });
  return video;
}

/** @param {any} one @returns {HTMLElement} */
function caseOf(one) {
  const evidence = one.verdict.evidence.map((/** @type {any} */ fact) => h("li", {}, h("div", { class: "row" }, badge(fact.kind), h("strong", {}, fact.policy)), h("span", { class: "quiet" }, fact.detail)));
  return h("article", { class: "card case", "data-case": one.id }, player(one),
    h("div", { class: "about" },
      h("div", { class: "facts" }, h("span", {}, one.creator ? `@${one.creator.handle}` : "somebody"), h("span", {}, day(one.createdAt)), h("span", {}, `urgency ${one.severity}`)),
      h("h2", {}, "Caption"), h("p", { class: "caption" }, one.caption || "Without words"),
      h("h2", {}, "Why it is here"), h("ul", { class: "evidence" }, ...evidence),
      one.state === "OPEN" ? decisionForm(one) : outcome(one)));
}

/** @param {any} one @returns {HTMLElement} */
function outcome(one) {
  if (!one.decision) return h("p", { class: "quiet" }, "The creator changed the clip; this case is over.");
  return h("div", { class: "form" }, h("div", { class: "row" }, h("h2", {}, "Decision"), badge(one.decision)), h("p", {}, one.decisionReason ?? ""), h("p", { class: "quiet" }, one.decidedAt ? day(one.decidedAt) : ""));
}

/** @param {any} one @returns {HTMLElement} */
function decisionForm(one) {
  const problem = h("p", { class: "form-error", role: "alert" });
  const button = h("button", { class: "button primary" }, "Decide");
  const reason = h("textarea", { name: "reason", rows: 3, maxlength: 500, required: true });
  const form = h("form", { class: "form", novalidate: true },
    h("fieldset", {}, h("legend", { class: "legend" }, "Decision"),
      ...DECISIONS.map(([value, name, meaning]) => h("label", { class: "choice" }, h("input", { type: "radio", name: "decision", value }), h("span", {}, name), h("small", {}, meaning)))),
    h("label", { class: "field" }, h("span", {}, "Reason"), reason, h("small", {}, "Kept with the case for other moderators.")),
    problem, button);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const decision = form.elements.namedItem("decision").value;
    problem.textContent = !decision ? "Choose a decision." : !reason.value.trim() ? "Give a reason." : "";
    if (problem.textContent) return;
    button.disabled = true;
    try {
      await act(DECIDE, { reviewId: one.id, decision, reason: reason.value.trim() });
      toast("Decided.");
      cases = cases.filter((other) => other.id !== one.id);
      draw();
    } catch (error) {
      button.disabled = false;
      problem.textContent = sentenceOf(error);
    }
  });
  return form;
}

/** @param {any} error */
function failed(error) {
  toast(sentenceOf(error), true);
}

/** @param {string} text @param {boolean} offer sign-in */
function close(text, offer) {
  byId("closed").hidden = false;
  byId("closed-sentence").textContent = text;
  byId("gate-in").hidden = !offer;
}

byId("gate-in").addEventListener("click", () => signIn());
byId("more").addEventListener("click", () => load().catch(failed));
byId("tab-open").addEventListener("click", () => open("OPEN"));
byId("tab-decided").addEventListener("click", () => open("DECIDED"));

const account = await startShell();
if (!account) close("Sign in with an account that may decide.", true);
else if (!mayDecide(account)) close("Your account is not one of them.", false);
else {
  byId("desk-room").hidden = false;
  await open("OPEN");
}
