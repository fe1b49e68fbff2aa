/** The head of a person's page: face, names, words, counts; and what the viewer may do: follow, block, mute, or change it when it is their own. */

import { act, gql } from "./api.js";
import { hasSession } from "./auth.js";
import { askFirst, dialog, dialogHead } from "./dialogs.js";
import { face, h, icon, shortCount, toast } from "./dom.js";
import { bondOf, followButton } from "./people.js";
import { uuid } from "./random.js";
import { openFollows } from "./roster.js";
import { sentenceOf } from "./sentences.js";

const UPDATE = gql`mutation UpdateProfile($input: UpdateProfileInput!) { updateProfile(input: $input) {
  user { displayName bio } userErrors { code message field details { name value } } } }`;

const MOST_NAME = 50;
const MOST_BIO = 160;

export class PersonHead {
  /** @param {any} person @param {boolean} own */
  constructor(person, own) {
    this.person = person;
    this.own = own;
    this.bond = bondOf(person);
    /** Followers without the viewer; null when the count is not known. */
    this.others = person.followerCount === null ? null : Math.max(0, Number(person.followerCount) - Number(this.bond.state.follow === "FOLLOWING"));
    this.name = h("bdi", {}, person.displayName);
    this.bio = h("p", { class: "bio", dir: "auto" }, person.bio);
    this.followers = h("button", { type: "button", class: "count", onclick: () => openFollows(person, "followers", own) });
    this.following = h("button", { type: "button", class: "count", onclick: () => openFollows(person, "following", own) });
    this.acts = h("div", { class: "row" });
    const marks = [person.verified ? h("span", { class: "badge good" }, "Verified") : null, person.isPrivate ? h("span", { class: "badge" }, "Private") : null];
    this.followsYou = h("span", { class: "badge" }, "Follows you");
    this.elements = [
      face(person),
      h("div", { class: "names" },
        h("h1", { id: "name" }, this.name),
        h("div", { class: "facts" }, h("span", {}, `@${person.handle}`), ...marks, this.followsYou)),
      h("div", { class: "counts" }, this.followers, this.following),
      this.bio,
      this.acts,
    ];
    if (own) this.acts.append(h("button", { type: "button", class: "button", onclick: () => this.edit() }, "Edit profile"), h("a", { class: "button", href: "/settings" }, "Settings"));
    else this.drawActs();
    this.bond.listeners.add(() => this.show());
    this.show();
  }

  drawActs() {
    const follow = followButton(this.person, "button");
    this.unblock = h("button", { type: "button", class: "button", onclick: () => this.bond.blocking.want(false) }, "Unblock");
    if (follow) this.acts.append(follow);
    this.acts.append(this.unblock);
    if (hasSession() && this.person.relationship) this.acts.append(this.menu());
  }

  menu() {
    const { bond, person } = this;
    this.mute = h("button", { type: "button", class: "button wide", onclick: () => this.close(() => bond.muting.want(!bond.muting.wanted)) });
    this.block = h("button", { type: "button", class: "button wide danger", onclick: () => this.close(() => this.askBlock()) }, "Block");
    this.removal = h("button", { type: "button", class: "button wide", onclick: () => this.close(() => bond.followed.want("NONE")) }, "Remove follower");
    this.sheet = h("div", { class: "menu", popover: true, id: "person-menu", "aria-label": `What to do about @${person.handle}` }, this.mute, this.removal, this.block);
    return h("span", {}, h("button", { type: "button", class: "button", popovertarget: "person-menu", "aria-label": "More" }, icon("dots")), this.sheet);
  }

  /** @param {() => void} then */
  close(then) {
    this.sheet?.hidePopover();
    then();
  }

  askBlock() {
    const { bond, person } = this;
    askFirst({
      title: `Block @${person.handle}?`,
      text: "You both stop following each other, and neither sees what the other does. They are not told.",
      yes: "Block",
      no: "Leave it",
      act: async () => void bond.blocking.want(true),
    });
  }

  show() {
    const { bond, person } = this;
    const followers = this.others === null ? "" : shortCount(this.others + Number(bond.follow === "FOLLOWING"));
    this.followers.replaceChildren(h("strong", {}, followers || "–"), followers === "1" ? " follower" : " followers");
    this.following.replaceChildren(h("strong", {}, person.followingCount === null ? "–" : shortCount(person.followingCount)), " following");
    const closed = bond.blocking.wanted || (!this.own && person.isPrivate && bond.state.follow !== "FOLLOWING");
    this.followers.disabled = this.following.disabled = closed;
    this.followsYou.hidden = this.own || bond.blocking.wanted || bond.followed.wanted !== "FOLLOWING";
    this.bio.hidden = !this.bio.textContent;
    if (this.unblock) this.unblock.hidden = !bond.blocking.wanted;
    if (this.mute) this.mute.textContent = bond.muting.wanted ? "Unmute" : "Mute";
    if (this.removal) this.removal.hidden = bond.followed.wanted !== "FOLLOWING";
    if (this.block) this.block.hidden = bond.blocking.wanted;
  }

  edit() {
    const { person } = this;
    const name = h("input", { name: "displayName", maxlength: MOST_NAME, required: true, value: person.displayName, autocomplete: "name" });
    const bio = h("textarea", { name: "bio", maxlength: MOST_BIO, rows: 3 });
    bio.value = person.bio;
    const save = h("button", { class: "button primary" }, "Save");
    const problem = h("p", { class: "form-error", role: "alert" });
    const form = h("form", { class: "form" }, problem,
      h("label", { class: "field" }, h("span", {}, "Shown name"), name),
      h("label", { class: "field" }, h("span", {}, "About you ", h("small", {}, `at most ${MOST_BIO} characters`)), bio),
      h("div", { class: "row" }, save));
    const shown = dialog("Edit profile");
    shown.append(dialogHead(shown, "Edit profile"), form);
    let [requestId, of] = [uuid(), ""];
    form.addEventListener("submit", async (/** @type {Event} */ event) => {
      event.preventDefault();
      const words = { displayName: name.value.trim(), bio: bio.value.trim() };
      // Other words are another request.
      if (JSON.stringify(words) !== of) [requestId, of] = [uuid(), JSON.stringify(words)];
      save.disabled = true;
      problem.textContent = "";
      try {
        const { user } = await act(UPDATE, { requestId, ...words });
        Object.assign(person, user);
        this.name.textContent = user.displayName;
        this.bio.textContent = user.bio;
        this.show();
        shown.close();
        toast("Saved.");
      } catch (error) {
        problem.textContent = sentenceOf(error);
      }
      save.disabled = false;
    });
  }
}
