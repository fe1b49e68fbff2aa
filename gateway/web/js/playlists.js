/** Reads the HLS playlists of our packager (RFC 8216): masters with one audio group, media playlists with an init segment each. */

/**
 * @typedef {{bandwidth: number, side: number, codecs: string[], url: string}} Level side: the short one of the picture, in pixels
 * @typedef {{levels: Level[], audioUrl: string | null}} Master levels ascend by bandwidth
 * @typedef {{initUrl: string, segments: {url: string, start: number, end: number}[], ended: boolean}} Track times in seconds; ended: no segment will be added
 */

/** @param {string} text @returns {Record<string, string>} */
function attributes(text) {
  return Object.fromEntries([...text.matchAll(/([A-Z0-9-]+)=("([^"]*)"|[^,]*)/g)].map((found) => [found[1], found[3] ?? found[2]]));
}

/** @param {string} text @param {string} base @returns {Master} */
export function readMaster(text, base) {
  const lines = text.split("\n").map((line) => line.trim());
  /** @type {Level[]} */
  const levels = [];
  let audioUrl = null;
  lines.forEach((line, at) => {
    if (line.startsWith("#EXT-X-MEDIA:")) {
      const media = attributes(line.slice(13));
      if (media.TYPE === "AUDIO" && media.URI) audioUrl = new URL(media.URI, base).href;
    } else if (line.startsWith("#EXT-X-STREAM-INF:")) {
      const stream = attributes(line.slice(18));
      const side = Math.min(...(stream.RESOLUTION ?? "0x0").split("x").map(Number));
      levels.push({ bandwidth: Number(stream.BANDWIDTH), side, codecs: (stream.CODECS ?? "").split(","), url: new URL(lines[at + 1], base).href });
    }
  });
  return { levels: levels.sort((one, other) => one.bandwidth - other.bandwidth), audioUrl };
}

/** @param {string} text @param {string} base @returns {Track} */
export function readTrack(text, base) {
  let initUrl = "";
  let length = 0;
  let start = 0;
  /** @type {Track["segments"]} */
  const segments = [];
  for (const line of text.split("\n").map((one) => one.trim())) {
    if (line.startsWith("#EXT-X-MAP:")) initUrl = new URL(attributes(line.slice(11)).URI, base).href;
    else if (line.startsWith("#EXTINF:")) length = parseFloat(line.slice(8));
    else if (line && !line.startsWith("#")) {
      segments.push({ url: new URL(line, base).href, start, end: start + length });
      start += length;
    }
  }
  return { initUrl, segments, ended: /^#EXT-X-ENDLIST\s*$/m.test(text) };
}
