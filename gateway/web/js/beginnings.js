/** Loads the first ten seconds of a clip's file, and no more, into the browser's cache, where its picture finds them. */

const FIRST_MS = 10_000;
/** The first piece tells the size of the file; in most it holds the index and the first picture too. */
const HEAD_BYTES = 64 * 1024;

/** Whether this browser answers from ranges that it has loaded; not all do, and there loading them would be waste. @type {boolean | null} */
let keeps = null;

/**
 * @param {string} address @param {number} durationMs @param {AbortSignal} signal
 * @returns {Promise<boolean>} false when the browser would load the bytes again
 */
export async function loadBeginning(address, durationMs, signal) {
  if (keeps === false) return false;
  try {
    const size = await load(address, 0, HEAD_BYTES, signal);
    keeps ??= size > 0 && (await isKept(address, signal));
    const wanted = Math.ceil(size * Math.min(1, FIRST_MS / durationMs));
    if (keeps && wanted > HEAD_BYTES) await load(address, HEAD_BYTES, wanted, signal);
  } catch {
    // The picture itself finds out what is wrong.
  }
  return keeps !== false;
}

/** @param {string} address @param {number} start @param {number} end @param {AbortSignal} signal @returns {Promise<number>} bytes of the whole file; 0 when it does not come in pieces */
async function load(address, start, end, signal) {
  const answer = await fetch(address, /** @type {any} */ ({ headers: { range: `bytes=${start}-${end - 1}` }, priority: "low", signal }));
  const size = /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "")?.[1];
  if (answer.status !== 206 || !size) {
    await answer.body?.cancel();
    if (answer.ok) return 0;
    throw new Error(`${answer.status} for the beginning of a clip`);
  }
  await answer.arrayBuffer();
  return Number(size);
}

/** Whether what was just loaded comes without the line the next time. @param {string} address @param {AbortSignal} signal @returns {Promise<boolean>} */
async function isKept(address, signal) {
  const answer = await fetch(address, { headers: { range: "bytes=0-1" }, cache: "force-cache", signal });
  await answer.arrayBuffer();
  const [timing] = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByName(answer.url)).slice(-1);
  return timing?.transferSize === 0;
}
