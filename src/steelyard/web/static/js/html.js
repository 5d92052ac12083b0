// Preact, its hooks and the html`...` template bound to it, from one place.
import { h, render, Fragment } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { render, Fragment };
export const html = htm.bind(h);
