/** The secret of a mailed link: it stands behind the #, which no server is told, and leaves the address at once. */

/** @returns {string} "" when the page was opened without one */
export function mailedSecret() {
  const secret = location.hash.slice(1);
  if (secret) history.replaceState(null, "", location.pathname);
  // Another link into the same tab changes nothing but what stands behind the #.
  addEventListener("hashchange", () => location.reload());
  return secret;
}
