/** Dialogs of the studio: words and switches of a video, and the question before it is deleted. */

import { drawAbout, readAbout, sayProblem } from "./about.js";
import { askFirst, dialog } from "./dialogs.js";
import { h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";
import { publish, remove, update } from "./videos.js";

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
  const name = video.caption ? `“${video.caption.slice(0, 80)}”` : "this clip";
  askFirst({
    title: "Delete?",
    text: `Nobody will be able to watch ${name} again.`,
    yes: "Delete for good",
    no: "Keep it",
    act: async () => {
      await remove(video.id);
      toast("Deleted.");
      removed();
    },
  });
}
