/** The server's time on a device whose clock may be wrong: taken from the Date header of its answers. */

/** @type {number} ms to add to the device's clock; never so much that the server would call the result the future */
let aheadMs = 0;

/** @param {Response} answer that has just come */
export function noteServerTime(answer) {
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (!Number.isNaN(date)) aheadMs = date - Date.now();
}

/** @returns {number} ms since the epoch by the server's clock, at most some seconds late */
export function serverNow() {
  return Date.now() + aheadMs;
}
