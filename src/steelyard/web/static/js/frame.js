// What surrounds each view: name, ways to the views, the link to what is shown.
import { html, useEffect, useRef, useState } from "./html.js";
import { VIEWS, addressOf, go, settle } from "./address.js";

const NAMES = { network: "Network", compare: "Compare", zoo: "Zoo", jobs: "Jobs", runs: "Runs" };

export function Frame({ view, children }) {
  useEffect(() => { document.title = `${NAMES[view]} · steelyard workbench`; }, [view]);
  const follow = (event, to) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(to);
  };
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>To the content</a>
    <header class="bar">
      <span class="brand"><img src="/icon.svg" alt="" width="22" height="22" /> steelyard</span>
      <nav aria-label="views"><ul>${VIEWS.map((name) => html`<li key=${name}>
        <a href=${addressOf(name)} aria-current=${name === view ? "page" : undefined}
          onClick=${(event) => follow(event, name)}>${NAMES[name]}</a></li>`)}</ul></nav>
      <${CopyLink} />
    </header>
    <main id="main" tabindex="-1">${children}</main>`;
}

function CopyLink() {
  const [said, say] = useState("");
  const timer = useRef(0);
  const copy = async () => {
    settle();
    const done = await navigator.clipboard.writeText(location.href).then(() => true, () => false);
    say(done ? "Copied" : "Copy it from the address bar");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => say(""), 4000);
  };
  return html`<span class="copy"><button type="button" class="small" onClick=${copy}
    title="The address holds all settings of this view; the token is not in it">Copy link</button>
    <span role="status" class="soft">${said}</span></span>`;
}
