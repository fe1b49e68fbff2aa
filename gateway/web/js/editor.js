/** Dialogs of the studio: words and switches of a video, and the question before it is deleted. */

import { drawAbout, readAbout, sayProblem } from "./about.js";
import { h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";
import { publish, remove, update } from "./videos.js";

/** @param {string} name @param {...any} content @returns {HTMLDialogElement} shown, and gone once it is closed */
function dialog(name, ...content) {
  const shown = h("dialog", { "aria-label": name }, ...content);
  shown.addEventListener("close", () => shown.remove());
  document.body.append(shown);
  shown.showModal();
  return shown;
}

/** @param {any} video @param {boolean} draft publish it, rather than change it @param {() => Promise<void>} saved */
export function edit(video, draft, saved) {
  const form = h("form", { class: "form" });
  const save = h("button", { class: "button primary" }, draft ? "Publish" : "Save");
  drawAbout(form, { ...video, visibility: draft ? "PUBLIC" : video.visibility }, save, h("button", { type: "button", class: "button", onclick: () => shown.close() }, "Cancel"));
  const shown = dialog(draft ? "Publish the clip" : "Edit the clip", h("h2", {}, draft ? "Publish" : "Edit"), form);
  form.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    save.disabled = true;
    sayProblem(form, "");
    try {
      const about = readAbout(form);
      if (draft) await publish(video.id, about);
      else await update(video.id, video.version, about);
      shown.close();
      toast(draft ? "Published." : "Saved.");
      await saved();
    } catch (error) {
      save.disabled = false;
      sayProblem(form, sentenceOf(error));
      // What somebody else changed is fetched, so that the next attempt starts from there.
      if (/** @type {any} */ (error).code === "CONFLICT") await saved().catch(() => undefined);
    }
  });
}

/** @param {any} video @param {() => void} removed */
export function askDelete(video, removed) {
  const yes = h("button", { type: "button", class: "button danger" }, "Delete for good");
  const no = h("button", { type: "button", class: "button", autofocus: true, onclick: () => shown.close() }, "Keep it");
  const name = video.caption ? `“${video.caption.slice(0, 80)}”` : "this clip";
  const shown = dialog("Delete the clip", h("div", { class: "form" }, h("h2", {}, "Delete?"), h("p", {}, `Nobody will be able to watch ${name} again.`), h("div", { class: "row" }, no, yes)));
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      await remove(video.id);
      shown.close();
      toast("Deleted.");
      removed();
    } catch (error) {
      yes.disabled = false;
      toast(sentenceOf(error), true);
    }
  });
}
