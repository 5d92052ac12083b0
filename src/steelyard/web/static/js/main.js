// Starts the page: which view is shown, and the form that asks for the token where it is not known.
import { html, render, useEffect, useState } from "./html.js";
import { keep, token } from "./token.js";
import { onLocked } from "./api.js";
import { useAddress } from "./address.js";
import { Frame } from "./frame.js";
import { Network } from "./views/network.js";
import { Compare } from "./views/compare.js";
import { Zoo } from "./views/zoo.js";
import { Jobs } from "./views/jobs.js";
import { Runs } from "./views/runs.js";

const SHOWN = { network: Network, compare: Compare, zoo: Zoo, jobs: Jobs, runs: Runs };

function Page() {
  const [locked, lock] = useState(token() === "");
  const { view } = useAddress();
  useEffect(() => onLocked(() => lock(true)), []);
  const Shown = SHOWN[view];
  return html`<${Frame} view=${view}>${locked ? html`<${Lock} />` : html`<${Shown} key=${view} />`}<//>`;
}

function Lock() {
  const unlock = (event) => {
    event.preventDefault();
    keep(new FormData(event.target).get("token"));
    location.reload();
  };
  return html`<section class="lock"><h1>This page needs its token</h1>
    <p>Only who started the server may use it. Paste the address, or the token in it, that
      <code> steelyard serve</code> printed when it started; a server that was started anew has a new one.</p>
    <form class="row" onSubmit=${unlock}>
      <label>address or token <input name="token" required autocomplete="off" spellcheck=${false} /></label>
      <button type="submit">Open</button>
    </form></section>`;
}

const root = document.getElementById("page");
root.replaceChildren();
render(html`<${Page} />`, root);
