/** One's own picture: chosen, looked at, sent, taken away. */

import { act, gql } from "./api.js";
import { face, h, toast } from "./dom.js";
import { ApiError } from "./errors.js";
import { uuid } from "./random.js";
import { sentenceOf } from "./sentences.js";

const START = gql`mutation StartAvatarUpload($input: StartAvatarUploadInput!) { startAvatarUpload(input: $input) {
  upload { imageId url } userErrors { code message field details { name value } } } }`;
const COMPLETE = gql`mutation CompleteAvatar($input: CompleteAvatarInput!) { completeAvatar(input: $input) {
  user { id avatar { url(size: 128) } } userErrors { code message field details { name value } } } }`;
const REMOVE = gql`mutation RemoveAvatar($input: RemoveAvatarInput!) { removeAvatar(input: $input) {
  user { id avatar { url(size: 128) } } userErrors { code message field details { name value } } } }`;

/** Words that mean something else of a clip. @type {Record<string, string>} */
const OF_PICTURES = {
  TOO_MANY_PIXELS: "The picture has too many pixels. Choose a smaller one.",
  TOO_FEW_PIXELS: "The picture is too small.",
  DAILY_LIMIT_EXCEEDED: "You have changed your picture often enough today. Come back tomorrow.",
  TOO_MANY_OPEN_UPLOADS: "Wait some minutes before you choose yet another picture.",
};

/** @param {any} error @returns {string} */
function words(error) {
  return OF_PICTURES[error?.code] ?? sentenceOf(error);
}

/** @param {string} url @param {File} file @returns {Promise<void>} throws ApiError */
async function send(url, file) {
  const answer = await fetch(url, { method: "PUT", body: file }).catch(() => null);
  if (!answer) throw new ApiError("OFFLINE", "the server cannot be reached");
  if (!answer.ok) throw new ApiError("IMAGE_NOT_SENT", "the picture did not arrive");
}

export class Portrait {
  /** @param {HTMLElement} box @param {any} person whose `avatar` is kept true @param {() => void} changed */
  constructor(box, person, changed) {
    this.box = box;
    this.person = person;
    this.changed = changed;
    /** @type {File | null} chosen, and not sent so far */
    this.file = null;
    this.seen = "";
    this.requestId = uuid();
    this.input = h("input", { type: "file", hidden: true, accept: "image/jpeg,image/png,image/webp", onchange: () => this.choose() });
    this.choosing = h("button", { type: "button", class: "button", onclick: () => this.input.click() });
    this.saving = h("button", { type: "button", class: "button primary", onclick: () => this.save() }, "Save");
    this.leaving = h("button", { type: "button", class: "button", onclick: () => this.let(null) }, "Cancel");
    this.removal = h("button", { type: "button", class: "button danger", onclick: () => this.remove() }, "Remove");
    this.problem = h("p", { class: "problem", role: "alert" });
    this.show();
  }

  show() {
    const { file, person } = this;
    const had = Boolean(person.avatar);
    this.choosing.textContent = had ? "Choose another" : "Choose a picture";
    this.choosing.hidden = file !== null;
    this.saving.hidden = this.leaving.hidden = file === null;
    this.removal.hidden = file !== null || !had;
    this.box.replaceChildren(h("div", { class: "portrait" },
      face({ handle: person.handle, avatar: file ? { url: this.seen } : person.avatar }),
      h("div", { class: "form" }, h("p", { class: "quiet" }, "JPEG, PNG or WebP. The middle of it is shown, and nothing else of the file is kept."), this.problem,
        h("div", { class: "row" }, this.input, this.choosing, this.saving, this.leaving, this.removal))));
  }

  choose() {
    const [file] = this.input.files ?? [];
    // The same file can be chosen again.
    if (file) this.let(file);
    this.input.value = "";
  }

  /** @param {File | null} file what to look at before it is sent */
  let(file) {
    if (this.seen) URL.revokeObjectURL(this.seen);
    this.seen = file ? URL.createObjectURL(file) : "";
    this.file = file;
    this.requestId = uuid();
    this.problem.textContent = "";
    this.show();
    (file ? this.saving : this.choosing).focus();
  }

  async save() {
    const { file, requestId } = this;
    if (!file) return;
    await this.busily(async () => {
      const { upload } = await act(START, { requestId, sizeBytes: String(file.size) });
      if (!upload.url) throw new ApiError("IMAGE_NOT_OPEN", "the picture is awaited no more");
      await send(upload.url, file);
      const { user } = await act(COMPLETE, { requestId, imageId: upload.imageId });
      this.wear(user.avatar);
      toast("This is you now.");
    });
  }

  async remove() {
    await this.busily(async () => {
      const { user } = await act(REMOVE, { requestId: uuid() });
      this.wear(user.avatar);
    });
  }

  /** @param {{url: string | null} | null} avatar */
  wear(avatar) {
    this.person.avatar = avatar;
    this.let(null);
    this.changed();
  }

  /** @param {() => Promise<void>} work throws ApiError */
  async busily(work) {
    const buttons = [this.saving, this.leaving, this.removal];
    for (const button of buttons) button.disabled = true;
    this.problem.textContent = "";
    try {
      await work();
    } catch (error) {
      this.problem.textContent = words(error);
      // What was refused is refused again; another try is another request.
      this.requestId = uuid();
    }
    for (const button of buttons) button.disabled = false;
  }
}
