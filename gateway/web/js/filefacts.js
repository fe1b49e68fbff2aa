/** What the browser can tell of a file before a byte is sent: type, length, size of the picture, checksum. */

/** @type {Record<string, string>} for endings that browsers do not know */
const TYPES = { mkv: "video/x-matroska", mov: "video/quicktime", webm: "video/webm", mp4: "video/mp4", m4v: "video/x-m4v", avi: "video/x-msvideo", "3gp": "video/3gpp" };
/** Larger files are not read twice: their parts have checksums of their own. */
const MOST_HASHED_BYTES = 64 * 1024 * 1024;
const LOOK_MS = 4000;

/** @typedef {{durationMs: number | null, width: number | null, height: number | null}} Picture */

/** @param {File} file @returns {string} */
export function typeOf(file) {
  return TYPES[file.name.split(".").at(-1)?.toLowerCase() ?? ""] ?? (file.type || "application/octet-stream");
}

/** The same file gives the same mark; another almost never does. @param {File} file @returns {string} */
export function markOf(file) {
  return `${file.name}|${file.size}|${file.lastModified}`;
}

/** What a player sees of it; nulls for what this browser cannot play. @param {string} url @returns {Promise<Picture>} */
export function lookAt(url) {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    const end = () => {
      clearTimeout(timer);
      const whole = Number.isFinite(video.duration) && video.duration > 0;
      resolve({ durationMs: whole ? Math.round(video.duration * 1000) : null, width: video.videoWidth || null, height: video.videoHeight || null });
      video.removeAttribute("src");
    };
    const timer = setTimeout(end, LOOK_MS);
    video.preload = "metadata";
    video.onloadedmetadata = end;
    video.onerror = end;
    video.src = url;
  });
}

/** SHA-256 as hex; null when the file is large or the page is not on a secure origin. @param {File} file @returns {Promise<string | null>} */
export async function hashOf(file) {
  if (file.size > MOST_HASHED_BYTES || !crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
