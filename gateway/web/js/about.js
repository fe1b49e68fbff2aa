/** The form with what a creator says of a video: caption, hashtags, category, who sees it, what others may do. */

import { h } from "./dom.js";

/** In the order of the taxonomy. */
const CATEGORIES = ["ANIMALS", "ART", "BEAUTY", "COMEDY", "DANCE", "DIY", "EDUCATION", "ENTERTAINMENT", "FAMILY", "FASHION", "FITNESS", "FOOD", "GAMING", "LIFESTYLE", "MUSIC", "NATURE", "NEWS", "SCIENCE", "SPORTS", "TECHNOLOGY", "TRAVEL", "VEHICLES"];
/** @type {[string, string, string][]} */
const VISIBILITIES = [
  ["PUBLIC", "Everyone", "In the feed and on your page."],
  ["FOLLOWERS", "Followers", "Those who follow you."],
  ["FRIENDS", "Friends", "Those who follow you and whom you follow."],
  ["ONLY_ME", "Only me", "Nobody else can watch it."],
];
/** @type {[string, string][]} */
const SWITCHES = [
  ["allowComments", "Comment"],
  ["allowDuet", "Duet"],
  ["allowStitch", "Stitch"],
  ["allowDownload", "Download"],
];
const MOST_CHARACTERS = 2200;
/** Ages whose clips everyone may see; below, or at an unknown age, a clip is for those who are chosen. */
const GROWN = ["AGE_16_TO_17", "ADULT"];

let mayBePublic = true;

/** Offer what this person may choose, in the forms that are drawn from now on. @param {{ageBand: string}} account */
export function offerTo(account) {
  mayBePublic = GROWN.includes(account.ageBand);
}

/** @typedef {{caption: string, hashtags: string[], category: string, visibility: string, switches: Record<string, boolean>}} About */

/** @param {string} text @returns {string} */
function title(text) {
  return text === "DIY" ? text : text[0] + text.slice(1).toLowerCase();
}

/** @param {string} typed @param {string} caption @returns {string[]} tags of the field and of the caption, each once */
export function tagsOf(typed, caption) {
  const words = typed.split(/[\s,#]+/).filter(Boolean);
  const said = [...caption.matchAll(/#([\p{L}\p{M}\p{N}_]+)/gu)].map((found) => found[1]);
  return [...new Map([...words, ...said].map((word) => [word.toLowerCase(), word])).keys()].slice(0, 30);
}

/** Fill a form. @param {HTMLElement} form @param {About} about @param {...HTMLElement} buttons */
export function drawAbout(form, about, ...buttons) {
  const left = h("small", { id: "caption-left" });
  const caption = h("textarea", { name: "caption", rows: 4, maxlength: MOST_CHARACTERS, placeholder: "What is it about?", "aria-describedby": "caption-left" });
  caption.value = about.caption;
  const count = () => {
    left.textContent = `${MOST_CHARACTERS - caption.value.length} characters left`;
  };
  caption.addEventListener("input", count);
  count();
  const tags = h("input", { name: "hashtags", autocapitalize: "none", spellcheck: "false", placeholder: "sunset, beach", value: about.hashtags.join(" ") });
  const category = h("select", { name: "category" }, h("option", { value: "UNSPECIFIED" }, "No category"), ...CATEGORIES.map((name) => h("option", { value: name }, title(name))));
  category.value = about.category;
  const choices = VISIBILITIES.filter(([value]) => mayBePublic || value !== "PUBLIC");
  const offered = choices.some(([value]) => value === about.visibility) ? about.visibility : "ONLY_ME";
  form.replaceChildren(
    h("p", { class: "form-error", role: "alert" }),
    h("label", { class: "field" }, h("span", {}, "Caption"), caption, left),
    h("div", { class: "two" },
      h("label", { class: "field" }, h("span", {}, "Hashtags"), tags),
      h("label", { class: "field" }, h("span", {}, "Category"), category)),
    h("fieldset", {}, h("legend", { class: "legend" }, "Who can watch"),
      mayBePublic ? null : h("p", { class: "quiet" }, "Below 16 no clip is for everyone."),
      ...choices.map(([value, name, meaning]) => h("label", { class: "choice" }, h("input", { type: "radio", name: "visibility", value, checked: value === offered }), h("span", {}, name), h("small", {}, meaning)))),
    h("details", {}, h("summary", {}, "What others may do"),
      h("fieldset", {}, h("legend", { class: "hidden-text" }, "What others may do"), h("div", { class: "two" },
        ...SWITCHES.map(([name, label]) => h("label", { class: "choice" }, h("input", { type: "checkbox", name, checked: about.switches[name] }), h("span", {}, label)))))),
    h("div", { class: "row" }, ...buttons),
  );
}

/** @param {HTMLFormElement} form @returns {About} */
export function readAbout(form) {
  const field = (/** @type {string} */ name) => /** @type {any} */ (form.elements.namedItem(name));
  const caption = field("caption").value.trim();
  return {
    caption,
    hashtags: tagsOf(field("hashtags").value, caption),
    category: field("category").value,
    visibility: field("visibility").value,
    switches: Object.fromEntries(SWITCHES.map(([name]) => [name, field(name).checked])),
  };
}

/** @param {HTMLFormElement} form @param {string} text "" for nothing */
export function sayProblem(form, text) {
  /** @type {HTMLElement} */ (form.querySelector(".form-error")).textContent = text;
}

/** @type {About} */
export const BLANK = {
  caption: "",
  hashtags: [],
  category: "UNSPECIFIED",
  visibility: "PUBLIC",
  switches: { allowComments: true, allowDuet: true, allowStitch: true, allowDownload: true },
};
