/** Who may see the viewer and who may answer them: each choice is saved as it is made, and taken back when it is refused. */

import { act, ask, gql } from "./api.js";
import { h, toast } from "./dom.js";
import { Wish } from "./wish.js";

const PRIVACY = gql`query MyPrivacy { me { privacy { isPrivate comments duets stitches messages } } }`;
const UPDATE = gql`mutation UpdatePrivacy($input: UpdatePrivacyInput!) { updatePrivacy(input: $input) {
  account { privacy { isPrivate comments duets stitches messages } } userErrors { code message field details { name value } } } }`;

/** @type {[string, string][]} */
const AUDIENCES = [["EVERYONE", "Everyone"], ["FOLLOWERS", "Followers"], ["FRIENDS", "Friends"], ["NOBODY", "Nobody"]];
/** @type {[string, string, string][]} */
const SETTINGS = [
  ["comments", "Who may comment", "On all your clips; each clip can be stricter."],
  ["duets", "Who may duet", "Beside your clip, with their own."],
  ["stitches", "Who may stitch", "With up to five seconds of your clip."],
  ["messages", "Who may write to you", "Others end up among requests."],
];
/** Below it, or at an unknown age, nobody writes to a person. */
const GROWN = ["AGE_16_TO_17", "ADULT"];

export class PrivacyForm {
  /** @param {HTMLElement} form @param {{ageBand: string}} account */
  constructor(form, account) {
    this.form = form;
    this.grown = GROWN.includes(account.ageBand);
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  /** @returns {Promise<void>} throws ApiError */
  async open() {
    const { privacy } = (await ask(PRIVACY)).me;
    this.form.replaceChildren(this.lock(privacy.isPrivate), ...SETTINGS.map(([name, label, note]) => this.choice(name, label, note, privacy[name])));
  }

  /** @param {string} name @param {any} known @param {(wanted: any) => void} show @returns {Wish<any>} */
  wish(name, known, show) {
    const wish = new Wish(known, (wanted, requestId) => act(UPDATE, { requestId, [name]: wanted }), () => show(wish.wanted));
    return wish;
  }

  /** @param {boolean} isPrivate */
  lock(isPrivate) {
    const box = h("input", { type: "checkbox", name: "isPrivate", checked: isPrivate });
    const wish = this.wish("isPrivate", isPrivate, (wanted) => {
      box.checked = wanted;
    });
    box.addEventListener("change", () => this.save(wish, box.checked));
    return h("label", { class: "choice" }, box, h("span", {}, "Private account"), h("small", {}, "You approve who follows you; only they see your clips and whom you follow."));
  }

  /** @param {string} name @param {string} label @param {string} note @param {string} known */
  choice(name, label, note, known) {
    const off = name === "messages" && !this.grown;
    const select = h("select", { name, disabled: off, "aria-describedby": `${name}-note` }, ...AUDIENCES.map(([value, word]) => h("option", { value }, word)));
    select.value = known;
    const wish = this.wish(name, known, (wanted) => {
      select.value = wanted;
    });
    select.addEventListener("change", () => this.save(wish, select.value));
    return h("label", { class: "field" }, h("span", {}, label), select, h("small", { id: `${name}-note` }, off ? "Below 16 nobody writes to you." : note));
  }

  /** @param {Wish<any>} wish @param {any} wanted */
  async save(wish, wanted) {
    if (await wish.want(wanted)) toast("Saved.");
  }
}
