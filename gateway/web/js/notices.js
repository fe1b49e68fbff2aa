/** What a person hears of and where, and the hours in which nothing rings. */

import { act, ask, gql } from "./api.js";
import { h, toast } from "./dom.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

const SETTINGS = gql`query NotificationSettings { notificationSettings { preferences { kind inApp push mail } quietHours { fromMinute toMinute timeZone } } }`;
const UPDATE = gql`mutation UpdateNotificationSettings($input: UpdateNotificationSettingsInput!) { updateNotificationSettings(input: $input) {
  settings { preferences { kind inApp push mail } quietHours { fromMinute toMinute timeZone } } userErrors { code message field details { name value } } } }`;

/** @type {[string, string][]} in the order shown */
const KINDS = [
  ["FOLLOW", "New followers"],
  ["FOLLOW_REQUEST", "Requests to follow you"],
  ["FOLLOW_APPROVED", "Answers to your requests"],
  ["LIKE", "Likes"],
  ["COMMENT", "Comments on your clips"],
  ["REPLY", "Answers to your comments"],
  ["MENTION", "Mentions"],
  ["COMMENT_LIKE", "Likes of your comments"],
  ["REPOST", "Reposts"],
  ["SHARE", "Shares"],
  ["VIDEO_PUBLISHED", "Clips of people you follow"],
  ["LIVE", "People going live"],
  ["TRENDING", "Clips that trend"],
  ["VIDEO_READY", "Your clip is ready"],
  ["VIDEO_FAILED", "Your clip failed"],
  ["VERDICT", "Decisions about your clips"],
  ["SECURITY", "Safety of your account"],
];
/** @type {["inApp" | "push" | "mail", string][]} */
const WAYS = [["inApp", "Inbox"], ["push", "Push"], ["mail", "E-mail"]];
const NIGHT = { fromMinute: 22 * 60, toMinute: 7 * 60 };

/** @param {number} minute @returns {string} hh:mm */
function clockOf(minute) {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}

/** @param {string} text hh:mm @returns {number} */
function minuteOf(text) {
  const [hours, minutes] = text.split(":").map(Number);
  return hours * 60 + minutes;
}

export class NoticesForm {
  /** @param {HTMLElement} form */
  constructor(form) {
    this.form = form;
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @returns {Promise<void>} throws ApiError */
  async open() {
    this.settings = (await ask(SETTINGS)).notificationSettings;
    this.draw();
  }

  draw() {
    const { preferences, quietHours } = this.settings;
    const known = new Map(preferences.map((/** @type {any} */ one) => [one.kind, one]));
    const row = (/** @type {string} */ kind, /** @type {string} */ label) => h("tr", {}, h("th", { scope: "row" }, label),
      ...WAYS.map(([way, name]) => h("td", {}, h("input", { type: "checkbox", name: `${kind}.${way}`, checked: known.get(kind)[way], disabled: kind === "SECURITY" && way === "inApp", "aria-label": `${label}: ${name}`,
        onchange: (/** @type {any} */ event) => this.prefer({ ...known.get(kind), [way]: event.target.checked }) }))));
    const on = h("input", { type: "checkbox", name: "quiet", checked: quietHours !== null, onchange: () => this.beQuiet(on.checked) });
    const { fromMinute, toMinute, timeZone } = quietHours ?? { ...NIGHT, timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone };
    this.from = h("input", { type: "time", name: "from", required: true, value: clockOf(fromMinute), onchange: () => this.beQuiet(true) });
    this.to = h("input", { type: "time", name: "to", required: true, value: clockOf(toMinute), onchange: () => this.beQuiet(true) });
    this.form.replaceChildren(
      h("table", { class: "ways" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "hidden-text" }, "What")), ...WAYS.map(([, name]) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...KINDS.filter(([kind]) => known.has(kind)).map(([kind, label]) => row(kind, label)))),
      h("label", { class: "choice" }, on, h("span", {}, "Quiet hours"), h("small", {}, `Nothing is pushed or mailed then; the inbox goes on. Times of ${timeZone}.`)),
      h("div", { class: "two", hidden: quietHours === null }, h("label", { class: "field" }, h("span", {}, "From"), this.from), h("label", { class: "field" }, h("span", {}, "To"), this.to)));
  }

  /** @param {{kind: string, inApp: boolean, push: boolean, mail: boolean}} one */
  prefer({ kind, inApp, push, mail }) {
    return this.save({ preferences: [{ kind, inApp, push, mail }] });
  }

  /** @param {boolean} enabled */
  beQuiet(enabled) {
    if (!this.from.value || !this.to.value) return;
    const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.save({ quietHours: { enabled, fromMinute: minuteOf(this.from.value), toMinute: minuteOf(this.to.value), timeZone } });
  }

  /** What is refused goes back to what it was. @param {Record<string, any>} changes */
  async save(changes) {
    try {
      this.settings = (await act(UPDATE, { requestId: uuid(), ...changes })).settings;
      toast("Saved.");
    } catch (error) {
      toast(sentenceOf(error), true);
    }
    const name = /** @type {any} */ (document.activeElement)?.name;
    this.draw();
    /** @type {any} */ (name && this.form.querySelector(`[name="${name}"]`))?.focus();
  }
}
