// Answers while dragging: one question at a time is with the server, the newest waits, older ones are dropped.
const PATIENCE_MS = 300; // at least, from the newest question till the one before it is given up
const MOST_MS = 10_000;

/** Puts questions to `ask(question, signal)`, and its answers to `show({data, error, busy, key})`, in order. */
export function keeper(ask, show) {
  let running = null, waiting = null, timer = 0, serial = 0, patience = PATIENCE_MS, begun = 0;

  function next() {
    if (running || !waiting) return;
    const mine = (serial += 1);
    const { question, key, since } = waiting;
    waiting = null;
    running = new AbortController();
    begun = performance.now();
    const done = (patch) => {
      if (mine !== serial) return; // given up meanwhile: its answer is stale
      clearTimeout(timer);
      running = null;
      patience = Math.min(MOST_MS, Math.max(PATIENCE_MS, 2 * (performance.now() - begun)));
      show((old) => ({ ...old, ...patch, key, busy: waiting !== null }));
      if (patch.data) seen(since);
      next();
    };
    ask(question, running.signal).then(
      (data) => done({ data, error: null }),
      (error) => done({ error }),
    );
  }

  function giveUp() {
    if (!running || !waiting) return;
    running.abort();
    running = null;
    serial += 1;
    patience = Math.min(MOST_MS, 2 * patience); // a busy machine answers no question if all are given up
    next();
  }

  return {
    put(question, key) {
      // the answer is as old as the first drag that it leaves unanswered
      waiting = { question, key, since: waiting?.since ?? performance.now() };
      show((old) => ({ ...old, busy: true }));
      if (running) { clearTimeout(timer); timer = setTimeout(giveUp, patience); }
      next();
    },
    forget() {
      clearTimeout(timer);
      running?.abort();
      running = waiting = null;
      serial += 1;
    },
  };
}

/** Notes in the browser's own timeline how long an answer took, till it could be seen. */
function seen(since) {
  requestAnimationFrame(() => setTimeout(() => {
    performance.measure("steelyard: answer", { start: since, end: performance.now() });
  }));
}
