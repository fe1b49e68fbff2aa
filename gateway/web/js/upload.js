/** The upload page: a file is chosen, sent and processed at the left, while its words are written at the right. */

import { BLANK, drawAbout, offerTo, readAbout, sayProblem } from "./about.js";
import { isPlayable } from "./addresses.js";
import { signIn } from "./auth.js";
import { byId, fill, h, size, toast } from "./dom.js";
import { sentence, sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";
import { renewPlayback } from "./sources.js";
import { Uploader } from "./uploader.js";
import { follow, publish, STAGES, stateOf, stateWords } from "./videos.js";

const ASK_MS = 1500;
const form = byId("about");
const button = h("button", { class: "button primary", id: "publish", disabled: true }, "Publish");
const state = {
  /** @type {Uploader | null} */ uploader: null,
  url: "",
  videoId: "",
  published: false,
  said: "",
  lookedAt: -ASK_MS,
};

/** Say a step to eyes and, when it is a new one, to ears. @param {string} text */
function step(text) {
  byId("step").textContent = text;
  if (text !== state.said) byId("said").textContent = text;
  state.said = text;
}

/** @param {string} now stage */
function stages(now) {
  const at = now === "DONE" ? STAGES.length : STAGES.findIndex(([name]) => name === now);
  byId("stages").replaceChildren(...STAGES.map(([, label], number) => h("li", { class: number < at ? "done" : number === at ? "now" : "" }, label)));
}

/** @param {File | undefined} file */
async function take(file) {
  if (!file || state.uploader) return;
  state.url = URL.createObjectURL(file);
  byId("drop").hidden = true;
  byId("chosen").hidden = false;
  byId("another").hidden = true;
  byId("cancel").hidden = false;
  const preview = byId("preview");
  preview.src = state.url;
  preview.play().catch(() => undefined);
  step("Looking at the file");
  byId("amount").textContent = size(file.size);
  byId("refusal").textContent = "";
  const sent = (/** @type {number} */ bytes, /** @type {boolean} */ resumed) => {
    fill(byId("meter"), bytes / file.size);
    step(resumed ? "Sending, where it was" : "Sending");
    byId("amount").textContent = `${size(bytes)} of ${size(file.size)}`;
  };
  const uploader = new Uploader(file, state.url, sent, opened);
  state.uploader = uploader;
  addEventListener("beforeunload", warn);
  try {
    process(await uploader.run());
  } catch (error) {
    if (state.uploader === uploader && /** @type {any} */ (error).code !== "STOPPED") refused(sentenceOf(error));
  } finally {
    removeEventListener("beforeunload", warn);
  }
}

/** @param {string} videoId its words can be published from now on */
function opened(videoId) {
  state.videoId = videoId;
  button.disabled = state.published;
}

/** @param {Event} event */
function warn(event) {
  event.preventDefault();
}

/** @param {string} videoId */
function process(videoId) {
  byId("cancel").hidden = true;
  fill(byId("meter"), 0);
  step("Processing");
  stages("QUEUED");
  const next = (/** @type {any} */ upload) => {
    if (state.videoId !== videoId) return;
    if (upload.failureCode) {
      stop();
      refused(sentence(upload.failureCode, upload.failureDetail ?? ""));
      return;
    }
    fill(byId("meter"), upload.progressPercent / 100);
    byId("amount").textContent = `${upload.progressPercent} %`;
    stages(upload.stage);
    step(upload.stage === "DONE" ? "Ready" : upload.playable ? "Plays already, more sizes follow" : (STAGES.find(([name]) => name === upload.stage)?.[1] ?? "Processing"));
    if (upload.stage === "DONE") byId("another").hidden = false;
    offerToWatch(videoId, upload);
  };
  const stop = follow(videoId, next, undefined, () => toast("Progress cannot be shown at this moment; the studio knows.", true));
}

/** Its beginning can be watched while the rest is made. @param {string} videoId @param {any} upload */
async function offerToWatch(videoId, upload) {
  const watch = byId("watch");
  if (!watch.hidden || (!upload.playable && (upload.stage !== "ENCODING_FIRST" || performance.now() - state.lookedAt < ASK_MS))) return;
  state.lookedAt = performance.now();
  const plays = upload.playable || isPlayable(await renewPlayback(videoId).catch(() => null));
  if (state.videoId !== videoId || !plays || byId("refusal").textContent) return;
  watch.href = `/?video=${videoId}`;
  watch.hidden = false;
}

/** @param {string} text */
function refused(text) {
  byId("watch").hidden = true;
  button.disabled = true;
  step("Not taken");
  byId("amount").textContent = "";
  byId("refusal").textContent = text;
  byId("cancel").hidden = true;
  byId("another").hidden = false;
}

function reset() {
  state.uploader?.stop();
  URL.revokeObjectURL(state.url);
  Object.assign(state, { uploader: null, url: "", videoId: "", published: false, said: "" });
  byId("preview").removeAttribute("src");
  byId("chosen").hidden = true;
  byId("watch").hidden = true;
  byId("drop").hidden = false;
  byId("file").value = "";
  byId("stages").replaceChildren();
  fill(byId("meter"), 0);
  button.disabled = true;
  drawAbout(form, BLANK, button);
}

/** @param {Event} event */
async function send(event) {
  event.preventDefault();
  if (!state.videoId || state.published) return;
  const { videoId } = state;
  button.disabled = true;
  sayProblem(form, "");
  try {
    await publish(videoId, readAbout(form));
  } catch (error) {
    button.disabled = false;
    sayProblem(form, sentenceOf(error));
    return;
  }
  state.published = true;
  await told(videoId);
}

/** Show where the published video stands until that is settled. @param {string} videoId */
async function told(videoId) {
  const badge = h("span", { class: "badge busy", id: "state" }, "Being checked");
  const meaning = h("p", { class: "quiet", role: "status" }, "It appears as soon as it plays and the check is over. You can leave this page once the file has been sent.");
  form.replaceChildren(h("div", { class: "done-note" }, h("h2", {}, "Your clip"), h("div", { class: "row" }, badge), meaning,
    h("div", { class: "row" }, h("a", { class: "button primary", href: "/studio" }, "To the studio"), h("a", { class: "button", href: `/?video=${videoId}` }, "Watch it"))));
  while (state.videoId === videoId) {
    const video = await stateOf(videoId).catch(() => null);
    if (video) {
      const [word, kind, text] = stateWords(video.state);
      badge.textContent = word;
      badge.className = `badge ${kind}`;
      meaning.textContent = video.failureCode ? sentence(video.failureCode, video.failureDetail ?? "") : text;
      if (!["UPLOADING", "PROCESSING", "ASSESSING"].includes(video.state)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
}

async function cancel() {
  const { uploader } = state;
  reset();
  try {
    await uploader?.cancel();
    toast("Upload cancelled.");
  } catch (error) {
    toast(sentenceOf(error), true);
  }
}

const drop = byId("drop");
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) addEventListener(name, () => drop.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  if (!byId("upload").hidden) take(event.dataTransfer?.files[0]);
});
byId("file").addEventListener("change", () => take(byId("file").files[0]));
byId("cancel").addEventListener("click", cancel);
byId("another").addEventListener("click", reset);
byId("gate-in").addEventListener("click", () => signIn());
form.addEventListener("submit", send);
drawAbout(form, BLANK, button);

const account = await startShell();
if (account) {
  offerTo(account);
  drawAbout(form, BLANK, button);
}
byId(account ? "upload" : "gate").hidden = false;
