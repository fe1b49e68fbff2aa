/** The studio: one's own videos with what can be done with them, and uploads that are not finished; what is in progress moves live. */

import { offerTo } from "./about.js";
import { ask, gql } from "./api.js";
import { signIn } from "./auth.js";
import { byId, h, toast } from "./dom.js";
import { sentenceOf } from "./sentences.js";
import { startShell } from "./shell.js";
import { OpenUploadRow, VideoRow } from "./studio-rows.js";

const PAGE = 12;
/** States that change without a subscription: asked again while the page is looked at. */
const MOVING = ["ASSESSING"];
const ASK_MS = 2500;

const MINE = gql`query MyVideos($first: Int!, $after: String) { me { user { id videos(first: $first, after: $after) {
  edges { node { id state caption hashtags category visibility durationMs viewCount createdAt publishedAt failureCode failureDetail progressPercent version
    switches { allowComments allowDuet allowStitch allowDownload } playback { refusal growingPlaylistUrl posterUrl waveformUrl } } }
  pageInfo { hasNextPage endCursor } } } } }`;
const SOME = gql`query SomeVideos($ids: [ID!]!) { videos(ids: $ids) {
  id state caption hashtags category visibility durationMs viewCount createdAt publishedAt failureCode failureDetail progressPercent version
  switches { allowComments allowDuet allowStitch allowDownload } playback { refusal growingPlaylistUrl posterUrl waveformUrl } } }`;
const OPEN = gql`query OpenUploads { uploads(first: 20) { edges { node { id state sizeBytes partCount receivedParts { sizeBytes } createdAt expiresAt } } } }`;

/** @type {Map<string, VideoRow>} */
const rows = new Map();
/** @type {string | null} */
let after = null;

async function loadVideos() {
  const { me } = await ask(MINE, { first: PAGE, after });
  const page = me?.user.videos;
  if (!page) throw new Error("your videos cannot be shown at this moment");
  after = page.pageInfo.endCursor;
  byId("more").hidden = !page.pageInfo.hasNextPage;
  for (const { node } of page.edges) {
    // A session whose file has not arrived stands in the list of open uploads.
    if (node.state === "UPLOADING" || rows.has(node.id)) continue;
    const row = new VideoRow(node, { refresh: () => refresh([node.id]), gone });
    rows.set(node.id, row);
    byId("videos").append(row.element);
  }
  count();
}

/** @param {string[]} ids */
async function refresh(ids) {
  const { videos } = await ask(SOME, { ids });
  videos.forEach((/** @type {any} */ video, /** @type {number} */ at) => {
    if (video) rows.get(ids[at])?.show(video);
  });
}

/** @param {string} id */
function gone(id) {
  rows.get(id)?.element.remove();
  rows.delete(id);
  count();
}

async function loadOpen() {
  const { uploads } = await ask(OPEN);
  const open = uploads.edges.map((/** @type {any} */ edge) => edge.node).filter((/** @type {any} */ upload) => upload.state === "OPEN");
  byId("open").replaceChildren(...open.map((/** @type {any} */ upload) => OpenUploadRow(upload, count)));
  count();
}

function count() {
  const open = byId("open").children.length;
  byId("open-section").hidden = open === 0;
  byId("videos-section").hidden = rows.size === 0;
  byId("none").hidden = open + rows.size > 0;
  byId("summary").textContent = rows.size ? `${rows.size}${byId("more").hidden ? "" : "+"} ${rows.size === 1 ? "clip" : "clips"}` : "";
}

async function keepMoving() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    const ids = [...rows].filter(([, row]) => MOVING.includes(row.video.state)).map(([id]) => id);
    if (ids.length && document.visibilityState === "visible") await refresh(ids.slice(0, 50)).catch(() => undefined);
  }
}

/** @param {any} error */
function failed(error) {
  toast(error.code ? sentenceOf(error) : `${error.message}.`, true);
}

byId("gate-in").addEventListener("click", () => signIn());
byId("more").addEventListener("click", () => loadVideos().catch(failed));

const account = await startShell();
if (account) {
  offerTo(account);
  const loaded = await Promise.allSettled([loadVideos(), loadOpen()]);
  for (const one of loaded) if (one.status === "rejected") failed(one.reason);
  keepMoving();
} else {
  byId("gate").hidden = false;
}
