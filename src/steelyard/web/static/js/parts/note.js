// Errors as sentences, and the line that says that something is being worked on.
import { html } from "../html.js";

/** What was refused, what was expected, what to do next. */
export function Trouble({ error, again }) {
  if (!error) return null;
  return html`<div class="warning trouble" role="alert"><p>${error.message}${error.expected && html`; expected: ${error.expected}`}</p>
    ${error.hint && html`<p class="soft">${error.hint}</p>`}
    ${again && html`<button type="button" class="small" onClick=${again}>Try again</button>`}</div>`;
}

/** Says what is waited for, where nothing is shown yet. */
export const Waiting = ({ children }) => html`<p class="waiting" role="status">${children}</p>`;
