/** Draws how loud a clip is along its length: a bar for each stretch, mirrored at the middle. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 24;
const BARS = 80;
const FULL = 255;

/** What was fetched of each clip: its sound never changes, its addresses do. @type {Map<string, Promise<number[]>>} */
const fetched = new Map();

/** @param {string} id of the video @param {string} url @returns {SVGElement} empty until the peaks are there, and for good when they do not come */
export function waveform(id, url) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "waveform");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  if (!fetched.has(id)) fetched.set(id, load(url));
  fetched.get(id)?.then(
    (peaks) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("d", outline(peaks));
      svg.append(path);
    },
    // A newer address may bring it.
    () => fetched.delete(id),
  );
  return svg;
}

/** @param {string} url @returns {Promise<number[]>} */
async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${answer.status} for a waveform`);
  const { version, peaks } = await answer.json();
  if (version !== 1 || !peaks?.length) throw new Error("a waveform that this page cannot read");
  return peaks;
}

/** @param {number[]} peaks 0 to 255 @returns {string} */
function outline(peaks) {
  const count = Math.min(BARS, peaks.length);
  const step = WIDTH / count;
  let path = "";
  for (let bar = 0; bar < count; bar += 1) {
    const peak = Math.max(...peaks.slice(Math.floor((bar * peaks.length) / count), Math.floor(((bar + 1) * peaks.length) / count)));
    const height = Math.max(1, (HEIGHT * peak) / FULL);
    path += `M${(bar * step).toFixed(1)} ${((HEIGHT - height) / 2).toFixed(1)}h${(step * 0.6).toFixed(1)}v${height.toFixed(1)}h${(-step * 0.6).toFixed(1)}z`;
  }
  return path;
}
