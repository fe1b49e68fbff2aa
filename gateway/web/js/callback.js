/** Comes back from the sign-in form: exchanges the code, goes on to where the person was. */

import { finish } from "./auth.js";
import { byId } from "./dom.js";

const onward = await finish(new URLSearchParams(location.search)).catch(() => null);
if (onward) {
  location.replace(onward);
} else {
  byId("headline").textContent = "That did not work";
  byId("sentence").textContent = "The sign-in was begun elsewhere or took too long. Please try again.";
  byId("again").hidden = false;
}
